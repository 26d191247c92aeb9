//! An external id changed: from the 409 to the next login with email, by each remedy.

use std::future::ready;

use serde_json::{Value, json};

use super::story::{Chapter, DEADLINE, Seen, Story, expect, send, text};
use crate::issuer::keys::claims_of;
use crate::stack::{BUCKET, TABLE};
use crate::standins::sunshine::{Conversation, CoreUser, User};
use crate::webhook::seconds_from_now;

pub(super) const MERGE: Chapter = (
    "An external_id changed, and the login proves it: the history comes along (merge)",
    &[
        ("Ben writes to support as ben-1", |s| {
            Box::pin(s.write_long_ago("ben-1", None))
        }),
        (
            "he gets a new external_id, and his token tells the old one",
            |s| Box::pin(s.become_known_with_proof("ben-2")),
        ),
        ("Zendesk refuses his login with 409", |s| {
            Box::pin(s.conflict())
        }),
        ("without the email he is in at once", |s| {
            Box::pin(s.enter_without_email())
        }),
        ("the page reports the conflict", |s| Box::pin(s.report())),
        ("the next drain, with REMEDY=merge, clears it", |s| {
            Box::pin(s.drain(&[("REMEDY", "merge")]))
        }),
        (
            "his next login has the email, and his old conversation is back",
            |s| Box::pin(s.enter_with_history()),
        ),
    ],
);

pub(super) const RELEASE: Chapter = (
    "The same if nothing proves the change: only the email is freed (release-email)",
    &[
        ("Ada writes to support as 123456", |s| {
            Box::pin(s.write(json!({"sub": "123456", "name": "Ada Example",
                "email": "ada@example.com", "email_verified": true})))
        }),
        ("her external_id is changed at the login", |s| {
            Box::pin(s.become_known_as("ada-2"))
        }),
        ("Zendesk refuses her login with 409", |s| {
            Box::pin(s.conflict())
        }),
        ("without the email she is in at once", |s| {
            Box::pin(s.enter_without_email())
        }),
        ("the page reports the conflict", |s| Box::pin(s.report())),
        (
            "a drain in plan reports the remedy, and changes nothing",
            |s| Box::pin(s.plan()),
        ),
        ("a drain with REMEDY=release-email clears it", |s| {
            Box::pin(s.drain(&[("REMEDY", "release-email")]))
        }),
        ("she logs in with the email", |s| {
            Box::pin(s.enter_with_email())
        }),
        ("the old conversation is still there", |s| {
            Box::pin(ready(s.old_conversation()))
        }),
    ],
);

pub(super) const DELETE: Chapter = (
    "An operator decides: resolve with delete, after an archive",
    &[
        ("Cleo has written to support as cleo-1", |s| {
            Box::pin(s.write(known_as("cleo-1")))
        }),
        ("her external_id is changed at the login", |s| {
            Box::pin(s.become_known_as("cleo-2"))
        }),
        ("Zendesk refuses her login with 409", |s| {
            Box::pin(s.conflict())
        }),
        ("an operator resolves it with delete", |s| {
            Box::pin(s.resolve("delete"))
        }),
        ("everything that was deleted is in the archive", |s| {
            Box::pin(s.archive())
        }),
        ("she logs in with the email", |s| {
            Box::pin(s.enter_with_email())
        }),
    ],
);

/// The claims of a person whose name is the first part of the external id.
pub(super) fn known_as(external_id: &str) -> Value {
    let name = external_id.split('-').next().unwrap_or_default();
    json!({"sub": external_id, "name": name, "email": format!("{name}@example.com"),
           "email_verified": true})
}

