//! The actions that need no lease: `list`, `count` and `show`, and for migrations `import` and
//! `progress`. Only `import` writes anything.

use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::conflicts::{
    Conflict, Counts, ImportedPairs, Lineage, Pair, Place, Remedy, Source, State, Table,
};
use shared::identity::email::EmailKey;
use shared::lambda::clock::now_millis;
use shared::lambda::invoke::OperatorError;

use super::{Run, table_error};
use crate::decide::{self, Decision};
use crate::event::{Import, List, Progress, Show};
use crate::facts;
use crate::outcome::Outcome;
use crate::report::{Listed, RunReport};

/// Maximum conflicts for which `show` reports what would be done now. Each costs some requests.
const MAX_DECIDED: usize = 20;
/// The states of pairs that are listed if the request names no state.
const UNRESOLVED: [State; 7] = [
    State::NeedsReview,
    State::Failed,
    State::Planned,
    State::Confirming,
    State::InProgress,
    State::Pending,
    State::NotAConflict,
];

/// A page of a list, and the start of the next one.
#[derive(Serialize)]
pub struct ListResponse {
    #[serde(flatten)]
    report: RunReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The conflicts in a state, the most recently changed first.
pub async fn list(table: &Table, list: &List) -> Result<ListResponse, OperatorError> {
    let start = list.next.as_deref().map(place).transpose()?;
    let start = start.and_then(|place| place.position);
    let listed = table.list(list.state, list.reason, list.limit, start).await;
    let (conflicts, next) = listed.map_err(table_error)?;
    let report = RunReport {
        conflicts: conflicts.iter().map(Listed::to_operator).collect(),
        ..RunReport::default()
    };
    let next = next.map(|position| {
        let place = Place {
            list: 0,
            position: Some(position),
        };
        place.to_text()
    });
    Ok(ListResponse { report, next })
}

/// The number of conflicts by state and reason, and the time since which the oldest has been due.
pub async fn count(table: &Table) -> Result<Value, OperatorError> {
    let counted = State::ALL.map(async |state| Ok((state, table.count(state).await?)));
    let counted = futures_util::future::try_join_all(counted);
    let oldest = table.oldest_due(now_millis());
    let (counts, oldest) = tokio::try_join!(counted, oldest).map_err(table_error)?;
    Ok(json!({
        "states": states(&counts.into_iter().collect()),
        "oldestDueAt": oldest,
    }))
}

/// Counts in the form of the response, without the states that have no conflicts.
fn states(counts: &Counts) -> Value {
    let states = counts.iter().filter(|(_, reasons)| !reasons.is_empty());
    states
        .map(|(state, reasons)| {
            let reasons = reasons.iter().map(|(reason, count)| {
                let reason = reason.map_or("none", |reason| reason.as_str());
                (reason.to_owned(), Value::from(*count))
            });
            (
                state.as_str().to_owned(),
                reasons.collect::<Map<_, _>>().into(),
            )
        })
        .collect::<Map<_, _>>()
        .into()
}

/// Stores the pairs of a migration.
pub async fn import(run: &Run<'_>, import: &Import) -> Result<Value, OperatorError> {
    let pairs = ImportedPairs {
        batch: &import.batch,
        not_before: import.not_before.saturating_mul(1000),
        pairs: &import.pairs,
        by: &import.by,
    };
    let taken = run.ctx.table.take_pairs(run.ctx.scope, &pairs).await;
    let taken = taken.map_err(table_error)?;
    tracing::info!(
        requestId = run.ctx.request_id,
        by = import.by,
        taken = taken.taken,
        known = taken.known,
        "imported pairs"
    );
    Ok(json!({"batch": import.batch, "taken": taken.taken, "known": taken.known}))
}

/// The counts of a migration's pairs, and a page of them.
pub async fn progress(run: &Run<'_>, progress: &Progress) -> Result<Value, OperatorError> {
    let (table, scope) = (run.ctx.table, run.ctx.scope);
    let start = progress.next.as_deref().map(place).transpose()?;
    let named = progress.state.as_slice();
    let wanted = if named.is_empty() { &UNRESOLVED } else { named };
    let counts = table.count_pairs(scope, &progress.batch);
    let pairs = table.list_pairs(scope, &progress.batch, wanted, start);
    let (counts, (pairs, next)) = tokio::try_join!(counts, pairs).map_err(table_error)?;
    let mut response = json!({
        "batch": progress.batch,
        "states": states(&counts),
        "pairs": pairs.iter().map(shown_pair).collect::<Vec<_>>(),
    });
    if let (Some(next), Some(fields)) = (next, response.as_object_mut()) {
        fields.insert("next".to_owned(), next.to_text().into());
    }
    Ok(response)
}

fn shown_pair(pair: &Pair) -> Value {
    json!({
        "previousExternalId": pair.previous_external_id,
        "currentExternalId": pair.current_external_id,
        "state": pair.state(),
        "reason": pair.reason,
        "conflictId": pair.conflict_id,
    })
}

fn place(next: &str) -> Result<Place, OperatorError> {
    Place::from_text(next).map_err(|error| OperatorError::InvalidRequest(error.to_string()))
}

impl Run<'_> {
    /// Everything about some conflicts, including what would be done about each now.
    pub async fn show(&self, show: &Show) -> Result<Value, OperatorError> {
        let table = self.ctx.table;
        let one = async |id| Ok(table.get(id).await?.into_iter().collect());
        let conflicts: Result<Vec<Conflict>, _> = match show {
            Show::Conflict(id) => one(id).await,
            Show::Email(email) => {
                let email = EmailKey::from(email.as_str());
                one(&self.ctx.scope.conflict_over_email(&email)).await
            }
            Show::ExternalId(id) => table.find(|conflict| is_about(conflict, id)).await,
        };
        let conflicts = conflicts.map_err(table_error)?;
        let mut shown = Vec::with_capacity(conflicts.len());
        for (number, conflict) in conflicts.iter().enumerate() {
            let now = if number < MAX_DECIDED {
                self.would_do(conflict).await
            } else {
                Value::Null
            };
            shown.push(described(conflict, &now));
        }
        Ok(json!({ "conflicts": shown }))
    }

