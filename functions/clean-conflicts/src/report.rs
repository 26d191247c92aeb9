//! The report of a run.

use serde::Serialize;
use shared::conflicts::{Conflict, ConflictId, Reason, Remedy, State};
use shared::lambda::metrics::{self, Metric};

use crate::stop::StopReason;

/// Maximum conflicts in a report.
const MAX_LISTED: usize = 100;

/// The report of a run.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// Conflicts that were worked on.
    pub examined: u32,
    /// Of these: the email is free, or the caller's.
    pub resolved: u32,
    /// The remedy is known, but not allowed or requested yet.
    pub planned: u32,
    /// There was nothing to resolve.
    pub not_a_conflict: u32,
    /// A person must review it.
    pub needs_review: u32,
    /// Left for a later run.
    pub deferred: u32,
    /// Tried too often, or forbidden.
    pub failed: u32,
    /// Requests to Sunshine Conversations.
    pub requests: u64,
    /// The reason why the run ended before all due work was done.
    pub stopped_because: Option<StopReason>,
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

/// The details that an operator must see to approve a conflict.
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
            conflict_id: conflict.id().clone(),
            state: conflict.state(),
            remedy: conflict.remedy(),
            reason: conflict.reason(),
            details: None,
        }
    }
}

impl Listed {
    /// A conflict with the details that are needed to approve it.
    pub fn to_operator(conflict: &Conflict) -> Self {
        Self {
            details: Some(Details {
                version: conflict.version(),
                user_id: conflict.user_id().map(ToOwned::to_owned),
                updated_at: conflict.updated_at(),
            }),
            ..Self::from(conflict)
        }
    }
}

impl RunReport {
    /// A run that stopped before it began.
    pub fn stopped(because: StopReason) -> Self {
        Self {
            stopped_because: Some(because),
            ..Self::default()
        }
    }

    /// Counts a request without any conflict.
    pub fn add_no_conflict(&mut self) {
        self.examined += 1;
        self.not_a_conflict += 1;
    }

    /// Counts a change that was done before, and lists its conflict as it is.
    pub fn add_done(&mut self, conflict: &Conflict) {
        self.add_no_conflict();
        self.list(conflict);
    }

    /// Counts an import pair that contradicts an earlier one.
    pub fn add_contradicted(&mut self) {
        self.examined += 1;
        self.needs_review += 1;
    }

    /// Writes the metrics of the run.
    pub fn emit(&self, request_id: &str) {
        let requests = u32::try_from(self.requests).unwrap_or(u32::MAX);
        let mut measured = vec![
            Metric::count("Examined", self.examined),
            Metric::count("Resolved", self.resolved),
            Metric::count("Planned", self.planned),
            Metric::count("NotAConflict", self.not_a_conflict),
            Metric::count("NeedsReview", self.needs_review),
            Metric::count("Deferred", self.deferred),
            Metric::count("Failed", self.failed),
            Metric::count("Requests", requests),
        ];
        measured.extend(self.stopped_because.map(stopped));
        let fields = [
            ("requestId", request_id.into()),
            ("stoppedBecause", serde_json::json!(self.stopped_because)),
        ];
        metrics::emit(&measured, &fields);
    }

    /// Writes the metrics of a run that stopped before it began. It examined nothing, so it writes
    /// no counts.
    pub fn emit_stop(&self, request_id: &str) {
        let measured: Vec<_> = self.stopped_because.map(stopped).into_iter().collect();
        metrics::emit(&measured, &[("requestId", request_id.into())]);
    }

    /// Counts a conflict by its new state, and lists it.
    pub fn add(&mut self, conflict: &Conflict) {
        self.examined += 1;
        let count = match conflict.state() {
            State::Resolved => &mut self.resolved,
            State::Planned => &mut self.planned,
            State::NotAConflict => &mut self.not_a_conflict,
            State::NeedsReview => &mut self.needs_review,
            State::Failed => &mut self.failed,
            State::Pending | State::InProgress | State::Confirming => &mut self.deferred,
        };
        *count += 1;
        self.list(conflict);
    }

    fn list(&mut self, conflict: &Conflict) {
        if self.conflicts.len() < MAX_LISTED {
            self.conflicts.push(conflict.into());
        }
    }
}

/// The metric of a stopped run, which is also counted by its reason.
fn stopped(reason: StopReason) -> Metric {
    Metric::once("Stopped").by("reason", reason.into())
}
