//! A run: the lease, the budget, and what is worked on at once.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use shared::conflicts::{Conflict, Position, Remedy, Scope, State, Table, TableError};
use shared::lambda::clock::now_millis;
use shared::lambda::deadline::Deadline;
use shared::sunshine::{StopReason, SunshineClient};

use crate::archive::Archive;
use crate::decision::Rules;
use crate::report::Report;
use crate::worker;

/// How many records are read from the index at once.
const PAGE: i32 = 100;

/// What a run works with. Everything in it is of this run alone.
pub struct Run<'a> {
    /// The API, with the run's pacer and breaker.
    pub sunshine: SunshineClient,
    /// The conflicts.
    pub table: &'a Table,
    /// Whose they are.
    pub scope: &'a Scope,
    /// The archive, where one is configured.
    pub archive: Option<&'a Archive>,
    /// What may be done.
    pub rules: Rules<'a>,
    /// By when calls must be answered. A little earlier than the invocation's end, so that what
    /// came of them can be recorded.
    pub deadline: Deadline,
    /// By when the run must be over, recorded or not: after it there is time for the answer only.
    pub answers_by: Deadline,
    /// When this invocation ends, and with it every lease, in milliseconds since 1970.
    pub ends_at: u64,
    /// From when on nothing new is begun.
    pub begins_until: Deadline,
    /// How many remedies may still be taken.
    pub actions_left: Cell<u32>,
    /// Why the run stopped, if it did.
    pub stopped: Cell<Option<&'static str>>,
    /// What came of it.
    pub report: RefCell<Report>,
}

impl Run<'_> {
    /// Works on what is due, and on what was planned and is allowed now.
    pub async fn drain(&self, at_once: usize) -> Result<(), TableError> {
        self.work_on(
            Listing::Due {
                until: now_millis(),
            },
            at_once,
        )
        .await?;
        if self.rules.allowed > Remedy::Plan {
            self.work_on(Listing::Planned, at_once).await?;
        }
        Ok(())
    }

    async fn work_on(&self, listing: Listing, at_once: usize) -> Result<(), TableError> {
        let failure = RefCell::new(None);
        stream::unfold(Some(None), |position: Option<Option<Position>>| {
            let (listing, failure) = (&listing, &failure);
            async move {
                let position = position?;
                if self.must_stop() {
                    return None;
                }
                match listing.page(self.table, position).await {
                    Ok((mut conflicts, next)) => {
                        // A run that fails at some of them must not do so before all others, again
                        // and again.
                        fastrand::shuffle(&mut conflicts);
                        Some((stream::iter(conflicts), next.map(Some)))
                    }
                    Err(error) => {
                        failure.replace(Some(error));
                        None
                    }
                }
            }
        })
        .flatten()
        .for_each_concurrent(at_once, |conflict| self.one(conflict))
        .await;
        failure.into_inner().map_or(Ok(()), Err)
    }

    /// Works on one conflict, and reports what came of it.
    pub async fn one(&self, conflict: Conflict) {
        if self.must_stop() {
            // Fetched and not begun: left as it is.
            self.report.borrow_mut().deferred += 1;
            return;
        }
        match worker::work(self, conflict).await {
            Ok(Some(conflict)) => self.report.borrow_mut().add(&conflict),
            // Somebody else has it.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a conflict's record could not be written");
                self.report.borrow_mut().deferred += 1;
            }
        }
    }

    /// Whether nothing new may be begun.
    pub fn must_stop(&self) -> bool {
        self.must_stop_for_calls();
        if self.begins_until.remaining() == Duration::ZERO {
            self.stop("out_of_time");
        }
        self.stopped.get().is_some()
    }

    /// Whether the time for calls is over, which is no fault of what was called last.
    pub fn is_out_of_time(&self) -> bool {
        let is_over = self.deadline.remaining() == Duration::ZERO;
        if is_over {
            self.stop("out_of_time");
        }
        is_over
    }

    /// Notes why no more calls are sent, if that is so.
    pub fn must_stop_for_calls(&self) {
        if let Some(reason) = self.sunshine.breaker().stopped() {
            self.stop(match reason {
                StopReason::Unauthorized => "unauthorized",
                StopReason::Forbidden => "forbidden",
                StopReason::TooManyFailures => "too_many_failures",
            });
        }
    }

    /// Stops the run. The first reason stays.
    pub fn stop(&self, reason: &'static str) {
        if self.stopped.get().is_none() {
            self.stopped.set(Some(reason));
        }
    }

    /// Takes one of the remedies that the run may take. Stops the run where none is left.
    pub fn take_action(&self) -> bool {
        let left = self.actions_left.get().checked_sub(1);
        match left {
            Some(left) => self.actions_left.set(left),
            None => self.stop("max_actions"),
        }
        left.is_some()
    }

    /// Gives a remedy back that was not taken after all.
    pub fn give_action_back(&self) {
        self.actions_left.set(self.actions_left.get() + 1);
    }
}

/// Which conflicts are worked on.
enum Listing {
    Due { until: u64 },
    Planned,
}

impl Listing {
    async fn page(
        &self,
        table: &Table,
        position: Option<Position>,
    ) -> Result<(Vec<Conflict>, Option<Position>), TableError> {
        match self {
            Self::Due { until } => table.due(*until, PAGE, position).await,
            Self::Planned => table.in_state(State::Planned, PAGE, position).await,
        }
    }
}
