//! Zendesk's events about users, as far as they matter here.
//!
//! Source: "User events", Zendesk event reference. Ids come as strings and as numbers, and the
//! prefix of a type with a colon and with a slash.

use serde_json::Value;
use shared::identity::email::EmailKey;
use shared::identity::external_id::ExternalId;
use shared::lambda::clock::parse_millis;

/// An event.
pub struct Event {
    /// Its own id, which is signed, unlike the one in the headers.
    pub id: String,
    /// When it happened, in milliseconds since 1970.
    pub time: u64,
    /// What happened.
    pub change: Change,
}

/// What happened.
pub enum Change {
    /// An end user's external id was changed.
    ExternalId {
        /// The one before, where there was one.
        previous: Option<ExternalId>,
        /// The one now.
        current: ExternalId,
        /// The user's email.
        email: Option<EmailKey>,
    },
    /// An end user's primary email was changed.
    Email {
        /// The user's external id.
        external_id: ExternalId,
        /// The email now.
        email: EmailKey,
    },
    /// A user was merged into another.
    Merged {
        /// The Zendesk id of the one that is gone.
        gone: String,
        /// The Zendesk id of the one that stayed.
        surviving: String,
    },
    /// Nothing that matters here.
    Other,
}

/// A body that is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no event with a type, an id and a time")]
pub struct NotAnEvent;

impl Event {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, NotAnEvent> {
        let event: Value = serde_json::from_slice(body).map_err(|_| NotAnEvent)?;
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .ok_or(NotAnEvent)?;
        let time = event
            .get("time")
            .and_then(Value::as_str)
            .ok_or(NotAnEvent)?;
        Ok(Self {
            id: event.get("id").and_then(id).ok_or(NotAnEvent)?,
            time: parse_millis(time).ok_or(NotAnEvent)?,
            change: change(kind, &event).unwrap_or(Change::Other),
        })
    }
}

/// What happened, where it matters and everything is there that it takes.
fn change(kind: &str, event: &Value) -> Option<Change> {
    let name = kind
        .strip_prefix("zen:event-type:")
        .or_else(|| kind.strip_prefix("zen:event-type/"))?;
    let at = |pointer: &str| event.pointer(pointer);
    let is_end_user = at("/detail/role").and_then(Value::as_str) == Some("end-user");
    match name {
        "user.external_id_changed" if is_end_user => Some(Change::ExternalId {
            previous: at("/event/previous").and_then(external_id),
            current: at("/event/current").and_then(external_id)?,
            email: at("/detail/email").and_then(email),
        }),
        "user.identity_changed" if is_end_user => {
            let current = at("/event/current")?;
            let is_primary_email = current.get("type").and_then(Value::as_str) == Some("email")
                && current.get("primary").and_then(Value::as_bool) == Some(true);
            Some(Change::Email {
                external_id: at("/detail/external_id").and_then(external_id)?,
                email: current
                    .get("value")
                    .filter(|_| is_primary_email)
                    .and_then(email)?,
            })
        }
        "user.merged" => Some(Change::Merged {
            gone: at("/detail/id").and_then(id)?,
            surviving: at("/event/user/id").and_then(id)?,
        }),
        _ => None,
    }
}

fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

fn external_id(value: &Value) -> Option<ExternalId> {
    ExternalId::try_from(id(value)?).ok()
}

fn email(value: &Value) -> Option<EmailKey> {
    let email = EmailKey::from(value.as_str()?);
    (!email.as_str().is_empty()).then_some(email)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(kind: &str, detail: &Value, event: &Value) -> Event {
        let body = json!({
            "type": kind, "id": 7, "time": "2026-11-23T10:20:30.5Z",
            "detail": detail, "event": event,
        });
        Event::parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_changed_external_id_is_read_in_either_spelling_and_type() {
        for prefix in ["zen:event-type:", "zen:event-type/"] {
            let read = parse(
                &format!("{prefix}user.external_id_changed"),
                &json!({"id": "1", "role": "end-user", "email": "Anna@Example.com"}),
                &json!({"previous": 1234, "current": "123456"}),
            );
            assert_eq!((read.id.as_str(), read.time % 1000), ("7", 500));
            let Change::ExternalId {
                previous,
                current,
                email,
            } = read.change
            else {
                panic!("another change");
            };
            assert_eq!(previous.unwrap().as_str(), "1234");
            assert_eq!(current.as_str(), "123456");
            assert_eq!(email.unwrap().as_str(), "anna@example.com");
        }
    }

    #[test]
    fn an_empty_side_is_none() {
        let changed = |event: &Value| {
            let detail = json!({"role": "end-user"});
            parse("zen:event-type:user.external_id_changed", &detail, event).change
        };
        for previous in [json!(null), json!(""), json!({})] {
            let change = changed(&json!({"previous": previous, "current": "2"}));
            assert!(matches!(
                change,
                Change::ExternalId {
                    previous: None,
                    email: None,
                    ..
                }
            ));
        }
        for current in [json!(null), json!(""), json!(".."), json!("a\nb")] {
            let change = changed(&json!({"previous": "1", "current": current}));
            assert!(matches!(change, Change::Other));
        }
    }

    #[test]
    fn only_end_users_and_primary_emails_count() {
        let external_id = "zen:event-type:user.external_id_changed";
        let ids = json!({"previous": "1", "current": "2"});
        for role in [json!({"role": "agent"}), json!({}), json!(null)] {
            assert!(matches!(
                parse(external_id, &role, &ids).change,
                Change::Other
            ));
        }
        let identity = "zen:event-type:user.identity_changed";
        let user = json!({"role": "end-user", "external_id": 5});
        let email = |primary: bool, kind: &str| json!({"current": {"type": kind, "primary": primary, "value": "a@b.example"}});
        assert!(matches!(
            parse(identity, &user, &email(true, "email")).change,
            Change::Email { .. }
        ));
        for other in [
            email(false, "email"),
            email(true, "phone_number"),
            json!({}),
        ] {
            assert!(matches!(
                parse(identity, &user, &other).change,
                Change::Other
            ));
        }
    }

    #[test]
    fn a_merge_names_who_stays() {
        let read = parse(
            "zen:event-type:user.merged",
            &json!({"id": "10"}),
            &json!({"user": {"id": 11}}),
        );
        let Change::Merged { gone, surviving } = read.change else {
            panic!("another change");
        };
        assert_eq!((gone.as_str(), surviving.as_str()), ("10", "11"));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"x","id":"1"}"#,
            r#"{"type":"x","id":"","time":"2026-11-23T10:20:30Z"}"#,
        ] {
            assert!(Event::parse(body.as_bytes()).is_err(), "{body}");
        }
        let unknown =
            r#"{"type":"zen:event-type:user.created","id":"1","time":"2026-11-23T10:20:30Z"}"#;
        assert!(matches!(
            Event::parse(unknown.as_bytes()).unwrap().change,
            Change::Other
        ));
    }
}
