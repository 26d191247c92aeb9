//! The context of a run: the clients, the policy, and the remaining time and actions. Everything in
//! it belongs to this run alone.

use std::cell::Cell;
use std::time::Duration;

use shared::conflicts::{Conflict, Reason, Remedy, Scope, State, Table};
use shared::lambda::deadline::Deadline;
use shared::sunshine::{Error, Halt, SunshineClient};
use tokio::sync::{Mutex, MutexGuard};

use crate::archive::Archive;
use crate::evidence::Policy;
use crate::interrupted::Interrupted;
use crate::stop::StopReason;

/// The times of an invocation, in this order.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// No work on a conflict begins after this.
    pub begin: Deadline,
    /// Calls must end by this, so that their results can be recorded.
    pub calls: Deadline,
    /// The run must end by this. The rest of the time is for the response.
    pub response: Deadline,
    /// The end of the invocation and of all its leases, in milliseconds since 1970.
    pub end: u64,
}

/// The context of a run.
pub struct Context<'a> {
    /// The API, with the run's pacer and breaker.
    pub sunshine: SunshineClient,
    /// The table.
    pub table: &'a Table,
    /// The app and brand.
    pub scope: &'a Scope,
    /// The archive, if one is configured.
    pub archive: Option<&'a Archive>,
    /// The policy.
    pub policy: Policy,
    /// The times.
    pub deadlines: Deadlines,
    /// The number of remedies that may still be applied.
    pub actions: Actions,
    /// Whether a merge of this run is unconfirmed; see [`MergeTurn`].
    pub merging: Mutex<bool>,
    /// The id of the invocation, for the log.
    pub request_id: &'a str,
    /// The reason why the run stopped, if it did.
    pub stopped: Cell<Option<StopReason>>,
}

/// The turn of a conflict to merge. The conflicts of a run merge one after the other, and each merge is
/// confirmed before the next one begins: a wrong one is the last.
pub struct MergeTurn<'a> {
    is_unconfirmed: MutexGuard<'a, bool>,
}

impl MergeTurn<'_> {
    /// Notes that the merge was sent.
    pub fn sent(&mut self) {
        *self.is_unconfirmed = true;
    }

    /// Notes that its effect was observed.
    pub fn confirmed(&mut self) {
        *self.is_unconfirmed = false;
    }
}

