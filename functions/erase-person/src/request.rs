//! The events that the function takes.

use serde::Deserialize;
use serde_json::Value;
use shared::identity::email::EmailKey;
use shared::lambda::invoke::{self, OperatorError};
use shared::sunshine::LookupExternalId;

/// The person that a request is about.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// Everything with this email.
    Email(EmailKey),
    /// Everything with this external id.
    ExternalId(String),
}

/// A request.
pub struct Request {
    /// The person.
    pub subject: Subject,
    /// The person who requests the erasure; `None` for a dry run, which changes nothing.
    pub erased_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default = "yes")]
    dry_run: bool,
    #[serde(default)]
    by: Option<String>,
}

fn yes() -> bool {
    true
}

impl TryFrom<Value> for Request {
    type Error = OperatorError;

    fn try_from(event: Value) -> Result<Self, OperatorError> {
        if !event.is_object() {
            return Err(OperatorError::invalid(
                "the request",
                r#"an object with "email" or "externalId""#,
            ));
        }
        let fields: Fields = invoke::fields(event)?;
        let subject = match (fields.email, fields.external_id) {
            (Some(email), None) => Subject::Email(email_key(&email)?),
            (None, Some(id)) => Subject::ExternalId(external_id(id)?),
            _ => {
                return Err(OperatorError::invalid(
                    "email or externalId",
                    "present, and not both",
                ));
            }
        };
        let by = fields.by.map(|by| by.trim().to_owned());
        let erased_by = match by.filter(|by| !by.is_empty()) {
            _ if fields.dry_run => None,
            Some(by) => Some(by),
            None => {
                return Err(OperatorError::invalid(
                    "by",
                    "the name of the person who erases",
                ));
            }
        };
        Ok(Self { subject, erased_by })
    }
}

fn email_key(email: &str) -> Result<EmailKey, OperatorError> {
    let key = EmailKey::from(email);
    let is_email = key.as_str().contains('@') && !key.as_str().chars().any(char::is_control);
    is_email
        .then_some(key)
        .ok_or_else(|| OperatorError::invalid("email", "an email address"))
}

fn external_id(id: String) -> Result<String, OperatorError> {
    LookupExternalId::try_from(id)
        .map(|id| id.as_str().to_owned())
        .map_err(|error| OperatorError::InvalidRequest(format!("externalId: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_erased_without_the_name_of_the_person_who_asks() {
        for (event, erased_by) in [
            (json!({"email": "anna@example.com"}), None),
            (json!({"externalId": "1", "by": "ada"}), None),
            (
                json!({"externalId": "1", "dryRun": true, "by": "ada"}),
                None,
            ),
            (
                json!({"externalId": "1", "dryRun": false, "by": "ada"}),
                Some("ada"),
            ),
        ] {
            let request = Request::try_from(event.clone()).unwrap();
            assert_eq!(request.erased_by.as_deref(), erased_by, "{event}");
        }
    }

    #[test]
    fn a_mistake_names_the_field() {
        for (event, field) in [
            (json!({}), "email or externalId"),
            (
                json!({"email": "a@b", "externalId": "1"}),
                "email or externalId",
            ),
            (json!({"email": "nobody"}), "email"),
            (json!({"email": 1}), "email"),
            (json!({"externalId": ""}), "externalId"),
            (json!({"externalId": "1", "dryRun": "no"}), "dryRun"),
            (json!({"externalId": "1", "dryRun": false}), "by"),
            (json!({"externalId": "1", "dryRun": false, "by": " "}), "by"),
            (json!({"externalId": "1", "force": true}), "force"),
            (json!(["1"]), "request"),
        ] {
            let error = Request::try_from(event.clone()).err().unwrap();
            assert_eq!(error.kind(), "InvalidRequest");
            assert!(error.to_string().contains(field), "{event}: {error}");
        }
    }
}
