//! The events that the function accepts.

use std::fmt::Display;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shared::conflicts::{ConflictId, Remedy, State};
use shared::identity::external_id::ExternalId;
use shared::sunshine::LookupExternalId;

use crate::error::OperatorError;

/// The accepted events, for an operator who sent another one.
const TAKES: &str = r#"this function takes {"action":"drain"} or a "Scheduled Event" of EventBridge; {"action":"resolve","previousExternalId":"…","currentExternalId":"…","remedy":"release-email|merge|delete","dryRun":false} (remedy and dryRun are optional); {"action":"list","state":"needs_review","limit":50} (both optional; a limit up to 100); {"action":"approve","conflictId":"…","version":7,"remedy":"release-email|merge|delete"}"#;

/// An event.
#[derive(Deserialize)]
#[serde(
    tag = "action",
    rename_all = "snake_case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Event {
    /// Work on everything that is due. The schedule sends it.
    Drain {},
    /// The manual procedure in one command. The operator's statement is the lineage.
    Resolve(Resolve),
    /// Show conflicts.
    List(List),
    /// Let the work on a conflict continue, exactly as it was shown.
    Approve(Approve),
}

/// A user's external id was changed: clear the holder of the old id's email.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolve {
    /// The external id before, up to 1,024 characters.
    #[serde(deserialize_with = "previous_external_id")]
    pub previous_external_id: LookupExternalId,
    /// The external id now.
    #[serde(deserialize_with = "current_external_id")]
    pub current_external_id: ExternalId,
    /// The remedy to apply; the mildest that resolves if none is named.
    #[serde(default)]
    pub remedy: Option<Remedy>,
    /// Only show what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// The conflicts to show.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    /// Their state.
    #[serde(default = "needs_review")]
    pub state: State,
    /// Their maximum number.
    #[serde(default = "fifty")]
    pub limit: i32,
}

/// The conflict whose work may continue.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// Its id.
    #[serde(deserialize_with = "conflict_id")]
    pub conflict_id: ConflictId,
    /// The version that was shown.
    pub version: u64,
    /// The remedy to take.
    pub remedy: Remedy,
}

fn needs_review() -> State {
    State::NeedsReview
}

fn fifty() -> i32 {
    50
}

fn previous_external_id<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<LookupExternalId, D::Error> {
    parsed("previousExternalId", deserializer)
}

fn current_external_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ExternalId, D::Error> {
    parsed("currentExternalId", deserializer)
}

fn conflict_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ConflictId, D::Error> {
    parsed("conflictId", deserializer)
}

/// Parses a text with its own format. The error names the field.
fn parsed<'de, D, T>(field: &str, deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<String, Error: Display>,
{
    let text = String::deserialize(deserializer)?;
    T::try_from(text).map_err(|error| serde::de::Error::custom(format!("{field}: {error}")))
}

impl TryFrom<Value> for Event {
    type Error = OperatorError;

    fn try_from(event: Value) -> Result<Self, OperatorError> {
        if event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event") {
            return Ok(Self::Drain {});
        }
        let event: Self =
            serde_json::from_value(event).map_err(|error| invalid(&error.to_string()))?;
        let names_plan = || invalid("remedy: must be release-email, merge or delete");
        match &event {
            Self::Resolve(resolve) if resolve.remedy == Some(Remedy::Plan) => Err(names_plan()),
            Self::Approve(approve) if approve.remedy == Remedy::Plan => Err(names_plan()),
            Self::Resolve(resolve)
                if resolve.previous_external_id.as_str()
                    == resolve.current_external_id.as_str() =>
            {
                Err(invalid(
                    "currentExternalId: must be another one than previousExternalId",
                ))
            }
            Self::List(list) if !(1..=100).contains(&list.limit) => Err(invalid(&format!(
                "limit: must be 1 to 100, got {}",
                list.limit
            ))),
            _ => Ok(event),
        }
    }
}

fn invalid(reason: &str) -> OperatorError {
    OperatorError::InvalidRequest(format!("{reason}; {TAKES}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documented_events_are_taken() {
        for event in [
            json!({"action": "drain"}),
            json!({"version": "0", "detail-type": "Scheduled Event", "detail": {}}),
            json!({"action": "resolve", "previousExternalId": "1234", "currentExternalId": "123456"}),
            json!({"action": "resolve", "previousExternalId": "a".repeat(1024), "currentExternalId": "b", "remedy": "delete", "dryRun": true}),
            json!({"action": "list"}),
            json!({"action": "list", "state": "not_a_conflict", "limit": 100}),
            json!({"action": "approve", "conflictId": "0123456789abcdef0123456789abcdef", "version": 7, "remedy": "delete"}),
        ] {
            assert!(Event::try_from(event.clone()).is_ok(), "{event}");
        }
    }

    #[test]
    fn any_other_event_is_an_error_that_lists_those_that_are_taken() {
        for event in [
            json!(null),
            json!([]),
            json!({}),
            json!({"action": "delete"}),
            json!({"action": "drain", "remedy": "delete"}),
            json!({"action": "resolve", "previousExternalId": "1234"}),
            json!({"action": "resolve", "previousExternalId": "1234", "currentExternalId": "1234"}),
            json!({"action": "resolve", "previousExternalId": "..", "currentExternalId": "1"}),
            json!({"action": "resolve", "previousExternalId": "a".repeat(1025), "currentExternalId": "1"}),
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2", "remedy": "plan"}),
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2", "force": true}),
            json!({"action": "list", "limit": 0}),
            json!({"action": "list", "limit": 101}),
            json!({"action": "list", "state": "gone"}),
            json!({"action": "approve", "conflictId": "../..", "version": 7, "remedy": "delete"}),
            json!({"action": "approve", "conflictId": "0123456789abcdef0123456789abcdef", "remedy": "delete"}),
        ] {
            let error = Event::try_from(event.clone()).err();
            assert!(
                error.is_some_and(|error| error.to_string().contains("\"drain\"")),
                "{event}"
            );
        }
    }

    #[test]
    fn an_error_names_the_field_and_what_it_may_hold() {
        let resolve = |field: &str, value: Value| {
            let mut event = json!({
                "action": "resolve", "previousExternalId": "1", "currentExternalId": "2",
            });
            event[field] = value;
            event
        };
        for (event, words) in [
            (
                json!({"action": "list", "limit": 1000}),
                "limit: must be 1 to 100, got 1000",
            ),
            (
                json!({"action": "list", "state": "nonsense"}),
                "unknown variant `nonsense`",
            ),
            (
                resolve("previousExternalId", json!("..")),
                "previousExternalId: ",
            ),
            (
                resolve("currentExternalId", json!("")),
                "currentExternalId: ",
            ),
            (
                resolve("currentExternalId", json!("1")),
                "currentExternalId: ",
            ),
            (resolve("remedy", json!("plan")), "remedy: "),
            (resolve("force", json!(true)), "unknown field `force`"),
            (
                json!({"action": "approve", "conflictId": "x", "version": 1, "remedy": "merge"}),
                "conflictId: a conflict id has 32 hex digits",
            ),
        ] {
            let error = Event::try_from(event.clone()).err().unwrap();
            assert!(matches!(error, OperatorError::InvalidRequest(_)), "{event}");
            assert!(error.to_string().contains(words), "{event}: {error}");
        }
    }
}
