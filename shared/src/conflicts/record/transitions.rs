//! The transitions of a conflict, by workers and operators.

use std::time::Duration;

use super::{Conflict, Sent, Withdrawal};
use crate::conflicts::id::PairRef;
use crate::conflicts::state::{Reason, Remedy, State};
use crate::lambda::clock::millis;

/// Maximum attempts, after which a conflict fails.
pub const MAX_ATTEMPTS: u32 = 8;
/// Maximum wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);
/// The time after a call during which its effect may be checked again at once. Later checks are
/// less frequent.
const CHECKED_AT_ONCE: Duration = Duration::from_secs(2);
/// Maximum wait between two checks.
const LONGEST_PATIENCE: Duration = Duration::from_mins(10);

impl Conflict {
    /// A worker takes the record until `lease_until`. The attempt is counted before the work, so
    /// that work that kills its worker also ends.
    pub fn begin_attempt(&mut self, lease_until: u64) {
        self.attempts += 1;
        self.state = if self.sent.is_some() {
            State::Confirming
        } else {
            State::InProgress
        };
        self.due_at = Some(lease_until);
    }

    /// Records the user that holds the email, for an operator to see.
    pub fn note_holder(&mut self, user_id: Option<String>, external_id: Option<String>) {
        self.user_id = user_id;
        self.holder_external_id = external_id;
    }

    /// Records the remedy that would be applied.
    pub fn propose(&mut self, remedy: Remedy) {
        self.proposed = Some(remedy);
    }

    /// Records the progress of the archive, or that it is complete.
    pub fn note_archive_progress(&mut self, progress: Option<String>) {
        self.archive_progress = progress;
    }

    /// Records a changing call that is about to be sent. Keeps the archives of an earlier call to
    /// the same user if its fields may still have to be restored.
    pub fn record_sent(&mut self, mut sent: Sent) {
        let is_to_be_restored =
            |before: &Sent| before.to == sent.to && before.is_restorable(sent.at);
        if let Some(before) = self.sent.take().filter(is_to_be_restored) {
            sent.archives.extend(before.archives);
        }
        self.user_id = Some(sent.to.clone());
        self.holder_external_id.clone_from(&sent.external_id);
        self.proposed = Some(sent.remedy);
        self.archive_progress = None;
        self.sent = Some(sent);
        self.state = State::Confirming;
    }

    /// Restores the record to `before`, because the call was certainly not executed.
    pub fn undo_send(&mut self, before: &Self) {
        *self = Self {
            version: self.version,
            ..before.clone()
        };
    }