impl Story<'_> {
    /// A user logs in and writes to support.
    pub(super) async fn write(&mut self, user: Value) -> Seen {
        self.log_in(user).await?;
        self.sign(&json!({})).await?;
        let url = format!("{}/_messages", self.stack.backends.sunshine.url());
        let message = json!({"jwt": self.messaging_token, "deviceId": self.user["email"],
                             "text": "Where is my parcel?"});
        let (status, posted) = send(self.client.post(url).json(&message)).await?;
        expect(status == 201, &format!("{status} {posted}"))?;
        self.zendesk_user = text(&posted, "userId")?;
        let conversation = text(&posted, "conversationId")?;
        let user = &self.zendesk_user;
        Ok(format!("user {user}, conversation {conversation}"))
    }

    /// The same for a user who signed up long ago, because lineage counts only for a user who was
    /// there before it; and who may be linked to a core Zendesk user.
    pub(super) async fn write_long_ago(
        &mut self,
        external_id: &str,
        zendesk_id: Option<&str>,
    ) -> Seen {
        let seen = self.write(known_as(external_id)).await?;
        let sunshine = &self.stack.backends.sunshine;
        let user = sunshine.user(&self.zendesk_user).unwrap_or_default();
        sunshine.add_user(User {
            zendesk_id: zendesk_id.map(str::to_owned),
            signed_up_at: Some("2025-02-03T19:10:08.152Z".to_owned()),
            ..user
        });
        let linked = zendesk_id.map_or(String::new(), |id| format!(", zendeskId {id}"));
        Ok(seen + &linked)
    }

    /// Changes the external id of the core Zendesk user, and not of the messaging user.
    pub(super) fn change_core_user(&self, external_id: &str, zendesk_id: &str) {
        let core_user = CoreUser {
            external_id: Some(external_id.to_owned()),
            email: self.user["email"].as_str().map(str::to_owned),
            ..CoreUser::default()
        };
        let sunshine = &self.stack.backends.sunshine;
        sunshine.set_core_user(zendesk_id, core_user);
    }

    pub(super) async fn become_known_as(&mut self, external_id: &str) -> Seen {
        let before = self.external_id().to_owned();
        let mut user = self.user.clone();
        user["sub"] = json!(external_id);
        self.log_in(user).await?;
        Ok(format!("{before} became {external_id}"))
    }

    async fn become_known_with_proof(&mut self, external_id: &str) -> Seen {
        self.user["previous_external_id"] = self.user["sub"].clone();
        self.user["external_id_changed_at"] = json!(seconds_from_now(-1));
        self.become_known_as(external_id).await?;
        let claims = claims_of(self.id_token()).unwrap_or_default();
        Ok(format!(
            "sub {}, previous_external_id {}, external_id_changed_at {}",
            claims["sub"], claims["previous_external_id"], claims["external_id_changed_at"]
        ))
    }

    async fn conflict(&mut self) -> Seen {
        self.sign(&json!({})).await?;
        let (status, refusal) = self.zendesk_login(&self.messaging_token).await?;
        let seen = format!("{status} {refusal}");
        expect(status == 409, &seen)?;
        Ok(seen)
    }

    async fn enter_without_email(&mut self) -> Seen {
        let signed = self.sign(&json!({"includeEmail": false})).await?;
        expect(signed["emailIncluded"] == false, &signed.to_string())?;
        let user = self.session().await?["user"].take();
        let is_new = user["id"] != self.zendesk_user.as_str();
        expect(is_new, &user.to_string())?;
        Ok(format!(
            "200, emailIncluded false, user {}, externalId {}",
            user["id"], user["externalId"]
        ))
    }

    pub(super) async fn enter_with_email(&mut self) -> Seen {
        let signed = self.sign(&json!({})).await?;
        expect(signed["emailIncluded"] == true, &signed.to_string())?;
        let user = self.session().await?["user"].take();
        Ok(format!(
            "200, emailIncluded true, user {}, externalId {}, email {}",
            user["id"], user["externalId"], user["identities"][0]["value"]
        ))
    }

    pub(super) async fn enter_with_history(&mut self) -> Seen {
        let seen = self.enter_with_email().await?;
        let session = self.session().await?;
        let message = &session["conversations"][0]["messages"][0]["content"]["text"];
        expect(message.is_string(), &session.to_string())?;
        Ok(format!("{seen}\nfirst message {message}"))
    }

    /// Logs in with the last token, which must be for the logged-in user.
    async fn session(&self) -> Result<Value, String> {
        let (status, session) = self.zendesk_login(&self.messaging_token).await?;
        let is_theirs = session["user"]["externalId"] == self.external_id();
        let seen = format!("{status} {session}");
        expect(status == 200 && is_theirs, &seen)?;
        Ok(session)
    }

    async fn report(&mut self) -> Seen {
        let request = self.as_user("POST", "/zendesk/conflicts");
        let (status, reported) = send(request).await?;
        expect(status == 202, &format!("{status} {reported}"))?;
        self.conflict = text(&reported, "conflictId")?;
        Ok(format!("202 {reported}"))
    }

    /// Runs the stack's own clean-conflicts, with its default remedy.
    async fn plan(&mut self) -> Seen {
        let sunshine = &self.stack.backends.sunshine;
        let aws = &self.stack.backends.aws;
        let before = (
            sunshine.changing_calls().len(),
            aws.objects(BUCKET).await.len(),
        );
        let event = json!({"action": "drain"});
        let report = self.stack.invoke("clean-conflicts", &event).await?;
        let changed = sunshine.changing_calls().len() - before.0;
        let archived = aws.objects(BUCKET).await.len() - before.1;
        let is_planned = report["planned"] == 1 && (changed, archived) == (0, 0);
        let seen = format!("{report}\n{changed} changing calls, {archived} objects in the archive");
        expect(is_planned, &seen)?;
        Ok(seen)
    }

    /// Drains until nothing is left for a later run, because a call takes effect after its
    /// response.
    pub(super) async fn drain(&mut self, variables: &[(&str, &str)]) -> Seen {
        let before = self.stack.backends.sunshine.changing_calls().len();
        let mut runs = Vec::new();
        loop {
            let report = self.clean(variables, &json!({"action": "drain"})).await?;
            runs.push(report.to_string());
            if report["resolved"] == 1 {
                break;
            }
            let goes_on = report["deferred"] == 1 && runs.len() < 5;
            expect(goes_on, &runs.join("\n"))?;
        }
        let calls = self.stack.backends.sunshine.changing_calls();
        let calls = calls.iter().skip(before).map(|call| call.line.clone());
        let seen = [runs, calls.collect()].concat().join("\n");
        let (_, remedy) = variables.first().copied().unwrap_or_default();
        expect(seen.contains(&format!("\"remedy\":\"{remedy}\"")), &seen)?;
        Ok(seen)
    }

    async fn resolve(&mut self, remedy: &str) -> Seen {
        let user = self.stack.backends.sunshine.user(&self.zendesk_user);
        let previous = user.and_then(|user| user.external_id).unwrap_or_default();
        let event = json!({"action": "resolve", "previousExternalId": previous,
                           "currentExternalId": self.external_id(), "remedy": remedy,
                           "by": "the tour"});
        let report = self.clean(&[("REMEDY", remedy)], &event).await?;
        let is_gone = self
            .stack
            .backends
            .sunshine
            .user(&self.zendesk_user)
            .is_none();
        let seen = format!("{event}\n{report}");
        expect(report["resolved"] == 1 && is_gone, &seen)?;
        self.conflict = text(&report["conflicts"][0], "conflictId")?;
        Ok(seen)
    }

    /// Invokes clean-conflicts with other variables than the stack's: the same binary, in a
    /// process of its own, because `cargo lambda watch` gives every function one environment.
    async fn clean(&self, variables: &[(&str, &str)], event: &Value) -> Result<Value, String> {
        let clean = self.stack.backends.clean_conflicts(variables).await;
        let clean = clean.map_err(|error| error.to_string())?;
        let response = clean.invoke_within(event, DEADLINE).await;
        response.map_err(|error| format!("{error}\n{}", clean.output().lines().join("\n")))
    }

    fn old_conversation(&self) -> Seen {
        let sunshine = &self.stack.backends.sunshine;
        let user = sunshine.user(&self.zendesk_user).unwrap_or_default();
        let conversations = sunshine.conversations(&user.id);
        let messages: usize = conversations.iter().map(Conversation::message_count).sum();
        let seen = format!(
            "user {}, externalId {}, {} emails, {} conversations, {messages} messages, name {}",
            user.id,
            user.external_id.as_deref().unwrap_or("none"),
            user.emails().count(),
            conversations.len(),
            user.profile.get("givenName").unwrap_or(&Value::Null),
        );
        expect(messages == 1 && user.emails().count() == 0, &seen)?;
        Ok(seen)
    }

    /// The keys and line counts of the objects that were archived for the conflict.
    async fn archive(&mut self) -> Seen {
        let aws = &self.stack.backends.aws;
        let mut items = aws.items(TABLE).into_iter();
        let record = items.find(|it| it["conflictId"] == self.conflict.as_str());
        let key = text(&record.unwrap_or_default(), "archive")?;
        let manifest = aws.object(BUCKET, &key).await.unwrap_or_default();
        let manifest: Value = serde_json::from_slice(&manifest).map_err(|e| e.to_string())?;
        let mut seen = vec![key];
        let mut messages = 0;
        for object in manifest["objects"].as_array().into_iter().flatten() {
            let (key, lines) = (text(object, "key")?, object["lines"].as_u64());
            if key.contains("messages") {
                messages += lines.unwrap_or_default();
            }
            seen.push(format!("{key}, {} lines", lines.unwrap_or_default()));
        }
        let seen = seen.join("\n");
        expect(messages == 1, &seen)?;
        Ok(seen)
    }
}
