//! The work on one conflict: takes its record, attempts it, and records the progress.
//!
//! If the process is killed
//! - before the record is taken, nothing has happened;
//! - after that and before a remedy is recorded as sent, no remedy was sent, the lease ends with the
//!   invocation, and the next run starts again (an archive that was begun stays unchanged; an empty
//!   survivor of a merge may already exist, and the next run finds and uses it);
//! - after a remedy is recorded, the next run checks its effect, whether it was sent or not;
//! - after the effect was observed, the next run observes it again.

mod attempt;

use shared::conflicts::{Conflict, TableError};
use shared::lambda::clock::now_millis;

use crate::context::{Action, Context};
use crate::decide::{self, AttemptProgress};
use crate::stop::StopReason;

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
    let attempted = if let Some(outcome) = decide::give_up(&conflict) {
        Ok(AttemptProgress::Done(outcome))
    } else {
        conflict.begin_attempt(ctx.deadlines.end);
        match ctx.table.write(&mut conflict).await {
            Ok(()) => {}
            Err(TableError::Changed) => return Ok(None),
            Err(error) => return Err(error),
        }
        match attempt::attempt(ctx, &mut conflict, action).await {
            Ok(progress) => Ok(progress),
            Err(interrupted) => decide::after_interruption(ctx.diagnose(interrupted).await),
        }
    };
    if decide::ends_the_run(&attempted) {
        ctx.stop(StopReason::UpstreamError);
    }
    decide::settle(&mut conflict, &before, &attempted, now_millis());
    save(ctx, &mut conflict, &before).await?;
    ctx.log_change(Some(before.state()), &conflict);
    Ok(Some(conflict))
}

/// Writes the record, with the reports that came in the meantime.
async fn save(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
    before: &Conflict,
) -> Result<(), TableError> {
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
        decide::take_in_reports(conflict, before, &newer, now_millis());
    }
}