    /// Records that Zendesk accepted the call.
    pub fn note_accepted(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.accepted = true;
        }
    }

    /// Records that the fields that a release cleared by side effect were restored.
    pub fn note_restored(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.restored = true;
        }
    }

    /// Ends the conflict. If a remedy may have been sent, there was a conflict, so it ends as
    /// resolved and never as not a conflict. A resolved conflict keeps the reason why it was
    /// released and not merged.
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
        // Keep the progress of an interrupted approval, so that the next one resumes the archive.
        if reason != Some(Reason::ApprovalInterrupted) {
            self.archive_progress = None;
        }
    }

    /// Plans a remedy that must not be applied yet. The attempts start at zero again, because a
    /// conflict may be reported, and so planned, any number of times.
    pub fn plan(&mut self, remedy: Remedy, reason: Option<Reason>) {
        self.state = State::Planned;
        self.attempts = 0;
        self.approved_user_id = None;
        self.proposed = Some(remedy);
        self.reason = reason;
        self.due_at = None;
        self.outages = 0;
    }

    /// Schedules the next attempt after a temporary failure. The wait grows fourfold each time, up
    /// to an hour.
    pub fn retry(&mut self, now: u64) {
        self.release();
        self.outages = 0;
        self.due_at = Some(now + millis(backoff(self.attempts)));
    }

    /// Postpones the remedy to `until`. Waiting is not an attempt.
    pub fn postpone(&mut self, remedy: Remedy, until: u64, before: &Self) {
        self.release();
        self.proposed = Some(remedy);
        self.attempts = before.attempts;
        self.outages = 0;
        self.reason = None;
        self.due_at = Some(until);
    }

    /// Schedules another check, because the effect of the call has not been observed. Waiting for
    /// the effect of an accepted call is not an attempt.
    pub fn await_effect(&mut self, before: &Self, now: u64) {
        self.release();
        self.outages = 0;
        let Some(sent) = &mut self.sent else {
            self.due_at = Some(now);
            return;
        };
        sent.checks += 1;
        let since = Duration::from_millis(now.saturating_sub(sent.at));
        self.due_at = Some(now + millis(patience(since)));
        if sent.accepted {
            self.attempts = before.attempts;
        }
    }

    /// Leaves the record as it was `before` the worker took it, because the run ended before the
    /// work did. A remedy that was sent in between stays recorded, and is checked next.
    pub fn leave(&mut self, before: &Self, now: u64) {
        self.release();
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

    /// Leaves the record after an outage of Sunshine, the archive or the key. An outage is not an
    /// attempt, but the wait grows up to an hour; the first time, there is no wait.
    pub fn leave_after_outage(&mut self, before: &Self, now: u64) {
        self.leave(before, now);
        self.outages = before.outages + 1;
        if self.due_at.is_some() && before.outages > 0 {
            self.due_at = Some(now + millis(backoff(before.outages)));
        }
    }

    /// Records that an operator lets the work continue, with this user and no other.
    pub fn approve(&mut self, user_id: String, now: u64) {
        self.approved_user_id = Some(user_id);
        self.reopen(now);
    }

    /// Records the operator who asks for the next step, if one does, and drops the earlier note.
    pub fn note_operator(&mut self, by: Option<&str>) {
        if let Some(by) = by {
            self.by = Some(by.to_owned());
            self.note = None;
        }
    }

    /// Ends the conflict for an operator: there is nothing to do. It ends as resolved if a remedy
    /// may have been sent.
    pub fn close(&mut self, by: &str, note: &str, now: u64) {
        self.note_operator(Some(by));
        self.note = Some(note.to_owned());
        self.end(State::NotAConflict, None, now);
    }

    /// Records that an undo is about to take the email off a user.
    pub fn record_withdrawal(&mut self, withdrawal: Withdrawal) {
        self.withdrawal = Some(withdrawal);
    }

    /// Ends the conflict after an operator took the release back: nothing counts as sent any more.
    pub fn note_undone(&mut self, by: &str, now: u64) {
        self.note_operator(Some(by));
        self.note = Some("the release was taken back".to_owned());
        self.sent = None;
        self.withdrawal = None;
        self.end(State::NotAConflict, None, now);
    }

    /// Records the reason why the attempt was interrupted; `None` if it was not.
    pub fn note_error(&mut self, error: Option<String>) {
        self.last_error = error;
    }

    /// Makes this import pair, if there is one, follow the conflict's state from now on.
    pub fn link_pair(&mut self, pair: Option<PairRef>) {
        if pair.is_some() {
            self.pair = pair;
        }
    }

    /// Limits the work to this user, if an operator named a remedy for it.
    pub fn limit_to(&mut self, user_id: Option<String>) {
        self.approved_user_id = user_id;
    }

    /// Makes the conflict due again: an operator asked for it, or a new report made the decision
    /// outdated. A remedy that was sent stays sent.
    pub fn reopen(&mut self, now: u64) {
        self.release();
        self.reason = None;
        self.attempts = 0;
        self.outages = 0;
        self.due_at = Some(now);
        self.ended_at = None;
        if let Some(sent) = &mut self.sent {
            // Treat the call as not accepted and checked once: if its effect is still missing, it is
            // repeated.
            sent.accepted = false;
            sent.checks = 1;
        }
    }

    /// Releases the record from its worker.
    fn release(&mut self) {
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

/// The wait before the next check of a call that was sent this long ago: the upstream may delete
/// long histories long after it accepted the call.
fn patience(since: Duration) -> Duration {
    if since < CHECKED_AT_ONCE {
        Duration::ZERO
    } else {
        (since / 2).min(LONGEST_PATIENCE)
    }
}
