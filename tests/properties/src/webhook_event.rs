//! An event of Zendesk: every value that is taken from it occurs in it, and is usable.

use receive_webhook::parse;
use serde_json::Value;
use shared::conflicts::Change;
use shared::identity::email::EmailKey;
use shared::identity::external_id::ExternalId;

use crate::time::millis;
use crate::{is_external_id, spelling};

/// Whether the event reports something that matters.
pub fn check(body: &[u8]) -> bool {
    let read = parse(body);
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        assert!(read.is_err(), "no JSON");
        return false;
    };
    let id = |value: &Value| spelling(value).filter(|id| !id.is_empty());
    let time = event["time"].as_str();
    let Ok(read) = read else {
        assert!(
            !event["type"].is_string()
                || id(&event["id"]).is_none()
                || time.is_none_or(|it| millis(it).is_none()),
            "refused although it is an event: {event}"
        );
        return false;
    };
    assert_eq!(Some(&read.id), id(&event["id"]).as_ref());
    if let Some(expected) = time.and_then(millis) {
        assert_eq!(read.time, expected, "{time:?}");
    }

    let kind = event["type"].as_str().unwrap_or_default();
    let is_of = |name: &str| {
        [':', '/']
            .map(|it| format!("zen:event-type{it}user.{name}"))
            .contains(&kind.to_owned())
    };
    assert_eq!(read.zendesk_id, id(&event["detail"]["id"]));
    let (detail, change) = (&event["detail"], &event["event"]);
    let end_user = detail["role"] == "end-user";
    let external_id = |value: &Value| id(value).filter(|id| is_external_id(id));
    let email = |value: &Value| value.as_str().map(|it| it.trim().to_ascii_lowercase());
    match read.change {
        Change::ExternalId {
            previous,
            current,
            email: of_user,
        } => {
            assert!(is_of("external_id_changed") && end_user, "{event}");
            assert_eq!(
                Some(current.as_str()),
                external_id(&change["current"]).as_deref()
            );
            assert_eq!(
                previous.as_ref().map(ExternalId::as_str),
                external_id(&change["previous"]).as_deref()
            );
            let expected = email(&detail["email"]).filter(|it| !it.is_empty());
            assert_eq!(of_user.as_ref().map(EmailKey::as_str), expected.as_deref());
            true
        }
        Change::Email {
            external_id: of_user,
            email: now,
        } => {
            assert!(end_user && !now.as_str().is_empty(), "{event}");
            let fields: &[&str] = if is_of("identity_changed") {
                &["current"]
            } else {
                assert!(is_of("identity_created"), "{event}");
                &["current", "identity"]
            };
            let is_it = |field: &&str| {
                let identity = &change[*field];
                identity["type"] == "email"
                    && identity["primary"] == true
                    && email(&identity["value"]).as_deref() == Some(now.as_str())
            };
            assert!(fields.iter().any(is_it), "{event}");
            assert_eq!(
                Some(of_user.as_str()),
                external_id(&detail["external_id"]).as_deref()
            );
            true
        }
        Change::Merged { with } => {
            assert!(is_of("merged"), "{event}");
            assert_eq!(Some(with), id(&change["user"]["id"]));
            true
        }
        Change::Unknown | Change::Other => {
            let tells = is_of("external_id_changed")
                && end_user
                && external_id(&change["current"]).is_some();
            assert!(!tells, "overlooked: {event}");
            false
        }
    }
}
