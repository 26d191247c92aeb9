//! The record after an attempt that finished, was interrupted, or was never begun.

use shared::conflicts::{Conflict, MAX_ATTEMPTS, Reason, Remedy, State};
use shared::sunshine::Error;

use super::decision::Decision;
use crate::interrupted::Interrupted;
use crate::outcome::Outcome;
use crate::plan::Call;

/// The progress of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptProgress {
    /// The conflict ends, or is planned.
    Done(Outcome),
    /// A call was sent, and its effect has not been observed.
    Waiting,
    /// The remedy must not be applied before this time.
    Postponed(Remedy, u64),
}

/// The result of an attempt: its progress, or why it was interrupted.
pub type Attempted = Result<AttemptProgress, Interrupted>;

/// The outcome of a conflict that was attempted too often; `None` if another attempt may begin.
pub fn give_up(conflict: &Conflict) -> Option<Outcome> {
    let outcome = match conflict.sent() {
        Some(_) => Outcome::NeedsReview(Reason::OutcomeUnknown),
        None => Outcome::Failed(Reason::TooManyAttempts),
    };
    (conflict.attempts() >= MAX_ATTEMPTS).then_some(outcome)
}

/// The outcome after a call was certainly not executed because of `error`; `None` if that only
/// interrupts the attempt. A key without the right to merge is refused with 401 or with 403.
pub fn after_refusal(call: &Call, error: &Error) -> Option<Outcome> {
    let is_refused = matches!(error, Error::Forbidden | Error::Unauthorized);
    (is_refused && matches!(call, Call::Merge { .. }))
        .then_some(Outcome::NeedsReview(Reason::MergeForbidden))
}

/// The result of an attempt after the cause of its interruption was found. If only calls about this
/// user are forbidden, the conflict is given up.
pub fn after_interruption(diagnosed: Interrupted) -> Attempted {
    match diagnosed {
        Interrupted::Forbidden => Ok(AttemptProgress::Done(Outcome::Failed(
            Reason::ForbiddenUser,
        ))),
        interrupted => Err(interrupted),
    }
}

/// Whether the run must stop after this attempt: a merge had an unexpected effect, so no other
/// merge may follow.
pub fn ends_the_run(attempted: &Attempted) -> bool {
    let changed_another = Outcome::NeedsReview(Reason::OtherUserChanged);
    *attempted == Ok(AttemptProgress::Done(changed_another))
}

/// Writes the result of the attempt into the record. `before` is the record before the attempt.
pub fn settle(conflict: &mut Conflict, before: &Conflict, attempted: &Attempted, now: u64) {
    match attempted {
        Ok(AttemptProgress::Done(outcome)) => finish(conflict, *outcome, now),
        Ok(AttemptProgress::Waiting) => conflict.await_effect(before, now),
        Ok(AttemptProgress::Postponed(remedy, until)) => conflict.postpone(*remedy, *until, before),
        Err(Interrupted::Unavailable(_)) => conflict.leave_after_outage(before, now),
        Err(Interrupted::Left | Interrupted::RunOver(_)) => conflict.leave(before, now),
        Err(Interrupted::Retry | Interrupted::CallFailed | Interrupted::Forbidden) => {
            conflict.retry(now);
        }
    }
    conflict.note_error(attempted.as_ref().err().map(ToString::to_string));
}

/// Writes the outcome into the record.
fn finish(conflict: &mut Conflict, outcome: Outcome, now: u64) {
    match outcome {
        Outcome::Planned(remedy, reason) => conflict.plan(remedy, reason),
        outcome => {
            let (state, reason) = outcome.end();
            conflict.end(state, reason, now);
        }
    }
}

/// Shows in the record what would be done: a dry run plans each remedy, and applies none.
pub fn foresee(conflict: &mut Conflict, decision: &Decision, now: u64) {
    match decision {
        Decision::Apply(plan) => conflict.plan(plan.call.remedy(), plan.instead_because),
        Decision::Done(outcome) => finish(conflict, *outcome, now),
        Decision::Postpone { remedy, until } => {
            let before = conflict.clone();
            conflict.postpone(*remedy, *until, &before);
        }
        Decision::AwaitEffect | Decision::Restore(_) => {}
    }
}

/// Adds the reports that came during the attempt: `newer` is the record as it is in the table. If
/// another person now claims the email, and nothing was sent, the decision is outdated.
pub fn take_in_reports(conflict: &mut Conflict, before: &Conflict, newer: &Conflict, now: u64) {
    let is_claimed_by_more = conflict.take_in_reports(newer);
    let is_decided = conflict.has_ended() || conflict.state() == State::Planned;
    if !is_claimed_by_more || !is_decided || conflict.sent().is_some() {
        return;
    }
    let callers = |conflict: &Conflict| conflict.callers(&[], now, |_| false).len();
    if callers(conflict) > 1 && callers(conflict) > callers(before) {
        conflict.end(State::NeedsReview, Some(Reason::SeveralCallers), now);
    } else {
        conflict.reopen(now);
    }
}
