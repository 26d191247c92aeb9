//! The body of a webhook: Zendesk's event, as far as it matters here.
//!
//! Source: "User events", Zendesk event reference. Ids come as strings and as numbers, and the
//! prefix of a type with a colon and with a slash.

use serde_json::Value;
use shared::conflicts::{Change, Event};
use shared::identity::email::EmailKey;
use shared::identity::external_id::ExternalId;
use shared::lambda::clock::parse_millis;

/// A body that is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not an event with a type, an id and a time")]
pub struct NotAnEvent;

/// Reads the event that a body holds.
pub fn parse(body: &[u8]) -> Result<Event, NotAnEvent> {
    let event: Value = serde_json::from_slice(body).map_err(|_| NotAnEvent)?;
    let text = |field: &str| event.get(field).and_then(Value::as_str).ok_or(NotAnEvent);
    Ok(Event {
        id: event.get("id").and_then(id).ok_or(NotAnEvent)?,
        time: parse_millis(text("time")?).ok_or(NotAnEvent)?,
        zendesk_id: event.pointer("/detail/id").and_then(id),
        change: change(text("type")?, &event),
    })
}

fn change(kind: &str, event: &Value) -> Change {
    let name = kind
        .strip_prefix("zen:event-type:")
        .or_else(|| kind.strip_prefix("zen:event-type/"))
        .unwrap_or_default();
    let is_end_user = event.pointer("/detail/role").and_then(Value::as_str) == Some("end-user");
    match name {
        // If the Support user is not an end user, or has no external id any more, the event states
        // no lineage. But the external id that was known of that user is outdated.
        "user.external_id_changed" => changed_external_id(event)
            .filter(|_| is_end_user)
            .unwrap_or(Change::Unknown),
        "user.identity_changed" if is_end_user => changed_email(event, &["/event/current"]),
        // Zendesk does not document the field's name, and public clients have both.
        "user.identity_created" if is_end_user => {
            changed_email(event, &["/event/current", "/event/identity"])
        }
        "user.merged" => event
            .pointer("/event/user/id")
            .and_then(id)
            .map_or(Change::Unknown, |with| Change::Merged { with }),
        "user.deleted" => Change::Unknown,
        _ => Change::Other,
    }
}

fn changed_external_id(event: &Value) -> Option<Change> {
    let at = |pointer: &str| event.pointer(pointer);
    Some(Change::ExternalId {
        previous: at("/event/previous").and_then(external_id),
        current: at("/event/current").and_then(external_id)?,
        email: at("/detail/email").and_then(email),
    })
}

/// The change to a primary email. If the user has no external id, the one that was known of that
/// Support user is outdated.
fn changed_email(event: &Value, pointers: &[&str]) -> Change {
    let Some(email) = primary_email(event, pointers) else {
        return Change::Other;
    };
    let external_id = event.pointer("/detail/external_id").and_then(external_id);
    match external_id {
        Some(external_id) => Change::Email { external_id, email },
        None => Change::Unknown,
    }
}

/// The primary email that the first of `pointers` leads to.
fn primary_email(event: &Value, pointers: &[&str]) -> Option<EmailKey> {
    let identities = pointers.iter().filter_map(|pointer| event.pointer(pointer));
    let mut emails = identities.filter_map(|identity| {
        let is_email = identity.get("type").and_then(Value::as_str) == Some("email");
        let is_primary = identity.get("primary").and_then(Value::as_bool) == Some(true);
        let value = identity.get("value").and_then(email);
        value.filter(|_| is_email && is_primary)
    });
    emails.next()
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

    const EXTERNAL_ID_CHANGED: &str = "zen:event-type:user.external_id_changed";

    fn read(kind: &str, detail: &Value, event: &Value) -> Event {
        let body = json!({
            "type": kind, "id": 7, "time": "2026-11-23T10:20:30.5Z",
            "detail": detail, "event": event,
        });
        parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_changed_external_id_is_read_in_either_spelling_and_type() {
        for prefix in ["zen:event-type:", "zen:event-type/"] {
            let read = read(
                &format!("{prefix}user.external_id_changed"),
                &json!({"id": 1, "role": "end-user", "email": "Anna@Example.com"}),
                &json!({"previous": 1234, "current": "123456"}),
            );
            assert_eq!((read.id.as_str(), read.time % 1000), ("7", 500));
            assert_eq!(read.zendesk_id.as_deref(), Some("1"));
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
    fn a_previous_id_may_be_empty_and_a_current_one_may_not() {
        let changed = |event: &Value| {
            let detail = json!({"role": "end-user"});
            read(EXTERNAL_ID_CHANGED, &detail, event).change
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
            assert!(matches!(change, Change::Unknown));
        }
    }

    #[test]
    fn only_end_users_count() {
        let ids = json!({"previous": "1", "current": "2"});
        let email = json!({"current": {"type": "email", "primary": true, "value": "a@b.example"}});
        for role in [json!("agent"), json!("admin"), json!(null), json!(1)] {
            let detail = json!({"role": role, "external_id": "5"});
            let changed = read(EXTERNAL_ID_CHANGED, &detail, &ids).change;
            assert!(matches!(changed, Change::Unknown));
            for name in ["user.identity_changed", "user.identity_created"] {
                let kind = format!("zen:event-type:{name}");
                assert!(matches!(read(&kind, &detail, &email).change, Change::Other));
            }
        }
        let nobody = json!({"role": "end-user", "external_id": null});
        let kind = "zen:event-type:user.identity_changed";
        assert!(matches!(
            read(kind, &nobody, &email).change,
            Change::Unknown
        ));
    }

    #[test]
    fn only_a_primary_email_counts() {
        let user = json!({"role": "end-user", "external_id": 5});
        for (name, fields) in [
            ("user.identity_changed", &["current"][..]),
            ("user.identity_created", &["current", "identity"]),
        ] {
            let of = |field: &str, primary: bool, kind: &str| {
                let identity = json!({"type": kind, "primary": primary, "value": " A@b.example"});
                let event = json!({field: identity, "previous": null});
                read(&format!("zen:event-type:{name}"), &user, &event).change
            };
            for field in ["current", "identity"] {
                match of(field, true, "email") {
                    Change::Email { external_id, email } if fields.contains(&field) => {
                        assert_eq!(external_id.as_str(), "5");
                        assert_eq!(email.as_str(), "a@b.example");
                    }
                    change => {
                        assert!(!fields.contains(&field), "{name} {field}");
                        assert!(matches!(change, Change::Other));
                    }
                }
                for change in [of(field, false, "email"), of(field, true, "phone_number")] {
                    assert!(matches!(change, Change::Other));
                }
            }
        }
    }

    #[test]
    fn a_merge_names_two_users() {
        let kind = "zen:event-type:user.merged";
        let detail = json!({"id": "10"});
        let merged = read(kind, &detail, &json!({"user": {"id": 11}}));
        assert_eq!(merged.zendesk_id.as_deref(), Some("10"));
        assert!(matches!(merged.change, Change::Merged { with } if with == "11"));
        let with_nobody = read(kind, &detail, &json!({}));
        assert!(matches!(with_nobody.change, Change::Unknown));
    }

    #[test]
    fn a_body_that_is_not_an_event_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"x","id":"1"}"#,
            r#"{"type":"x","id":"","time":"2026-11-23T10:20:30Z"}"#,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        let unknown =
            r#"{"type":"zen:event-type:user.created","id":"1","time":"2026-11-23T10:20:30Z"}"#;
        let unknown = parse(unknown.as_bytes()).unwrap();
        assert!(matches!(unknown.change, Change::Other));
    }
}
