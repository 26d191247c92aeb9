//! Zendesk says that an external id changed, and the conflict is gone before the user is there.

use serde_json::{Value, json};

use super::cleanup::known_as;
use super::story::{Chapter, Seen, Story, expect, send};
use crate::stack::TABLE;
use crate::webhook::{
    PATH, SIGNATURE, TIMESTAMP, external_id_changed, seconds_from_now, signature,
};

/// The Support user whom the events are about.
const ZENDESK_ID: &str = "35437";

pub(super) const CHAPTER: Chapter = (
    "A webhook reports the change before the next login, and no one sees a 409",
    &[
        ("Dana has written to support as dana-1", |s| {
            Box::pin(s.write_long_ago("dana-1", Some(ZENDESK_ID)))
        }),
        (
            "her external_id is changed, and the signed webhook arrives",
            |s| Box::pin(s.webhook("dana-1", "dana-2")),
        ),
        ("it arrives again, without effect", |s| {
            Box::pin(s.webhook_again())
        }),
        ("a webhook of somebody else is refused", |s| {
            Box::pin(s.forged_webhook())
        }),
        ("a drain with REMEDY=merge clears it by a sync", |s| {
            Box::pin(s.drain(&[("REMEDY", "merge"), ("MERGE_CALL", "sync")]))
        }),
        ("her next login with email works at the first try", |s| {
            Box::pin(s.first_try("dana-2"))
        }),
    ],
);

impl Story<'_> {
    async fn webhook(&mut self, previous: &str, current: &str) -> Seen {
        self.change_core_user(current, ZENDESK_ID);
        let (event, secret) = (self.event(previous, current), self.secret());
        let (status, body) = self.deliver(&event, &secret).await?;
        let items = self.stack.backends.aws.items(TABLE);
        let email = &self.user["email"];
        let conflict = items.iter().find(|item| item["email"] == *email);
        let conflict = conflict.cloned().unwrap_or_default();
        let seen = format!(
            "{status} {body}, conflict {} {}, claimants {}",
            conflict["conflictId"], conflict["state"], conflict["claimants"]
        );
        let is_recorded = status == 200 && conflict["state"] == "pending";
        expect(is_recorded, &seen)?;
        Ok(seen)
    }

    async fn webhook_again(&mut self) -> Seen {
        let before = self.stack.backends.aws.items(TABLE);
        // The same id, so it has no effect, whatever else is in it.
        let (event, secret) = (self.event("dana-1", "dana-3"), self.secret());
        let (status, body) = self.deliver(&event, &secret).await?;
        let is_unchanged = self.stack.backends.aws.items(TABLE) == before;
        expect(status == 200 && is_unchanged, &format!("{status} {body}"))?;
        Ok(format!("{status} {body}, nothing changed in the table"))
    }

    async fn forged_webhook(&mut self) -> Seen {
        let event = self.event("ada-2", "mallory");
        let (status, problem) = self.deliver(&event, "a guess").await?;
        let code = &problem["code"];
        let is_refused = status == 401 && code == "invalid_signature";
        expect(is_refused, &format!("{status} {problem}"))?;
        Ok(format!("{status} {code}"))
    }

    async fn first_try(&mut self, external_id: &str) -> Seen {
        self.log_in(known_as(external_id)).await?;
        self.enter_with_history().await
    }

    fn event(&self, previous: &str, current: &str) -> Value {
        let email = self.user["email"].as_str().unwrap_or_default();
        let time = seconds_from_now(0);
        let mut event = external_id_changed("tour-1", &time, email, (previous, current));
        event["detail"]["id"] = json!(ZENDESK_ID);
        event
    }

    fn secret(&self) -> String {
        self.stack.backends.webhook_secret.clone()
    }

    async fn deliver(&self, event: &Value, secret: &str) -> Result<(u16, Value), String> {
        let (now, body) = (seconds_from_now(0), json!(event).to_string());
        let request = self.request("POST", PATH).header(TIMESTAMP, &now);
        let signature = signature(secret, &now, body.as_bytes());
        let request = request.header(SIGNATURE, signature);
        send(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await
    }
}