    /// The remedy that would be chosen for a conflict now, whatever its state is.
    async fn would_do(&self, conflict: &Conflict) -> Value {
        let now = now_millis();
        let mut again = conflict.clone();
        if again.has_ended() {
            again.reopen(now);
        }
        again.limit_to(None);
        match facts::read(&self.ctx, &again, now).await {
            Ok(facts) => decision_json(&decide::next(&again, &facts, &self.ctx.policy, now)),
            Err(interrupted) => {
                let interrupted = self.ctx.diagnose(interrupted).await;
                json!({"unknownBecause": interrupted.to_string()})
            }
        }
    }
}

/// A decision in the form of the response: the state, remedy and reason that it leads to.
fn decision_json(decision: &Decision) -> Value {
    match decision {
        Decision::Done(outcome) => {
            let (state, reason) = outcome.end();
            let remedy = match outcome {
                Outcome::Planned(remedy, _) => Some(*remedy),
                _ => None,
            };
            json!({"state": state, "remedy": remedy, "reason": reason})
        }
        Decision::AwaitEffect => json!({"state": State::Confirming}),
        Decision::Postpone { remedy, until } => {
            json!({"state": State::Pending, "remedy": remedy, "until": until})
        }
        Decision::Restore(_) => json!({"state": State::Confirming, "remedy": Remedy::ReleaseEmail}),
        Decision::Apply(plan) => json!({
            "state": State::Resolved,
            "remedy": plan.call.remedy(),
            "reason": plan.instead_because,
        }),
    }
}

fn is_about(conflict: &Conflict, external_id: &str) -> bool {
    let sent_to = conflict.sent().and_then(|sent| sent.external_id.as_deref());
    let holder = conflict.holder_external_id().or(sent_to);
    holder == Some(external_id)
        || sent_to == Some(external_id)
        || conflict.claims().of(external_id).next().is_some()
}

/// Everything about a conflict, in the form of the response.
fn described(conflict: &Conflict, would_do: &Value) -> Value {
    let sent = conflict.sent();
    let claimants = conflict.claims().iter().map(|claim| {
        json!({
            "externalId": claim.external_id,
            "source": claim.source,
            "firstAt": claim.first_at,
            "lastAt": claim.last_at,
        })
    });
    let archives = sent.into_iter().flat_map(|sent| &sent.archives);
    let folder = |key: &String| key.rsplit_once('/').map(|(folder, _)| format!("{folder}/"));
    json!({
        "conflictId": conflict.id(),
        "version": conflict.version(),
        "state": conflict.state(),
        "reason": conflict.reason(),
        "remedy": conflict.remedy(),
        "email": conflict.email(),
        "holder": {
            "userId": conflict.user_id(),
            "externalId": conflict.holder_external_id(),
        },
        "claimants": claimants.collect::<Vec<_>>(),
        "lineages": conflict.lineages().iter().map(lineage).collect::<Vec<_>>(),
        "attempts": conflict.attempts(),
        "nextTryAt": conflict.due_at(),
        "lastError": conflict.last_error(),
        "sentAt": sent.map(|sent| sent.at),
        "sentTo": sent.map(|sent| &sent.to),
        "archive": archives.filter_map(folder).collect::<Vec<_>>(),
        "by": conflict.by(),
        "note": conflict.note(),
        "createdAt": conflict.created_at(),
        "updatedAt": conflict.updated_at(),
        "endedAt": conflict.ended_at(),
        "expiresAt": conflict.expires_at(),
        "now": would_do,
    })
}

fn lineage(lineage: &Lineage) -> Value {
    let source = match lineage.source {
        Source::Webhook => "webhook",
        Source::Claim { .. } => "claim",
        Source::Operator { .. } => "operator",
    };
    json!({
        "previous": lineage.previous,
        "current": lineage.current,
        "source": source,
        "time": lineage.time,
    })
}
