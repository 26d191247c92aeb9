//! What a run answers.

use serde::Serialize;
use shared::conflicts::{Conflict, ConflictId, Reason, Remedy, State};

/// How many conflicts a report lists.
const MAX_LISTED: usize = 100;

/// What came of a run.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Conflicts that were worked on.
    pub examined: u32,
    /// Of these: the email is free, or the caller's.
    pub resolved: u32,
    /// What would be done is known, and not allowed.
    pub planned: u32,
    /// There was nothing to resolve.
    pub not_a_conflict: u32,
    /// A person must look.
    pub needs_review: u32,
    /// Left for a later run.
    pub deferred: u32,
    /// Tried too often.
    pub failed: u32,
    /// Requests to Sunshine Conversations.
    pub requests: u64,
    /// Why the run ended before everything that was due was done.
    pub stopped_because: Option<&'static str>,
    /// The conflicts, up to 100.
    pub conflicts: Vec<Listed>,
}

/// A conflict as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    conflict_id: ConflictId,
    state: State,
    remedy: Option<Remedy>,
    reason: Option<Reason>,
    #[serde(flatten)]
    details: Option<Details>,
}

/// What an operator must see to approve a conflict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    version: u64,
    user_id: Option<String>,
    updated_at: u64,
}

impl From<&Conflict> for Listed {
    fn from(conflict: &Conflict) -> Self {
        Self {
            conflict_id: conflict.conflict_id.clone(),
            state: conflict.state,
            remedy: conflict.remedy,
            reason: conflict.reason,
            details: None,
        }
    }
}

impl Listed {
    /// A conflict with what it takes to approve it.
    pub fn to_operator(conflict: &Conflict) -> Self {
        Self {
            details: Some(Details {
                version: conflict.version,
                user_id: conflict.user_id.clone(),
                updated_at: conflict.updated_at,
            }),
            ..Self::from(conflict)
        }
    }
}

impl Report {
    /// Counts a conflict by the state that it was left in, and lists it.
    pub fn add(&mut self, conflict: &Conflict) {
        self.examined += 1;
        let count = match conflict.state {
            State::Resolved => &mut self.resolved,
            State::Planned => &mut self.planned,
            State::NotAConflict => &mut self.not_a_conflict,
            State::NeedsReview => &mut self.needs_review,
            State::Failed => &mut self.failed,
            State::Pending | State::InProgress | State::Confirming => &mut self.deferred,
        };
        *count += 1;
        if self.conflicts.len() < MAX_LISTED {
            self.conflicts.push(conflict.into());
        }
    }
}
