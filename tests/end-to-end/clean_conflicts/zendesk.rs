//! Zendesk's events, delivered to `receive-webhook` beside the two functions.

use local_stack::webhook::{self, seconds_from_now};

use crate::fixture::*;

const SECRET_ID: &str = "webhook";
const SECRET: &str = "CANARY-webhook-secret";

/// Zendesk's side of the webhook.
pub(crate) struct Zendesk {
    receive: Function,
}

impl Zendesk {
    /// `receive-webhook` on a stack's table.
    pub(crate) async fn beside(stack: &Stack) -> Self {
        let secret = json!({"signingSecrets": [SECRET]});
        stack.aws.put_secret(SECRET_ID, &secret).await;
        let variables = [("WEBHOOK_SECRET_ID", SECRET_ID)];
        Self {
            receive: stack.launch("receive-webhook", &variables).await,
        }
    }

    /// Signs and delivers an event from this many seconds ago about the Support user
    /// [`ZENDESK_ID`].
    pub(crate) async fn deliver(&self, kind: &str, ago: i64, detail: Value, change: Value) {
        let mut whole = json!({"id": ZENDESK_ID});
        let fields = detail.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(fields);
        let id = rand::random::<u128>().to_string();
        self.send(kind, &id, &seconds_from_now(-ago), whole, change)
            .await;
    }

    /// Signs and delivers an event.
    pub(crate) async fn send(
        &self,
        kind: &str,
        id: &str,
        time: &str,
        detail: Value,
        change: Value,
    ) {
        let event = webhook::event(kind, id, time, &detail, &change);
        let request = webhook::delivery(SECRET, &event.to_string());
        let response = self.receive.http(&request).await.unwrap();
        assert_eq!(response.status, 200, "{response:?}");
    }

    /// Delivers a change of the external id of [`EMAIL`]'s Support user, this many seconds ago.
    pub(crate) async fn external_id_changed(&self, ago: i64, previous: &str, current: &str) {
        let detail = json!({"email": EMAIL, "external_id": current});
        let change = json!({"previous": previous, "current": current});
        self.deliver("user.external_id_changed", ago, detail, change)
            .await;
    }

    /// Delivers a change of the primary email of the user with this external id, this many seconds
    /// ago.
    pub(crate) async fn email_changed(&self, ago: i64, external_id: &str, email: &str) {
        let detail = json!({"email": email, "external_id": external_id});
        let identity = json!({"id": "1", "type": "email", "value": email, "primary": true});
        self.deliver(
            "user.identity_changed",
            ago,
            detail,
            json!({"current": identity}),
        )
        .await;
    }

    /// Delivers a merge of the Support user with another one, this many seconds ago.
    pub(crate) async fn merged(&self, ago: i64, zendesk_id: &str, with: &str) {
        let detail = json!({"id": zendesk_id});
        self.deliver("user.merged", ago, detail, json!({"user": {"id": with}}))
            .await;
    }
}
