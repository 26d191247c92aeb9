//! The record of a conflict, and the transitions by which it changes.
//!
//! ```text
//!                reported                          sent                 effect seen
//!   (no record) ──────────► pending ► in_progress ──────► confirming ──────────────► resolved
//!                             ▲  │         │                  │
//!             reported again, │  │         ├► pending again   ├► needs_review
//!             or an operator  │  │         ├► planned         └► failed (forbidden)
//!                             │  │         ├► not_a_conflict
//!                             │  │         ├► needs_review
//!                             │  │         └► failed (forbidden)
//!                             │  └► failed (8 attempts)
//!                             └── planned, resolved, not_a_conflict, failed, needs_review
//! ```
//!
//! A record is `pending` again after a failed call, before a time that the remedy must wait for, and
//! if the run is over.
//!
//! A drain takes a planned record directly to `in_progress`, once its remedy is allowed.
//!
//! A worker takes a record by one conditional write (`begin_attempt`): the attempt is counted, and
//! `dueAt` is the end of the worker's lease. If the worker dies, the record is due again when the
//! lease ends. If it died before it recorded a remedy as sent, no remedy was sent, and the next
//! worker begins again. Otherwise the changing call may have been executed: `sent` is set, so the
//! record never goes back to `pending` and never ends as `not_a_conflict`; the next worker checks
//! the effect.

pub(super) mod report;
mod sent;
mod stored;
#[cfg(test)]
mod tests;
pub(super) mod transitions;
mod withdrawal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::claim::{ClaimSource, Claims};
use super::id::{ConflictId, PairRef};
use super::lineage::{Lineage, successors};
use super::state::{Reason, Remedy, State};

pub use sent::Sent;
pub use withdrawal::Withdrawal;

/// The time for which a record is kept after the conflict opened, was last claimed, or ended.
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);

/// The record of a conflict. Times are in milliseconds since 1970. It has no `Debug`, so it is
/// never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "stored::StoredConflict", try_from = "stored::StoredConflict")]
pub struct Conflict {
    id: ConflictId,
    version: u64,
    state: State,
    email: Option<String>,
    claims: Claims,
    lineages: Vec<Lineage>,
    attempts: u32,
    outages: u32,
    created_at: u64,
    updated_at: u64,
    due_at: Option<u64>,
    proposed: Option<Remedy>,
    reason: Option<Reason>,
    user_id: Option<String>,
    holder_external_id: Option<String>,
    sent: Option<Sent>,
    archive_progress: Option<String>,
    approved_user_id: Option<String>,
    ended_at: Option<u64>,
    by: Option<String>,
    note: Option<String>,
    last_error: Option<String>,
    pair: Option<PairRef>,
    withdrawal: Option<Withdrawal>,
}

impl Conflict {
    /// The conflict's id.
    pub fn id(&self) -> &ConflictId {
        &self.id
    }

    /// The number of writes so far.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The reason of the state, if it has one.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The email as it is compared; `None` if the conflict is over a user without one.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The claims to the email.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The lineage that the identity provider's claims and operators state.
    pub fn lineages(&self) -> &[Lineage] {
        &self.lineages
    }

    /// The attempts so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The time at which this episode of the conflict opened.
    pub fn created_at(&self) -> u64 {
        self.created_at
    }

    /// The time of the last write.
    pub fn updated_at(&self) -> u64 {
        self.updated_at
    }

    /// The time at which the record is to be worked on next. It is in the index `due` if this is
    /// set.
    pub fn due_at(&self) -> Option<u64> {
        self.due_at
    }

    /// The remedy that was sent, else the one that would be applied.
    pub fn remedy(&self) -> Option<Remedy> {
        self.sent.as_ref().map(|sent| sent.remedy).or(self.proposed)
    }

    /// The id of the user that holds the email, as last read.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// The external id of that user, as last read.
    pub fn holder_external_id(&self) -> Option<&str> {
        self.holder_external_id.as_deref()
    }

