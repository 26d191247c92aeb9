//! What the function is asked to do.

use serde::Deserialize;
use serde_json::Value;
use shared::conflicts::{ConflictId, Remedy, State};
use shared::identity::external_id::ExternalId;
use shared::sunshine::LookupExternalId;

/// What an event may be.
const TAKES: &str = r#"this function takes {"action":"drain"} or a "Scheduled Event" of EventBridge; {"action":"resolve","previousExternalId":"…","currentExternalId":"…","remedy":"release-email|merge|delete","dryRun":false} (remedy and dryRun are optional); {"action":"list","state":"needs_review","limit":50} (both optional; a limit up to 100); {"action":"approve","conflictId":"…","version":7,"remedy":"release-email|merge|delete"}"#;

/// An event that is none of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{TAKES}")]
pub struct UnknownAction;

/// What the function is asked to do.
#[derive(Deserialize)]
#[serde(
    tag = "action",
    rename_all = "snake_case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Action {
    /// Work on what is due. What the schedule sends.
    Drain {},
    /// The manual procedure in one command. Its operator is the lineage.
    Resolve(Resolve),
    /// Show conflicts.
    List(List),
    /// Let a conflict go on, exactly as it was shown.
    Approve(Approve),
}

/// A user's external id was changed: clear what holds the old one's email.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolve {
    /// The external id before, up to 1,024 characters.
    #[serde(deserialize_with = "parsed")]
    pub previous_external_id: LookupExternalId,
    /// The external id now.
    #[serde(deserialize_with = "parsed")]
    pub current_external_id: ExternalId,
    /// The remedy to take; the mildest that resolves where none is named.
    #[serde(default)]
    pub remedy: Option<Remedy>,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which conflicts to show.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    /// In which state.
    #[serde(default = "needs_review")]
    pub state: State,
    /// How many.
    #[serde(default = "fifty")]
    pub limit: i32,
}

/// Which conflict may go on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// Its id.
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

fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: TryFrom<String>,
{
    let text = String::deserialize(deserializer)?;
    T::try_from(text).map_err(|_| serde::de::Error::custom("invalid"))
}

impl TryFrom<Value> for Action {
    type Error = UnknownAction;

    fn try_from(event: Value) -> Result<Self, UnknownAction> {
        if event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event") {
            return Ok(Self::Drain {});
        }
        let action = serde_json::from_value(event).map_err(|_| UnknownAction)?;
        let is_sound = match &action {
            Self::Drain {} => true,
            Self::Resolve(resolve) => {
                resolve.remedy != Some(Remedy::Plan)
                    && resolve.previous_external_id.as_str() != resolve.current_external_id.as_str()
            }
            Self::List(list) => (1..=100).contains(&list.limit),
            Self::Approve(approve) => approve.remedy != Remedy::Plan,
        };
        is_sound.then_some(action).ok_or(UnknownAction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_documented_is_taken() {
        for event in [
            json!({"action": "drain"}),
            json!({"version": "0", "detail-type": "Scheduled Event", "detail": {}}),
            json!({"action": "resolve", "previousExternalId": "1234", "currentExternalId": "123456"}),
            json!({"action": "resolve", "previousExternalId": "a".repeat(1024), "currentExternalId": "b", "remedy": "delete", "dryRun": true}),
            json!({"action": "list"}),
            json!({"action": "list", "state": "not_a_conflict", "limit": 100}),
            json!({"action": "approve", "conflictId": "0123456789abcdef0123456789abcdef", "version": 7, "remedy": "delete"}),
        ] {
            assert!(Action::try_from(event.clone()).is_ok(), "{event}");
        }
    }

    #[test]
    fn anything_else_is_an_error_that_lists_what_is_taken() {
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
            let error = Action::try_from(event.clone()).err();
            assert!(
                error.is_some_and(|error| error.to_string().contains("\"drain\"")),
                "{event}"
            );
        }
    }
}
