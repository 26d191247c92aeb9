//! The additions of this suite to the fixture: a pair of users, and helpers.

pub(crate) use std::collections::BTreeMap;
pub(crate) use std::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
pub(crate) use harness::lambda::{Function, HttpEvent, HttpResponse, LambdaError};
pub(crate) use local_stack::aws::{Effect, Fault as AwsFault, Service};
pub(crate) use local_stack::standins::faults::{Fault, Rule};
pub(crate) use local_stack::standins::sunshine::{
    Behaviour, Client, Conversation, CoreUser, Identity, SunshineConfig, User,
};
pub(crate) use local_stack::standins::traffic::Point;
pub(crate) use serde_json::{Value, json};

pub(crate) use crate::cleanup::*;

/// The external id before it was changed, and after.
pub(crate) const OLD: &str = "1234";
pub(crate) const NEW: &str = "123456";
/// The core Zendesk user behind [`OLD`], if there is one.
pub(crate) const ZENDESK_ID: &str = "35436";

pub(crate) const DAY: u64 = 24 * 60 * 60 * 1000;

impl CleanupServices {
    /// The only record there is.
    pub(crate) fn the_record(&self) -> Value {
        let records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].clone()
    }

    /// Changes a record behind the function's back, like the passing of time.
    pub(crate) fn edit(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let mut record = self.record(id);
        change(&mut record);
        self.aws.put_item(TABLE, &record);
    }

    /// Writes the external id and the email of a Support user into the table, as `receive-webhook`
    /// records them from an event. The event was a while ago.
    pub(crate) fn support_user(&self, zendesk_id: &str, external_id: &str, email: &str) {
        let key = digest(&SHA256, format!("zendesk-id\0{zendesk_id}").as_bytes());
        let hex: Vec<_> = key.as_ref().iter().map(|it| format!("{it:02x}")).collect();
        let hex = hex.concat();
        let item = json!({
            "pk": format!("zendesk-id#{}", &hex[..32]), "sk": "user",
            "externalId": external_id, "email": email, "time": now() - 60_000,
            "expiresAt": now() / 1000 + 60,
        });
        self.aws.put_item(TABLE, &item);
    }

    /// Makes every record that waits for a time due now.
    pub(crate) fn make_due(&self) {
        for mut record in self.records() {
            if !record["dueAt"].is_null() {
                record["dueAt"] = json!(0);
                self.aws.put_item(TABLE, &record);
            }
        }
    }

    /// The number of messages in all conversations of a user.
    pub(crate) fn messages_of(&self, user_id: &str) -> usize {
        let conversations = self.sunshine.conversations(user_id);
        conversations.iter().map(Conversation::message_count).sum()
    }

    /// The requests that would change something, as `METHOD /users/…`.
    pub(crate) fn changes(&self) -> Vec<String> {
        let changing = self.sunshine.changing_calls();
        let below_the_app = |path: &str| {
            let (_, below) = path.split_once(&SunshineConfig::default().app_id)?;
            Some(below.to_owned())
        };
        changing
            .iter()
            .map(|it| {
                format!(
                    "{} {}",
                    it.method,
                    below_the_app(&it.path).unwrap_or_default()
                )
            })
            .collect()
    }

    /// Checks that no request that changes something was sent, and none to a forbidden path.
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(self.changes(), [""; 0]);
        self.assert_on_the_path();
    }

    /// Checks that no request went to a forbidden path.
    pub(crate) fn assert_on_the_path(&self) {
        assert_eq!(self.sunshine.strays(), [""; 0]);
        assert!(!self.sunshine.app_deleted());
    }

    /// The lines of each object in the manifest under `key`, by the object's key. Each object is
    /// checked against the manifest.
    pub(crate) async fn archived(&self, key: &str) -> BTreeMap<String, Vec<Value>> {
        let manifest = self.aws.object(BUCKET, key).await.unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let mut objects = BTreeMap::new();
        for listed in manifest["objects"].as_array().unwrap() {
            let key = listed["key"].as_str().unwrap();
            let object = self.aws.object(BUCKET, key).await.unwrap();
            let text = std::str::from_utf8(&object).unwrap();
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(listed["lines"], lines.len(), "{key}");
            objects.insert(key.to_owned(), lines);
        }
        objects
    }

    /// The lines of the only record's archive whose objects have `name` in their keys.
    pub(crate) async fn archived_lines(&self, name: &str) -> Vec<Value> {
        let record = self.the_record();
        let objects = self.archived(record["archive"].as_str().unwrap()).await;
        let named = objects.into_iter().filter(|(key, _)| {
            let name_of = key.rsplit('/').next().unwrap_or_default();
            name_of.starts_with(name)
        });
        named.flat_map(|(_, lines)| lines).collect()
    }
}

