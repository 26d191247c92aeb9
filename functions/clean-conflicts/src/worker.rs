//! One conflict, from where it is to where it ends.

use std::time::Duration;

use shared::clock::now_millis;
use shared::conflicts::{Conflict, MAX_ATTEMPTS, Reason, Remedy, State, TableError};

use crate::confirm::confirm;
use crate::evidence::{Found, evidence};
use crate::remedy;
use crate::run::Run;

/// After so many looks at what came of a call, each next one is left more time.
const LOOKS_AT_ONCE: u32 = 3;

/// What becomes of a conflict after this run.
pub enum Step {
    /// It ends, or is planned.
    End(State, Option<Reason>),
    /// It is tried again later: something failed that may pass.
    Retry,
    /// It is looked at again by the next run: a call was answered, and takes effect later.
    Wait,
    /// It is left as it was: the run is over before it was.
    Leave,
}

impl Step {
    /// It ends, and a person must look.
    pub fn review(reason: Reason) -> Self {
        Self::End(State::NeedsReview, Some(reason))
    }
}

/// A step that is not the one that was hoped for.
pub type Work<T> = Result<T, Step>;

/// Works on a conflict, and answers its record as it is then; `None` where somebody else has it.
pub async fn work(run: &Run<'_>, mut conflict: Conflict) -> Result<Option<Conflict>, TableError> {
    let before = conflict.clone();
    if before.has_ended() {
        return Ok(None);
    }
    let was_sent = conflict.sent_at.is_some();
    let step = if conflict.attempts >= MAX_ATTEMPTS {
        if was_sent {
            Step::review(Reason::OutcomeUnknown)
        } else {
            Step::End(State::Failed, Some(Reason::TooManyAttempts))
        }
    } else {
        // Counted before the work, so that work that kills its worker ends too.
        conflict.attempts += 1;
        conflict.state = if was_sent {
            State::Confirming
        } else {
            State::InProgress
        };
        conflict.due_at = Some(run.ends_at);
        match run.table.write(&mut conflict).await {
            Ok(()) => {}
            Err(TableError::Changed) => return Ok(None),
            Err(error) => return Err(error),
        }
        let worked = if was_sent {
            confirm(run, &mut conflict).await
        } else {
            resolve(run, &mut conflict).await
        };
        match worked {
            Ok(step) | Err(step) => step,
        }
    };
    settle(&mut conflict, &before, &step, now_millis());
    save(run, &mut conflict, &before, &step).await?;
    Ok(Some(conflict))
}

/// Writes into the record what becomes of the conflict.
fn settle(conflict: &mut Conflict, before: &Conflict, step: &Step, now: u64) {
    let was_sent = conflict.sent_at.is_some();
    conflict.state = if was_sent {
        State::Confirming
    } else {
        State::Pending
    };
    match step {
        // What we may have changed was a conflict.
        Step::End(State::NotAConflict, _) if was_sent => conflict.end(State::Resolved, None, now),
        Step::End(state, reason) => conflict.end(*state, *reason, now),
        Step::Retry => conflict.due_at = Some(now + millis(backoff(conflict.attempts))),
        Step::Wait => conflict.due_at = Some(now + millis(patience(conflict.looks))),
        Step::Leave => {
            conflict.attempts = before.attempts;
            if conflict.sent_at == before.sent_at {
                conflict.looks = before.looks;
                conflict.due_at = before.due_at;
            } else {
                conflict.due_at = Some(now);
            }
            if !was_sent && before.state == State::Planned {
                conflict.state = State::Planned;
            }
        }
    }
    if conflict.has_ended() {
        conflict.approved_user_id = None;
        // Who approves it again goes on where the archive was.
        if conflict.reason != Some(Reason::ApprovalInterrupted) {
            conflict.archive_progress = None;
        }
    }
}

/// Writes the record. A report that came meanwhile is taken in: its claimant makes two.
async fn save(
    run: &Run<'_>,
    conflict: &mut Conflict,
    before: &Conflict,
    step: &Step,
) -> Result<(), TableError> {
    loop {
        match run.table.write(conflict).await {
            Err(TableError::Changed) => {}
            outcome => return outcome,
        }
        let Some(now) = run.table.get(&conflict.conflict_id).await? else {
            return Err(TableError::Changed);
        };
        if now.due_at != Some(run.ends_at) {
            return Err(TableError::Changed);
        }
        conflict.version = now.version;
        conflict.lineages = now.lineages;
        conflict.claimants = now.claimants;
        let is_disputed = conflict.claimants.len() > before.claimants.len();
        if is_disputed && conflict.sent_at.is_none() && matches!(step, Step::End(..)) {
            conflict.end(
                State::NeedsReview,
                Some(Reason::SeveralCallers),
                now_millis(),
            );
        }
    }
}

/// Nothing has been sent: read the evidence, decide, and act.
async fn resolve(run: &Run<'_>, conflict: &mut Conflict) -> Work<Step> {
    if conflict.approved_user_id.is_some() && run.rules.named.is_none() {
        // An operator named a remedy, and the worker died or ran out of time before it was sent.
        // Nobody else may take it, or put another in its place.
        return Ok(Step::review(Reason::ApprovalInterrupted));
    }
    let (user, remedy) = match evidence(run, conflict).await? {
        Found::Ended(step) => return Ok(step),
        Found::Act { user, remedy } => (user, remedy),
    };
    conflict.remedy = Some(remedy);
    if run.rules.allowed == Remedy::Plan {
        return Ok(Step::End(State::Planned, None));
    }
    if !run.take_action() {
        return Ok(Step::Leave);
    }
    let taken = remedy::take(run, conflict, &user, remedy).await;
    if conflict.sent_at.is_none() {
        run.give_action_back();
    }
    taken?;
    confirm(run, conflict).await
}

/// The wait before the next attempt: it grows fourfold, up to an hour.
fn backoff(attempts: u32) -> Duration {
    let seconds = 4_u64.saturating_pow(attempts.saturating_sub(1));
    Duration::from_secs(seconds).min(Duration::from_hours(1))
}

/// The wait before the next look. The first ones come with the next runs; then the upstream is
/// left time, because it may delete long histories long after it said so.
fn patience(looks: u32) -> Duration {
    if looks <= LOOKS_AT_ONCE {
        Duration::ZERO
    } else {
        backoff(looks + 1)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