    /// The changing call that may have been sent.
    pub fn sent(&self) -> Option<&Sent> {
        self.sent.as_ref()
    }

    /// The progress of an archive for which one run was too short.
    pub fn archive_progress(&self) -> Option<&str> {
        self.archive_progress.as_deref()
    }

    /// The only user for which an operator approved a remedy.
    pub fn approved_user_id(&self) -> Option<&str> {
        self.approved_user_id.as_deref()
    }

    /// The operator who last moved the conflict.
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// The note with which an operator closed the conflict.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The reason why the last attempt was interrupted, if it was.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// The import pair for which the conflict was last opened. It follows the conflict's state.
    pub(super) fn pair(&self) -> Option<&PairRef> {
        self.pair.as_ref()
    }

    /// The last withdrawal of the email, by an undo that is not complete.
    pub fn withdrawal(&self) -> Option<&Withdrawal> {
        self.withdrawal.as_ref()
    }

    /// The time at which the conflict ended.
    pub fn ended_at(&self) -> Option<u64> {
        self.ended_at
    }

    /// Whether nothing more is done until a person moves the conflict or it is reported again.
    pub fn has_ended(&self) -> bool {
        self.state.is_end()
    }

    /// Whether a person waits for this: someone reported it, or a remedy was sent. Such records are
    /// worked on before those that only events and operators ask for.
    pub fn is_urgent(&self) -> bool {
        self.sent.is_some() || self.claims.are_reported()
    }

    /// The first report of this episode, if there is one.
    pub fn first_report(&self) -> Option<u64> {
        self.claims.first_report(self.created_at)
    }

    /// Whether `external_id` reported this episode, recently enough to act on. An earlier report
    /// was about an earlier holder.
    pub fn is_reported_by(&self, external_id: &str, now: u64) -> bool {
        let mut claims = self.claims.of(external_id);
        claims.any(|claim| claim.is_report_in(self.created_at) && claim.is_fresh(now))
    }

    /// The claimants, each person once: an external id that became another one counts as that one.
    /// `events` is the trusted lineage between them from events.
    pub fn people(&self, events: &[Lineage], now: u64) -> BTreeSet<&str> {
        self.person_of(events, now).into_values().collect()
    }

    /// The person behind each external id that claims the email.
    fn person_of(&self, events: &[Lineage], now: u64) -> BTreeMap<&str, &str> {
        let lineages: Vec<_> = self.lineages.iter().chain(events).collect();
        successors(&self.claims.external_ids(), &lineages, now)
    }

    /// The people who claim the email by a login or an operator, under whatever external id; and
    /// those who claim it only by events but whose lineage `is_proven`: the holder's external id
    /// became theirs.
    pub fn callers(
        &self,
        events: &[Lineage],
        now: u64,
        is_proven: impl Fn(&str) -> bool,
    ) -> BTreeSet<&str> {
        let person_of = self.person_of(events, now);
        let people = self.claims.iter().filter_map(|claim| {
            let person = *person_of.get(claim.external_id.as_str())?;
            (claim.source != ClaimSource::Event || is_proven(person)).then_some(person)
        });
        people.collect()
    }

    /// The time after which DynamoDB may remove the record, in seconds since 1970.
    pub fn expires_at(&self) -> u64 {
        let last = [Some(self.created_at), self.ended_at, self.claims.last_at()];
        let last = last.into_iter().flatten().max().unwrap_or_default();
        Duration::from_millis(last)
            .saturating_add(KEPT_FOR)
            .as_secs()
    }

    /// Counts a write, which is done at `now`. Returns the version that the write must find.
    pub(super) fn count_write(&mut self, now: u64) -> u64 {
        let read_at = self.version;
        self.version += 1;
        self.updated_at = now;
        read_at
    }

    /// Reverts the count of a write that did not succeed.
    pub(super) fn uncount_write(&mut self, read_at: u64) {
        self.version = read_at;
    }
}