impl Context<'_> {
    /// Logs a change of a conflict's state. Logs nothing if the state is still `before`.
    pub fn log_change(&self, before: Option<State>, conflict: &Conflict) {
        if before == Some(conflict.state()) {
            return;
        }
        tracing::info!(
            conflictId = %conflict.id(),
            requestId = self.request_id,
            state = conflict.state().as_str(),
            reason = conflict.reason().map(Reason::as_str),
            remedy = conflict.remedy().map(Remedy::as_str),
            by = conflict.by(),
            "a conflict changed its state"
        );
    }

    /// Whether no more work may begin. Stops the run if its time is over.
    pub fn must_stop(&self) -> bool {
        if self.deadlines.begin.remaining() == Duration::ZERO {
            self.stop(StopReason::OutOfTime);
        }
        self.stop_reason().is_some()
    }

    /// Whether a conflict that has its action already must stop, too. If the run has only run out of
    /// actions, it may finish.
    pub fn must_leave(&self) -> bool {
        self.deadlines.begin.remaining() == Duration::ZERO
            || self.sunshine.breaker().stopped().is_some()
            || !matches!(self.stopped.get(), None | Some(StopReason::MaxActions))
    }

    /// The reason why the run must stop, if it must.
    pub fn stop_reason(&self) -> Option<StopReason> {
        if let Some(halt) = self.sunshine.breaker().stopped() {
            self.stop(halt.into());
        }
        self.stopped.get()
    }

    /// Stops the run. The first reason stays.
    pub fn stop(&self, reason: StopReason) {
        if self.stopped.get().is_none() {
            self.stopped.set(Some(reason));
        }
    }

    /// Reserves one of the run's remedies, and stops the run if none is left.
    pub fn take_action(&self) -> Option<Action<'_>> {
        let action = self.actions.take();
        if action.is_none() {
            self.stop(StopReason::MaxActions);
        }
        action
    }

    /// Waits until this conflict may merge. Returns [`Interrupted::Left`] if an earlier merge is
    /// unconfirmed, or if the run must stop.
    pub async fn merge_turn(&self) -> Result<MergeTurn<'_>, Interrupted> {
        let is_unconfirmed = self.merging.lock().await;
        if *is_unconfirmed || self.must_leave() {
            return Err(Interrupted::Left);
        }
        Ok(MergeTurn { is_unconfirmed })
    }

    /// Finds the cause of an interruption, if necessary with another call. Returns
    /// [`Interrupted::Retry`], [`Interrupted::Forbidden`] or [`Interrupted::Left`] if it is about
    /// this conflict alone; otherwise the run stops.
    pub async fn diagnose(&self, interrupted: Interrupted) -> Interrupted {
        let diagnosed = match interrupted {
            Interrupted::RunOver(reason) => Interrupted::RunOver(reason),
            // Whatever failed, it failed for lack of time.
            _ if self.deadlines.calls.remaining() == Duration::ZERO => {
                Interrupted::RunOver(StopReason::OutOfTime)
            }
            Interrupted::CallFailed => self.probe(Interrupted::Retry).await,
            Interrupted::Forbidden => self.probe(Interrupted::Forbidden).await,
            other => other,
        };
        // The call that failed may itself have made the breaker halt the run.
        let diagnosed = match (diagnosed, self.stopped_by_breaker()) {
            (Interrupted::Retry, Some(reason)) => Interrupted::RunOver(reason),
            (diagnosed, _) => diagnosed,
        };
        if let Interrupted::RunOver(reason) | Interrupted::Unavailable(reason) = diagnosed {
            self.stop(reason);
        }
        diagnosed
    }

    fn stopped_by_breaker(&self) -> Option<StopReason> {
        self.sunshine.breaker().stopped().map(StopReason::from)
    }

    /// Makes a harmless call. If it succeeds, the fault is specific to the conflict, and the result
    /// is `if_answered`.
    async fn probe(&self, if_answered: Interrupted) -> Interrupted {
        match self.sunshine.probe(self.deadlines.calls).await {
            Ok(()) => if_answered,
            Err(Error::Forbidden) => {
                self.sunshine.breaker().stop(Halt::Forbidden);
                Interrupted::RunOver(StopReason::Forbidden)
            }
            Err(error) => match Interrupted::from(error) {
                Interrupted::CallFailed => {
                    Interrupted::Unavailable(StopReason::SunshineUnavailable)
                }
                interrupted => interrupted,
            },
        }
    }
}

/// The number of remedies that may still be applied.
pub struct Actions(Cell<u32>);

impl Actions {
    /// A run may apply `left` remedies.
    pub fn new(left: u32) -> Self {
        Self(Cell::new(left))
    }

    fn take(&self) -> Option<Action<'_>> {
        let left = self.0.get().checked_sub(1)?;
        self.0.set(left);
        Some(Action(Some(self)))
    }
}

/// A reservation for one remedy. Unless it is spent, dropping it returns it.
pub struct Action<'a>(Option<&'a Actions>);

impl Action<'_> {
    /// Marks the remedy as applied.
    pub fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Action<'_> {
    fn drop(&mut self) {
        if let Some(Actions(left)) = self.0 {
            left.set(left.get() + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_that_was_not_spent_is_given_back() {
        let actions = Actions::new(2);
        let first = actions.take().unwrap();
        let second = actions.take().unwrap();
        assert!(actions.take().is_none());
        first.spend();
        drop(second);
        assert!(actions.take().is_some());
        assert_eq!(actions.0.get(), 1);
    }
}
