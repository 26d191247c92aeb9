//! How a worker and an operator move a conflict.

use std::time::Duration;

use super::{Conflict, Sent};
use crate::conflicts::import::PairRef;
use crate::conflicts::state::{Reason, Remedy, State};

/// Maximum attempts: after these a conflict fails.
pub const MAX_ATTEMPTS: u32 = 8;
/// The longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);
/// For so long after a call each run looks at its effect; then the checks come less often.
const CHECKED_AT_ONCE: Duration = Duration::from_secs(2);
/// The longest wait between two checks.
const LONGEST_PATIENCE: Duration = Duration::from_mins(10);

impl Conflict {
    /// A worker takes the record until `lease_until`. The attempt is counted before the work, so
    /// that work that kills its worker ends too.
    pub fn begin_attempt(&mut self, lease_until: u64) {
        self.attempts += 1;
        self.state = if self.sent.is_some() {
            State::Confirming
        } else {
            State::InProgress
        };
        self.due_at = Some(lease_until);
    }

    /// Notes the user that holds the email, for an operator to see.
    pub fn note_holder(&mut self, user_id: Option<String>, external_id: Option<String>) {
        self.user_id = user_id;
        self.holder_external_id = external_id;
    }

    /// Notes the remedy that would be taken.
    pub fn propose(&mut self, remedy: Remedy) {
        self.proposed = Some(remedy);
    }

    /// Notes how far the archive has come, or that it is whole.
    pub fn note_archive_progress(&mut self, progress: Option<String>) {
        self.archive_progress = progress;
    }

    /// A changing call is about to be sent. The archives of an earlier call to the same user stay.
    pub fn record_sent(&mut self, mut sent: Sent) {
        if let Some(before) = self.sent.take().filter(|before| before.to == sent.to) {
            sent.archives.extend(before.archives);
        }
        self.user_id = Some(sent.to.clone());
        self.holder_external_id.clone_from(&sent.external_id);
        self.proposed = Some(sent.remedy);
        self.archive_progress = None;
        self.sent = Some(sent);
        self.state = State::Confirming;
    }

    /// The call was certainly not executed: the record is as `before` it was recorded.
    pub fn undo_send(&mut self, before: &Self) {
        *self = Self {
            version: self.version,
            ..before.clone()
        };
    }

