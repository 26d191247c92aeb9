//! The events that the function accepts.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shared::conflicts::{ConflictId, Reason, Remedy, State};
use shared::identity::external_id::ExternalId;
use shared::lambda::invoke::{self, OperatorError};
use shared::sunshine::LookupExternalId;

/// The actions in words, for the error if an operator asks for another one.
const ACTIONS: &str =
    "drain, resolve, approve, list, count, show, recheck, close, undo, import, progress or check";
/// Maximum pairs of one import.
pub const MAX_PAIRS: usize = 1000;
/// Maximum conflicts of one list.
const MAX_LISTED: usize = 100;
/// Maximum characters of a name, a note or a batch.
const MAX_TEXT: usize = 200;

/// An event.
pub enum Event {
    /// Works on everything that is due. The schedule sends it.
    Drain,
    /// Does Zendesk's manual procedure for a changed external id in one command. The operator's
    /// statement is the lineage.
    Resolve(Resolve),
    /// Lets the work on a conflict continue, exactly as it was shown.
    Approve(Approve),
    /// Lists conflicts.
    List(List),
    /// Counts conflicts.
    Count,
    /// Shows everything about some conflicts.
    Show(Show),
    /// Works again on some conflicts, within what is allowed now.
    Recheck(Recheck),
    /// Ends a conflict without doing anything.
    Close(Close),
    /// Takes a release back.
    Undo(Undo),
    /// Imports a part of a migration.
    Import(Import),
    /// Reports the progress of a migration.
    Progress(Progress),
    /// Reports whether the function could do its work now.
    Check,
}

/// An external id that was changed: the user with the old one is to give up its email.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolve {
    /// The external id before, up to 1,024 characters.
    #[serde(deserialize_with = "parsed")]
    pub previous_external_id: LookupExternalId,
    /// The external id now.
    #[serde(deserialize_with = "parsed")]
    pub current_external_id: ExternalId,
    /// The remedy to apply; `None` to choose a merge or a release.
    #[serde(default, deserialize_with = "named")]
    pub remedy: Option<Remedy>,
    /// Whether to only report what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// The operator.
    #[serde(default, deserialize_with = "some_text")]
    pub by: Option<String>,
}

/// The conflict whose work may continue.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// Its id.
    pub conflict_id: ConflictId,
    /// The version that was shown.
    pub version: u64,
    /// The remedy to apply.
    #[serde(deserialize_with = "remedy")]
    pub remedy: Remedy,
    /// The operator.
    #[serde(deserialize_with = "text")]
    pub by: String,
}

/// The conflicts to list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    /// Their state.
    #[serde(default = "needs_review")]
    pub state: State,
    /// Their reason; `None` for all reasons.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// Maximum conflicts on the page.
    #[serde(default = "fifty", deserialize_with = "limit")]
    pub limit: usize,
    /// The `next` of the previous page.
    #[serde(default)]
    pub next: Option<String>,
}

/// The conflicts to show.
pub enum Show {
    /// This one.
    Conflict(ConflictId),
    /// The one over this email.
    Email(String),
    /// Those that this external id claims, or whose holder has it.
    ExternalId(String),
}

/// The conflicts to work on again.
pub enum Recheck {
    /// This one.
    Conflict(ConflictId),
    /// Those in this state, with this reason if it is given.
    State(State, Option<Reason>),
}

/// The conflict to end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Close {
    /// Its id.
    pub conflict_id: ConflictId,
    /// The version that was shown.
    pub version: u64,
    /// The reason why nothing is to be done, in the operator's words.
    #[serde(deserialize_with = "text")]
    pub note: String,
    /// The operator.
    #[serde(deserialize_with = "text")]
    pub by: String,
}

/// The conflict whose release is taken back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Undo {
    /// Its id.
    pub conflict_id: ConflictId,
    /// The version that was shown.
    pub version: u64,
    /// The operator.
    #[serde(deserialize_with = "text")]
    pub by: String,
}

/// A part of a migration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Import {
    /// The migration's name.
    #[serde(deserialize_with = "text")]
    pub batch: String,
    /// The earliest time at which its pairs are worked on, in seconds since 1970.
    #[serde(default)]
    pub not_before: u64,
    /// The external ids before and now.
    #[serde(deserialize_with = "pairs")]
    pub pairs: Vec<(String, String)>,
    /// The operator.
    #[serde(deserialize_with = "text")]
    pub by: String,
}

/// The migration to report on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progress {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub batch: String,
    /// Only pairs in this state.
    #[serde(default)]
    pub state: Option<State>,
    /// The `next` of the previous page.
    #[serde(default)]
    pub next: Option<String>,
}

impl TryFrom<Value> for Event {
    type Error = OperatorError;

    fn try_from(mut event: Value) -> Result<Self, OperatorError> {
        if event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event") {
            return Ok(Self::Drain);
        }
        let action = invoke::action(&mut event, ACTIONS)?;
        Ok(match action.as_str() {
            "drain" => nothing(event).map(|()| Self::Drain)?,
            "resolve" => Self::Resolve(resolve(event)?),
            "approve" => Self::Approve(invoke::fields(event)?),
            "list" => Self::List(invoke::fields(event)?),
            "count" => nothing(event).map(|()| Self::Count)?,
            "show" => Self::Show(show(event)?),
            "recheck" => Self::Recheck(recheck(event)?),
            "close" => Self::Close(invoke::fields(event)?),
            "undo" => Self::Undo(invoke::fields(event)?),
            "import" => Self::Import(import(event)?),
            "progress" => Self::Progress(invoke::fields(event)?),
            "check" => nothing(event).map(|()| Self::Check)?,
            _ => return Err(OperatorError::invalid("action", ACTIONS)),
        })
    }
}

