//! One conflict, from where it is to where it ends.

use std::time::Duration;

use shared::conflicts::{Conflict, MAX_ATTEMPTS, Reason, Remedy, State, TableError};
use shared::lambda::clock::now_millis;

use crate::confirm::confirm;
use crate::evidence::{Found, evidence};
use crate::remedy;
use crate::run::Run;

/// So long after a call each run looks what came of it; then the looks come less and less often.
const LOOKED_AT_ONCE: Duration = Duration::from_secs(2);

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
        Step::Wait => {
            let since = now.saturating_sub(conflict.sent_at.unwrap_or(now));
            conflict.due_at = Some(now + millis(patience(Duration::from_millis(since))));
            if conflict.answered {
                // To wait for what was promised is no attempt.
                conflict.attempts = before.attempts;
            }
        }
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

/// The wait before the next look at what came of a call that was sent so long ago: the upstream
/// may delete long histories long after it said so.
fn patience(since: Duration) -> Duration {
    if since < LOOKED_AT_ONCE {
        Duration::ZERO
    } else {
        (since / 2).min(Duration::from_mins(10))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use shared::conflicts::Scope;
    use shared::identity::email::EmailKey;

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn pending() -> Conflict {
        let scope = Scope {
            app_id: "app".to_owned(),
            brand_id: None,
        };
        let mut conflict = Conflict::over_email(&scope, &EmailKey::from("a@example.com"), "a", NOW);
        conflict.attempts = 2;
        conflict
    }

    /// `before` as a worker has it.
    fn taken(before: &Conflict) -> Conflict {
        let mut conflict = before.clone();
        conflict.attempts += 1;
        conflict.state = State::InProgress;
        conflict.due_at = Some(NOW + 60_000);
        conflict
    }

    #[test]
    fn what_a_run_leaves_is_as_it_was() {
        let mut planned = pending();
        planned.end(State::Planned, None, NOW);
        let mut sent = pending();
        sent.sent_at = Some(NOW);
        sent.state = State::Confirming;
        sent.looks = 1;
        for before in [pending(), planned, sent] {
            let mut conflict = taken(&before);
            conflict.looks += 1;
            settle(&mut conflict, &before, &Step::Leave, NOW + 1);
            assert_eq!(
                (conflict.state, conflict.attempts, conflict.due_at),
                (before.state, before.attempts, before.due_at)
            );
            assert_eq!(conflict.looks, before.looks);
        }
    }

    #[test]
    fn what_may_have_been_sent_is_never_pending_and_never_no_conflict() {
        let before = pending();
        for step in [Step::Retry, Step::Wait, Step::Leave] {
            let mut conflict = taken(&before);
            conflict.sent_at = Some(NOW);
            settle(&mut conflict, &before, &step, NOW);
            assert_eq!(conflict.state, State::Confirming);
            assert!(conflict.due_at.is_some());
        }
        let mut conflict = taken(&before);
        conflict.sent_at = Some(NOW);
        let none = Step::End(State::NotAConflict, None);
        settle(&mut conflict, &before, &none, NOW);
        assert_eq!((conflict.state, conflict.due_at), (State::Resolved, None));
    }

    #[test]
    fn each_attempt_waits_longer() {
        let waits: Vec<_> = (1..=8).map(backoff).collect();
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&Duration::from_hours(1)));
    }

    #[test]
    fn each_look_waits_longer() {
        let waits: Vec<_> = (0..=60)
            .map(|it| patience(Duration::from_mins(it)))
            .collect();
        assert!(waits.is_sorted());
        assert_eq!(waits.first(), Some(&Duration::ZERO));
        assert_eq!(waits.last(), Some(&Duration::from_mins(10)));
    }

    #[test]
    fn to_wait_for_an_answered_call_is_no_attempt() {
        let mut before = pending();
        before.sent_at = Some(NOW);
        before.answered = true;
        let mut conflict = taken(&before);
        settle(&mut conflict, &before, &Step::Wait, NOW + 10_000);
        assert_eq!(conflict.attempts, before.attempts);
        assert_eq!(conflict.due_at, Some(NOW + 15_000));
    }

    #[test]
    fn an_interrupted_approval_keeps_what_was_archived_and_no_other_end_does() {
        for (reason, kept) in [
            (Reason::ApprovalInterrupted, true),
            (Reason::NoLineage, false),
        ] {
            let mut conflict = taken(&pending());
            conflict.archive_progress = Some("{}".to_owned());
            conflict.approved_user_id = Some("u".to_owned());
            settle(&mut conflict, &pending(), &Step::review(reason), NOW);
            assert_eq!(conflict.archive_progress.is_some(), kept);
            assert_eq!(conflict.approved_user_id, None);
        }
    }
}
