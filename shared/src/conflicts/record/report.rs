//! A report: someone claims an email, or an event asks for a check.

use std::time::Duration;

use super::Conflict;
use crate::conflicts::claim::{Claim, Claims};
use crate::conflicts::id::{ConflictId, Scope};
use crate::conflicts::lineage::Lineage;
use crate::conflicts::state::State;
use crate::identity::email::EmailKey;

/// The time after which a resolved conflict may open again.
const REOPENS_AFTER: Duration = Duration::from_mins(10);
/// The time after which a conflict that failed without a sent remedy may open again.
const FAILED_REOPENS_AFTER: Duration = Duration::from_hours(24);
/// Maximum lineages of one record, so that it stays far below DynamoDB's 400 KB.
const MAX_LINEAGES: usize = 50;

/// A claim to an email, and the lineage that comes with it. It has no `Debug`, so it is never
/// printed.
#[derive(Clone)]
pub struct Report {
    conflict_id: ConflictId,
    email: Option<String>,
    user_id: Option<String>,
    claim: Claim,
    lineages: Vec<Lineage>,
}

impl Report {
    /// A claim to `email`.
    pub fn over_email(scope: &Scope, email: &EmailKey, claim: Claim) -> Self {
        Self {
            conflict_id: scope.conflict_over_email(email),
            email: Some(email.as_str().to_owned()),
            user_id: None,
            claim,
            lineages: Vec::new(),
        }
    }

    /// A claim to the history of a user that has no email.
    pub fn over_user(scope: &Scope, user_id: &str, claim: Claim) -> Self {
        Self {
            conflict_id: scope.conflict_over_user(user_id),
            email: None,
            user_id: Some(user_id.to_owned()),
            claim,
            lineages: Vec::new(),
        }
    }

    /// The report with lineage: external ids that became the claimant's.
    #[must_use]
    pub fn with_lineages(mut self, lineages: impl IntoIterator<Item = Lineage>) -> Self {
        self.lineages.extend(lineages);
        self
    }

    /// The id of the conflict that it is about.
    pub fn conflict_id(&self) -> &ConflictId {
        &self.conflict_id
    }
}

impl Conflict {
    /// The record of a new conflict, opened at the time of the claim.
    pub fn open(report: &Report) -> Self {
        let now = report.claim.last_at;
        let mut conflict = Self {
            user_id: report.user_id.clone(),
            ..Self::pending(report.conflict_id.clone(), report.email.clone(), now)
        };
        conflict.take_in(report);
        conflict
    }

    /// A record that is due at `now`, with nothing known about it.
    fn pending(id: ConflictId, email: Option<String>, now: u64) -> Self {
        Self {
            id,
            version: 1,
            state: State::Pending,
            email,
            claims: Claims::default(),
            lineages: Vec::new(),
            attempts: 0,
            outages: 0,
            created_at: now,
            updated_at: now,
            due_at: Some(now),
            proposed: None,
            reason: None,
            user_id: None,
            holder_external_id: None,
            sent: None,
            archive_progress: None,
            approved_user_id: None,
            ended_at: None,
            by: None,
            note: None,
            last_error: None,
            pair: None,
            withdrawal: None,
        }
    }

    /// The record after `report` is received; `None` if nothing changes. All claimants stay:
    /// otherwise two people with one email would take it from each other in turn.
    pub fn reported_again(&self, report: &Report, now: u64) -> Option<Self> {
        let mut changed = if self.reopens(now) {
            self.new_episode(report.claim.last_at, now)
        } else {
            self.clone()
        };
        changed.take_in(report);
        if changed == *self {
            return None;
        }
        changed.plan_again(now);
        Some(changed)
    }

    /// The record as an operator's command opens it, in any state. If the conflict was over, this
    /// is a new episode, about the operator's two external ids; existing statements about them
    /// stay.
    #[must_use]
    pub fn reopened_by(&self, report: &Report, now: u64) -> Self {
        if matches!(self.state, State::Resolved | State::NotAConflict) {
            let mut again = Self::open(report);
            again.version = self.version;
            for lineage in &self.lineages {
                again.add_lineage(lineage);
            }
            return again;
        }
        let mut changed = self.clone();
        changed.take_in(report);
        if changed.has_ended() || changed.state == State::Planned {
            changed.reopen(now);
        }
        changed
    }

    fn reopens(&self, now: u64) -> bool {
        let ended_for = Duration::from_millis(now.saturating_sub(self.ended_at.unwrap_or(now)));
        match self.state {
            State::Resolved | State::NotAConflict => ended_for >= REOPENS_AFTER,
            State::Failed => self.sent.is_none() && ended_for >= FAILED_REOPENS_AFTER,
            _ => false,
        }
    }

    /// A new episode of the same conflict, from `since` on. Claims and lineages are remembered.
    fn new_episode(&self, since: u64, now: u64) -> Self {
        Self {
            version: self.version,
            claims: self.claims.clone(),
            lineages: self.lineages.clone(),
            created_at: since,
            user_id: self.user_id.clone().filter(|_| self.email.is_none()),
            ..Self::pending(self.id.clone(), self.email.clone(), now)
        }
    }

    /// Adds the claim, and the lineage if the reporter is a claimant.
    fn take_in(&mut self, report: &Report) {
        if !self.claims.add(&report.claim, self.created_at) {
            return;
        }
        for lineage in &report.lineages {
            self.add_lineage(lineage);
        }
    }

    fn add_lineage(&mut self, lineage: &Lineage) {
        let mut known = self.lineages.iter();
        let Some(at) = known.position(|it| it.says_the_same(lineage)) else {
            if self.lineages.len() < MAX_LINEAGES {
                self.lineages.push(lineage.clone());
            }
            return;
        };
        let all = self.lineages.clone();
        if let Some(known) = self.lineages.get_mut(at) {
            let is_latest = !all.iter().any(|other| known.is_followed_by(other));
            known.state_again(lineage, is_latest);
        }
    }

    /// Adds the reports that came while a worker had the record: `newer` is the record as it is in
    /// the table. Returns whether someone else claims the email now.
    pub fn take_in_reports(&mut self, newer: &Self) -> bool {
        let before = self.claims.external_ids().len();
        self.version = newer.version;
        self.claims = newer.claims.clone();
        self.lineages.clone_from(&newer.lineages);
        self.claims.external_ids().len() > before
    }

    /// Replaces the external id `from` by `to` in the claims of events: they are one person.
    pub fn rename_in_events(&mut self, from: &str, to: &str, now: u64) {
        let before = self.claims.clone();
        self.claims.rename_in_events(from, to);
        if self.claims != before {
            self.plan_again(now);
        }
    }

    /// Makes a planned conflict due, because its plan was made without the new information.
    fn plan_again(&mut self, now: u64) {
        if self.state == State::Planned {
            self.state = State::Pending;
            self.due_at = Some(now);
        }
    }
}
