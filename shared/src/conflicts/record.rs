//! The record of a conflict, and the rules by which it changes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{ConflictId, Scope};
use super::lineage::Lineage;
use super::state::{Reason, Remedy, State};
use crate::identity::email::EmailKey;

/// After this a conflict that was resolved may open again.
const REOPENS_AFTER: Duration = Duration::from_mins(10);
/// How long a record is kept after it ended.
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);
/// How often a conflict is tried.
pub const MAX_ATTEMPTS: u32 = 8;
/// More claimants than this are not told apart: two are too many already.
const MAX_CLAIMANTS: usize = 20;

/// The record of a conflict. Has no printing `Debug`. Times are in milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Its id.
    pub conflict_id: ConflictId,
    /// Counts the writes.
    pub version: u64,
    /// Where it is.
    pub state: State,
    /// The email as it is compared; none for a user that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The external ids that said the email is theirs.
    pub claimants: BTreeSet<String>,
    /// What the identity provider's claims and operators said.
    #[serde(default)]
    pub lineages: Vec<Lineage>,
    /// How often it was worked on.
    pub attempts: u32,
    /// When it was opened.
    pub created_at: u64,
    /// When it was last written.
    pub updated_at: u64,
    /// When it is to be worked on next: with it, the record is in the index `due`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<u64>,
    /// The remedy that is taken, was taken, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The id of the user that holds the email.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The id of the user that the caller had before a remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_user_id: Option<String>,
    /// The key of the archive's manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// How far an archive has come that one run was too short for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_progress: Option<String>,
    /// When a changing call may have been sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<u64>,
    /// The id of the user that it was for, who need not be the one that holds the email now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_to: Option<String>,
    /// Whether that call was answered.
    #[serde(default)]
    pub answered: bool,
    /// How often it was looked what came of it.
    #[serde(default)]
    pub looks: u32,
    /// The user that an operator approved a remedy for, and no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_user_id: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// When DynamoDB may remove it, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl Conflict {
    /// A conflict over `email`, reported by `claimant`.
    pub fn over_email(scope: &Scope, email: &EmailKey, claimant: &str, now: u64) -> Self {
        let id = scope.conflict_over_email(email);
        Self::new(id, Some(email.as_str().to_owned()), claimant, now)
    }

    /// A conflict over a user that has no email.
    pub fn over_user(scope: &Scope, user_id: &str, claimant: &str, now: u64) -> Self {
        let mut conflict = Self::new(scope.conflict_over_user(user_id), None, claimant, now);
        conflict.user_id = Some(user_id.to_owned());
        conflict
    }

    fn new(conflict_id: ConflictId, email: Option<String>, claimant: &str, now: u64) -> Self {
        Self {
            conflict_id,
            version: 1,
            state: State::Pending,
            email,
            claimants: BTreeSet::from([claimant.to_owned()]),
            lineages: Vec::new(),
            attempts: 0,
            created_at: now,
            updated_at: now,
            due_at: Some(now),
            remedy: None,
            reason: None,
            user_id: None,
            own_user_id: None,
            archive: None,
            archive_progress: None,
            sent_at: None,
            sent_to: None,
            answered: false,
            looks: 0,
            approved_user_id: None,
            ended_at: None,
            expires_at: None,
        }
    }

    /// What becomes of this record when `report` comes in; `None` where nothing changes. Who ever
    /// claimed the email stays a claimant: else two people with one email would take it off each
    /// other in turn.
    pub fn reported_again(&self, report: &Self, now: u64) -> Option<Self> {
        let ended_for = Duration::from_millis(now.saturating_sub(self.ended_at.unwrap_or(now)));
        let reopens = matches!(self.state, State::Resolved | State::NotAConflict)
            && ended_for >= REOPENS_AFTER;
        let mut changed = if reopens {
            Self {
                version: self.version,
                claimants: self.claimants.clone(),
                lineages: self.lineages.clone(),
                ..report.clone()
            }
        } else {
            self.clone()
        };
        for claimant in &report.claimants {
            if changed.claimants.len() < MAX_CLAIMANTS {
                changed.claimants.insert(claimant.clone());
            }
        }
        for lineage in &report.lineages {
            let mut known = changed.lineages.iter();
            if !known.any(|known| known.says_the_same(lineage)) {
                changed.lineages.push(lineage.clone());
            }
        }
        changed.drop_earlier_claimants();
        if changed == *self {
            return None;
        }
        changed.plan_again(now);
        Some(changed)
    }

    /// Drops the claimants that became another one, as a claim or an operator said last: they are
    /// one person, and no dispute.
    pub fn drop_earlier_claimants(&mut self) {
        let mut told: Vec<_> = self.lineages.iter().collect();
        told.sort_by_key(|lineage| lineage.time);
        for lineage in told {
            if lineage.previous != lineage.current && self.claimants.contains(&lineage.current) {
                self.claimants.remove(&lineage.previous);
            }
        }
    }

    /// Who claims the email goes by other external ids now.
    pub fn rename(&mut self, claimants: BTreeSet<String>, now: u64) {
        self.claimants = claimants;
        self.plan_again(now);
    }

    /// A plan was made without what is new.
    fn plan_again(&mut self, now: u64) {
        if self.state == State::Planned {
            self.state = State::Pending;
            self.due_at = Some(now);
        }
    }

    /// Whether nothing more is done about it unless a person moves it or it is reported again.
    pub fn has_ended(&self) -> bool {
        match self.state {
            State::Pending | State::InProgress | State::Confirming | State::Planned => false,
            State::Resolved | State::NotAConflict | State::NeedsReview | State::Failed => true,
        }
    }

    /// Ends it, or plans it.
    pub fn end(&mut self, state: State, reason: Option<Reason>, now: u64) {
        self.state = state;
        self.reason = reason;
        self.due_at = None;
        self.ended_at = self.has_ended().then_some(now);
        self.expires_at = self.ended_at.map(|ended_at| {
            Duration::from_millis(ended_at)
                .saturating_add(KEPT_FOR)
                .as_secs()
        });
    }

    /// Opens it again, as an operator asks.
    pub fn reopen(&mut self, now: u64) {
        self.state = if self.sent_at.is_some() {
            State::Confirming
        } else {
            State::Pending
        };
        self.reason = None;
        self.attempts = 0;
        // What was answered had no effect, and the operator's look counts as one.
        self.answered = false;
        self.looks = 1;
        self.due_at = Some(now);
        self.ended_at = None;
        self.expires_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflicts::Source;

    const NOW: u64 = 1_700_000_000_000;
    const MINUTE: u64 = 60_000;

    fn reported_by(claimant: &str, now: u64) -> Conflict {
        let scope = Scope {
            app_id: "app".to_owned(),
            brand_id: None,
        };
        Conflict::over_email(&scope, &EmailKey::from("a@example.com"), claimant, now)
    }

    fn ended(state: State) -> Conflict {
        let mut conflict = reported_by("a", NOW);
        conflict.version = 7;
        conflict.attempts = 3;
        conflict.sent_at = Some(NOW);
        conflict.end(state, None, NOW);
        conflict
    }

    #[test]
    fn what_was_over_opens_again_after_ten_minutes() {
        for state in [State::Resolved, State::NotAConflict] {
            let early = NOW + 10 * MINUTE - 1;
            assert!(
                ended(state)
                    .reported_again(&reported_by("a", early), early)
                    .is_none()
            );
            let late = early + 1;
            let again = ended(state)
                .reported_again(&reported_by("a", late), late)
                .unwrap();
            assert!(again.state == State::Pending && again.due_at == Some(late));
            assert_eq!((again.version, again.attempts, again.sent_at), (7, 0, None));
            assert_eq!((again.ended_at, again.expires_at), (None, None));
        }
    }

    #[test]
    fn what_needs_a_person_waits_for_one() {
        for state in [State::NeedsReview, State::Failed] {
            let late = NOW + 1000 * MINUTE;
            assert!(
                ended(state)
                    .reported_again(&reported_by("a", late), late)
                    .is_none()
            );
            let two = ended(state)
                .reported_again(&reported_by("b", late), late)
                .unwrap();
            assert_eq!((two.state, two.claimants.len()), (state, 2));
        }
    }

    #[test]
    fn who_claimed_an_email_stays_a_claimant() {
        let late = NOW + 20 * MINUTE;
        let again = ended(State::Resolved)
            .reported_again(&reported_by("b", late), late)
            .unwrap();
        assert_eq!(again.claimants.len(), 2);
    }

    #[test]
    fn a_plan_is_made_again_where_something_is_new() {
        let planned = ended(State::Planned);
        let report = reported_by("a", NOW);
        assert!(planned.reported_again(&report, NOW).is_none());
        let mut proven = reported_by("a", NOW);
        proven.lineages.push(Lineage {
            previous: "old".to_owned(),
            current: "a".to_owned(),
            source: Source::Claim,
            time: NOW,
        });
        for report in [reported_by("b", NOW), proven] {
            let again = planned.reported_again(&report, NOW).unwrap();
            assert!(again.state == State::Pending && again.due_at == Some(NOW));
            assert!(again.reported_again(&report, NOW).is_none());
        }
    }

    #[test]
    fn an_operator_never_takes_back_what_was_sent() {
        let mut sent = ended(State::NeedsReview);
        sent.reopen(NOW);
        assert_eq!((sent.state, sent.due_at), (State::Confirming, Some(NOW)));
        let mut unsent = reported_by("a", NOW);
        unsent.end(State::Failed, None, NOW);
        unsent.reopen(NOW);
        assert_eq!((unsent.state, unsent.attempts), (State::Pending, 0));
    }
}
