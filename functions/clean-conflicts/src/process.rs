//! The work on one conflict: takes its record, attempts it, and records the progress.
//!
//! If the process is killed
//! - before the record is taken, nothing has happened;
//! - after that and before a remedy is recorded as sent, nothing was changed, the lease ends with
//!   the invocation, and the next run starts again (an archive that was begun stays unchanged);
//! - after a remedy is recorded, the next run checks its effect, whether it was sent or not;
//! - after the effect was observed, the next run observes it again.

mod attempt;
mod progress;

use shared::conflicts::{Conflict, MAX_ATTEMPTS, Reason, State, TableError};
use shared::lambda::clock::now_millis;

use crate::context::{Action, Context};
use crate::interrupted::Interrupted;
use crate::outcome::Outcome;
use crate::stop::StopReason;

use progress::AttemptProgress;

/// Works on a conflict, and returns its new record; `None` if another writer has it. `action` is
/// the reservation of a remedy, if there already is one for this conflict.
pub async fn process(
    ctx: &Context<'_>,
    mut conflict: Conflict,
    action: Option<Action<'_>>,
) -> Result<Option<Conflict>, TableError> {
    let before = conflict.clone();
    if before.has_ended() {
        return Ok(None);
    }
    let attempted = if conflict.attempts() >= MAX_ATTEMPTS {
        Ok(AttemptProgress::Done(match conflict.sent() {
            Some(_) => Outcome::NeedsReview(Reason::OutcomeUnknown),
            None => Outcome::Failed(Reason::TooManyAttempts),
        }))
    } else {
        conflict.begin_attempt(ctx.deadlines.end);
        match ctx.table.write(&mut conflict).await {
            Ok(()) => {}
            Err(TableError::Changed) => return Ok(None),
            Err(error) => return Err(error),
        }
        match attempt::attempt(ctx, &mut conflict, action).await {
            Ok(progress) => Ok(progress),
            Err(interrupted) => match ctx.diagnose(interrupted).await {
                Interrupted::Forbidden => Ok(AttemptProgress::Done(Outcome::Failed(
                    Reason::ForbiddenUser,
                ))),
                interrupted => Err(interrupted),
            },
        }
    };
    if matches!(
        attempted,
        Ok(AttemptProgress::Done(Outcome::NeedsReview(
            Reason::OtherUserChanged
        )))
    ) {
        // A merge had an unexpected effect, so no other merge may follow.
        ctx.stop(StopReason::UpstreamError);
    }
    settle(&mut conflict, &before, &attempted, now_millis());
    conflict.note_error(attempted.as_ref().err().map(ToString::to_string));
    save(ctx, &mut conflict, &before).await?;
    ctx.log_change(Some(before.state()), &conflict);
    Ok(Some(conflict))
}

/// Writes the progress of the attempt into the record.
fn settle(
    conflict: &mut Conflict,
    before: &Conflict,
    attempted: &Result<AttemptProgress, Interrupted>,
    now: u64,
) {
    match attempted {
        Ok(AttemptProgress::Done(outcome)) => match *outcome {
            Outcome::Planned(remedy, reason) => conflict.plan(remedy, reason),
            outcome => {
                let (state, reason) = outcome.end();
                conflict.end(state, reason, now);
            }
        },
        Ok(AttemptProgress::Waiting) => conflict.await_effect(before, now),
        Ok(AttemptProgress::Postponed(remedy, until)) => conflict.postpone(*remedy, *until, before),
        Err(Interrupted::Unavailable(_)) => conflict.leave_after_outage(before, now),
        Err(Interrupted::Left | Interrupted::RunOver(_)) => conflict.leave(before, now),
        Err(Interrupted::Retry | Interrupted::CallFailed | Interrupted::Forbidden) => {
            conflict.retry(now);
        }
    }
}

/// Writes the record. Adds a report that came in the meantime: if another person now claims the
/// email, and nothing was sent, the decision is outdated.
async fn save(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
    before: &Conflict,
) -> Result<(), TableError> {
    let reported = |conflict: &Conflict, now| conflict.callers(&[], now, |_| false).len();
    loop {
        match ctx.table.write(conflict).await {
            Err(TableError::Changed) => {}
            outcome => return outcome,
        }
        let Some(newer) = ctx.table.get(conflict.id()).await? else {
            return Err(TableError::Changed);
        };
        if newer.due_at() != Some(ctx.deadlines.end) {
            return Err(TableError::Changed);
        }
        let is_claimed_by_more = conflict.take_in_reports(&newer);
        let is_decided = conflict.has_ended() || conflict.state() == State::Planned;
        if is_claimed_by_more && is_decided && conflict.sent().is_none() {
            let now = now_millis();
            if reported(conflict, now) > 1 && reported(conflict, now) > reported(before, now) {
                conflict.end(State::NeedsReview, Some(Reason::SeveralCallers), now);
            } else {
                conflict.reopen(now);
            }
        }
    }
}