impl Stack {
    /// The same, if the identity provider says that the external id was `previous`.
    pub(crate) async fn report_changed(&self, previous: &str, current: &str) -> String {
        let caller = json!({
            "sub": current, "previous": previous, "email": EMAIL, "email_verified": true,
        });
        reported(&self.report_as(caller).await)
    }

    pub(crate) async fn invoke_within(&self, event: Value, deadline: Duration) -> Value {
        response_within(&self.clean, &event, deadline).await
    }

    /// The message with which `clean-conflicts` refuses an event.
    pub(crate) async fn refusal(&self, event: Value) -> String {
        refusal(&self.clean, &event).await.1
    }

    /// `resolve` from [`OLD`] to [`NEW`], with or without a remedy.
    pub(crate) async fn resolve(&self, remedy: Option<&str>) -> Value {
        self.invoke(resolve(remedy)).await
    }

    /// The conflicts that `list` shows.
    pub(crate) async fn list(&self, state: &str) -> Vec<Value> {
        let report = self.invoke(json!({"action": "list", "state": state})).await;
        report["conflicts"].as_array().unwrap().clone()
    }

    pub(crate) async fn approve(&self, shown: &Value, remedy: &str) -> Value {
        self.invoke(approve(shown, remedy)).await
    }

    /// Drains until the only record has ended, skipping its waits.
    pub(crate) async fn drain_to_the_end(&self) -> Value {
        for _ in 0..20 {
            self.make_due();
            self.drain().await;
            if self.the_record()["dueAt"].is_null() {
                break;
            }
        }
        self.the_record()
    }
}

/// The event `resolve` from [`OLD`] to [`NEW`].
pub(crate) fn resolve(remedy: Option<&str>) -> Value {
    let mut event = json!({"action": "resolve", "previousExternalId": OLD, "currentExternalId": NEW, "by": "ada"});
    if let Some(remedy) = remedy {
        event["remedy"] = json!(remedy);
    }
    event
}

/// The event that approves what `list` showed.
pub(crate) fn approve(shown: &Value, remedy: &str) -> Value {
    json!({
        "action": "approve", "conflictId": shown["conflictId"],
        "version": shown["version"], "remedy": remedy, "by": "ada",
    })
}

/// The user who holds the email: [`OLD`] with [`EMAIL`], who signed up long ago, has a profile and
/// metadata, and is not linked to a core user.
pub(crate) fn holder() -> User {
    old_user(OLD, EMAIL)
}

/// The same, linked to the core user [`ZENDESK_ID`].
pub(crate) fn linked_holder() -> User {
    User {
        zendesk_id: Some(ZENDESK_ID.to_owned()),
        ..holder()
    }
}

/// The variable that makes events trusted. A sync needs trusted events.
pub(crate) const TRUSTED: (&str, &str) = ("TRUST_WEBHOOK_LINEAGE", "true");

/// The source of a sync of [`ZENDESK_ID`]: the core user has the new external id.
pub(crate) fn core_user() -> CoreUser {
    CoreUser {
        external_id: Some(NEW.to_owned()),
        email: Some(EMAIL.to_owned()),
        ..CoreUser::default()
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// The state and the reason of the only conflict that a report lists.
pub(crate) fn outcome(report: &Value) -> (&str, Option<&str>) {
    let listed = report["conflicts"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{report}");
    (
        listed[0]["state"].as_str().unwrap(),
        listed[0]["reason"].as_str(),
    )
}

/// Moves every time in a record back, in milliseconds since 1970, except for its expiry.
pub(crate) fn move_back(value: &mut Value, by: u64) {
    const YEAR_2001: u64 = 1_000_000_000_000;
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_u64()) {
                    ("expiresAt", Some(time)) => *value = json!(time - by / 1000),
                    _ => move_back(value, by),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_back(item, by)),
        Value::Number(time) => {
            if let Some(time) = time.as_u64().filter(|time| *time > YEAR_2001) {
                *value = json!(time - by);
            }
        }
        _ => {}
    }
}
