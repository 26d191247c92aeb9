//! Puzzel: authenticate, start chat and set identity, in both flows, with both kinds of token.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::story::{Chapter, Seen, Story, expect, send, text};
use crate::stack::Stack;

pub(super) const CHAPTER: Chapter = (
    "Puzzel: the login's token becomes an identity, and a chat has it",
    &[
        ("the browser holds the verifier, access token", |s| {
            Box::pin(s.client_held("accessToken"))
        }),
        ("the browser holds the verifier, ID token", |s| {
            Box::pin(s.client_held("idToken"))
        }),
        ("the function holds the verifier, access token", |s| {
            Box::pin(s.server_held("accessToken"))
        }),
        ("the function holds the verifier, ID token", |s| {
            Box::pin(s.server_held("idToken"))
        }),
    ],
);

impl Story<'_> {
    /// The three steps of Puzzel's documentation: the function authenticates, then the browser
    /// makes the chat calls.
    async fn client_held(&mut self, kind: &str) -> Seen {
        self.log_in(Stack::user()).await?;
        let (conversation, verifier) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let body = json!({"codeChallenge": challenge, kind: self.token(kind)});
        let request = self.as_user("POST", "/puzzel/identity").json(&body);
        let (status, identity) = send(request).await?;
        expect(status == 200, &format!("{status} {identity}"))?;
        let user_info_id = text(&identity, "userInfoId")?;

        let puzzel = self.stack.backends.puzzel.comm_url();
        let start = format!(
            "{puzzel}/api/conversation/{conversation}/route/support\
             ?userInfoId={user_info_id}&codeVerifier={verifier}"
        );
        let (started, chat) = send(self.client.post(start)).await?;
        expect(started == 200, &format!("start chat: {started} {chat}"))?;
        let set = format!("{puzzel}/api/visitor/setIdentity/{conversation}");
        let body = json!({"userInfoId": user_info_id, "codeVerifier": verifier});
        let (set, refusal) = send(self.client.post(set).json(&body)).await?;
        expect(set == 204, &format!("set identity: {set} {refusal}"))?;
        self.chat_is_theirs(
            &conversation,
            &format!("authenticate {status}, start chat {started}, set identity {set}"),
        )
    }

    /// The same with the PKCE pair in the function, a new pair for each request.
    async fn server_held(&mut self, kind: &str) -> Seen {
        self.log_in(Stack::user()).await?;
        let conversation = random();
        let body = json!({kind: self.token(kind)});
        let start = format!("/puzzel/conversations/{conversation}/route/support");
        let (started, chat) = send(self.as_user("POST", &start).json(&body)).await?;
        let is_started = started == 200 && chat["conversation"]["identified"] == true;
        expect(is_started, &format!("start chat: {started} {chat}"))?;
        let set = format!("/puzzel/conversations/{conversation}/identity");
        let (set, refusal) = send(self.as_user("PUT", &set).json(&body)).await?;
        expect(set == 204, &format!("set identity: {set} {refusal}"))?;
        self.chat_is_theirs(
            &conversation,
            &format!("start chat {started}, set identity {set}"),
        )
    }

    fn token(&self, kind: &str) -> Value {
        match kind {
            "accessToken" => json!(self.access_token()),
            _ => json!(self.id_token()),
        }
    }

    fn chat_is_theirs(&self, conversation: &str, seen: &str) -> Seen {
        let chat = self.stack.backends.puzzel.chat(conversation);
        let seen = format!("{seen}: {}", json!(chat));
        let subject = chat.and_then(|chat| chat.subject);
        expect(subject.as_deref() == Some(self.external_id()), &seen)?;
        Ok(seen)
    }
}

/// 43 random characters, usable as a conversation's id and as a verifier.
fn random() -> String {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