fn nothing(event: Value) -> Result<(), OperatorError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    invoke::fields(event).map(|Nothing {}| ())
}

fn resolve(event: Value) -> Result<Resolve, OperatorError> {
    let resolve: Resolve = invoke::fields(event)?;
    if resolve.previous_external_id.as_str() == resolve.current_external_id.as_str() {
        return Err(OperatorError::invalid(
            "currentExternalId",
            "an external_id that is not previousExternalId",
        ));
    }
    if resolve.by.is_none() && !resolve.dry_run {
        return Err(OperatorError::invalid(
            "by",
            "the name of the person who asks",
        ));
    }
    Ok(resolve)
}

fn show(event: Value) -> Result<Show, OperatorError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Fields {
        conflict_id: Option<ConflictId>,
        #[serde(default, deserialize_with = "some_id")]
        email: Option<String>,
        #[serde(default, deserialize_with = "some_id")]
        external_id: Option<String>,
    }
    let fields: Fields = invoke::fields(event)?;
    match (fields.conflict_id, fields.email, fields.external_id) {
        (Some(id), None, None) => Ok(Show::Conflict(id)),
        (None, Some(email), None) => Ok(Show::Email(email)),
        (None, None, Some(id)) => Ok(Show::ExternalId(id)),
        _ => Err(OperatorError::invalid(
            "conflictId, email or externalId",
            "present, and only one of them",
        )),
    }
}

fn recheck(event: Value) -> Result<Recheck, OperatorError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Fields {
        conflict_id: Option<ConflictId>,
        state: Option<State>,
        reason: Option<Reason>,
    }
    let fields: Fields = invoke::fields(event)?;
    match (fields.conflict_id, fields.state, fields.reason) {
        (Some(id), None, None) => Ok(Recheck::Conflict(id)),
        (None, Some(state), reason) => Ok(Recheck::State(state, reason)),
        _ => Err(OperatorError::invalid(
            "conflictId or state",
            "present, and not both; a reason goes with a state",
        )),
    }
}

fn import(event: Value) -> Result<Import, OperatorError> {
    let import: Import = invoke::fields(event)?;
    let mut current_of = std::collections::HashMap::new();
    for (number, (previous, current)) in import.pairs.iter().enumerate() {
        let invalid =
            |reason: &str| OperatorError::InvalidRequest(format!("pairs[{number}]{reason}"));
        if LookupExternalId::try_from(previous.clone()).is_err() {
            return Err(invalid(
                "[0] must be an external id: 1 to 1024 characters, no control characters, not . or ..",
            ));
        }
        if ExternalId::try_from(current.clone()).is_err() {
            return Err(invalid(
                "[1] must be an external id: 1 to 255 characters, no control characters, not . or ..",
            ));
        }
        if previous == current {
            return Err(invalid(" must be two different external ids"));
        }
        let earlier = current_of.insert(previous, current);
        if earlier.is_some_and(|earlier| earlier != current) {
            return Err(invalid(
                "[0] must have one current external id, and an earlier pair has another one",
            ));
        }
    }
    Ok(import)
}

fn needs_review() -> State {
    State::NeedsReview
}

fn fifty() -> usize {
    50
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let limit = usize::deserialize(deserializer)?;
    if (1..=MAX_LISTED).contains(&limit) {
        Ok(limit)
    } else {
        Err(D::Error::custom(format!(
            "must be 1 to {MAX_LISTED}, got {limit}"
        )))
    }
}

/// A remedy that changes something at Zendesk: any but `plan`.
fn remedy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Remedy, D::Error> {
    match Remedy::deserialize(deserializer)? {
        Remedy::Plan => Err(D::Error::custom("must be release-email, merge or delete")),
        remedy => Ok(remedy),
    }
}

fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Remedy>, D::Error> {
    match Option::<Remedy>::deserialize(deserializer)? {
        Some(Remedy::Plan) => Err(D::Error::custom("must be release-email, merge or delete")),
        remedy => Ok(remedy),
    }
}

/// A string that is parsed into a type of its own.
fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<String, Error: std::fmt::Display>,
{
    T::try_from(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A short text that a person wrote, trimmed.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?.trim().to_owned();
    let is_sound =
        (1..=MAX_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_sound {
        Ok(text)
    } else {
        Err(D::Error::custom(format!(
            "must be 1 to {MAX_TEXT} characters, none of them a control character"
        )))
    }
}

fn some_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer).map(Some)
}

fn some_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.trim().is_empty() || id.chars().any(char::is_control) {
        return Err(D::Error::custom(
            "must not be empty, and have no control characters",
        ));
    }
    Ok(Some(id))
}

fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let pairs = Vec::<(String, String)>::deserialize(deserializer)?;
    if (1..=MAX_PAIRS).contains(&pairs.len()) {
        Ok(pairs)
    } else {
        let count = pairs.len();
        Err(D::Error::custom(format!(
            "must be 1 to {MAX_PAIRS} pairs, got {count}"
        )))
    }
}

#[cfg(test)]
mod tests;