    /// The call was answered.
    pub fn note_answered(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.answered = true;
        }
    }

    /// What a release took beside the email was written back.
    pub fn note_restored(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.restored = true;
        }
    }

    /// Ends the conflict. If a remedy may have been sent, there was one: it is resolved then, never
    /// not a conflict. A resolved one keeps why it was released and not merged.
    pub fn end(&mut self, state: State, reason: Option<Reason>, now: u64) {
        let (state, reason) = match (&self.sent, state) {
            (Some(sent), State::Resolved | State::NotAConflict) => {
                (State::Resolved, reason.or(sent.instead_because))
            }
            _ => (state, reason),
        };
        self.state = state;
        self.reason = reason;
        self.due_at = None;
        self.outages = 0;
        self.ended_at = Some(now);
        self.approved_user_id = None;
        // The next approval resumes the archive.
        if reason != Some(Reason::ApprovalInterrupted) {
            self.archive_progress = None;
        }
    }

    /// What would be done is known, and may not be done yet.
    pub fn plan(&mut self, remedy: Remedy, reason: Option<Reason>) {
        self.state = State::Planned;
        self.proposed = Some(remedy);
        self.reason = reason;
        self.due_at = None;
        self.outages = 0;
    }

    /// Something failed that may pass: the next attempt comes later. The wait grows fourfold, up to
    /// an hour.
    pub fn retry(&mut self, now: u64) {
        self.rest();
        self.outages = 0;
        self.due_at = Some(now + millis(backoff(self.attempts)));
    }

    /// The remedy would be taken, but not before `until`. To wait is no attempt.
    pub fn postpone(&mut self, remedy: Remedy, until: u64, before: &Self) {
        self.rest();
        self.proposed = Some(remedy);
        self.attempts = before.attempts;
        self.outages = 0;
        self.reason = None;
        self.due_at = Some(until);
    }

    /// The effect of the call is not seen yet, so a later run checks again. To wait for the effect
    /// of a call that was answered is no attempt.
    pub fn await_effect(&mut self, before: &Self, now: u64) {
        self.rest();
        self.outages = 0;
        let Some(sent) = &mut self.sent else {
            self.due_at = Some(now);
            return;
        };
        sent.checks += 1;
        let since = Duration::from_millis(now.saturating_sub(sent.at));
        self.due_at = Some(now + millis(patience(since)));
        if sent.answered {
            self.attempts = before.attempts;
        }
    }

    /// The run is over before the work was: the record is left as it was `before` the worker took
    /// it, but for a remedy that was sent.
    pub fn leave(&mut self, before: &Self, now: u64) {
        self.rest();
        self.attempts = before.attempts;
        if let (Some(sent), Some(sent_before)) = (&mut self.sent, &before.sent)
            && sent.at == sent_before.at
        {
            sent.checks = sent_before.checks;
        } else if self.sent.is_some() {
            self.due_at = Some(now);
            return;
        }
        self.due_at = before.due_at;
        if self.sent.is_none() && before.state == State::Planned {
            self.state = State::Planned;
        }
    }

    /// What the work needs was not there (Sunshine, the archive, the key). That is no attempt, but
    /// the wait grows up to an hour. The first time there is none.
    pub fn leave_after_outage(&mut self, before: &Self, now: u64) {
        self.leave(before, now);
        self.outages = before.outages + 1;
        if self.due_at.is_some() && before.outages > 0 {
            self.due_at = Some(now + millis(backoff(before.outages)));
        }
    }

    /// An operator lets the conflict go on with this user, and no other.
    pub fn approve(&mut self, user_id: String, now: u64) {
        self.approved_user_id = Some(user_id);
        self.reopen(now);
    }

    /// An operator asks for what comes next.
    pub fn ask(&mut self, by: Option<&str>) {
        if let Some(by) = by {
            self.by = Some(by.to_owned());
            self.note = None;
        }
    }

    /// An operator ends the conflict: there is nothing to do. A remedy that may have been sent is
    /// not forgotten: then it is resolved.
    pub fn close(&mut self, by: &str, note: &str, now: u64) {
        self.ask(Some(by));
        self.note = Some(note.to_owned());
        self.end(State::NotAConflict, None, now);
    }

    /// An operator took the release back, so it is over, and no email is free.
    pub fn note_undone(&mut self, by: &str, now: u64) {
        self.ask(Some(by));
        self.note = Some("the release was taken back".to_owned());
        self.sent = None;
        self.end(State::NotAConflict, None, now);
    }

    /// Notes why the attempt did not get to an end, or that it did.
    pub fn note_error(&mut self, error: Option<String>) {
        self.last_error = error;
    }

    /// The import pair that asked for the conflict follows its state from now on.
    pub fn follow(&mut self, pair: Option<PairRef>) {
        if pair.is_some() {
            self.pair = pair;
        }
    }

    /// Limits the work to this user, if an operator named a remedy for it.
    pub fn limit_to(&mut self, user_id: Option<String>) {
        self.approved_user_id = user_id;
    }

    /// Opens the conflict again, as an operator asks. A remedy that was sent stays sent.
    pub fn reopen(&mut self, now: u64) {
        self.rest();
        self.reason = None;
        self.attempts = 0;
        self.outages = 0;
        self.due_at = Some(now);
        self.ended_at = None;
        if let Some(sent) = &mut self.sent {
            // The call had no effect although it was answered, and the operator's look is a check.
            sent.answered = false;
            sent.checks = 1;
        }
    }

    /// No worker has the record any more.
    fn rest(&mut self) {
        self.state = if self.sent.is_some() {
            State::Confirming
        } else {
            State::Pending
        };
    }
}

/// The wait before the next attempt.
fn backoff(attempts: u32) -> Duration {
    let seconds = 4_u64.saturating_pow(attempts.saturating_sub(1));
    Duration::from_secs(seconds).min(LONGEST_BACKOFF)
}

/// The wait before the next check of a call that was sent so long ago: the upstream may delete
/// long histories long after it accepted to.
fn patience(since: Duration) -> Duration {
    if since < CHECKED_AT_ONCE {
        Duration::ZERO
    } else {
        (since / 2).min(LONGEST_PATIENCE)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
