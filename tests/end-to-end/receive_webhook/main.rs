//! `receive-webhook` end to end: the real process under our Runtime API, with our own AWS. Its
//! records are read as `clean-conflicts` reads them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code"
)]

mod burst;
mod canaries;
mod chain;
mod events;
mod history;
mod random;
mod round_trips;
mod secrets;
mod signature;

use std::collections::BTreeSet;

use harness::lambda::{Function, HttpEvent, HttpResponse};
use harness::under_test::{Services, Suite, UnderTest, assert_problem};
use local_stack::aws::{Aws, Effect, Fault, Service};
use local_stack::stack::conflicts_table;
use local_stack::webhook::{
    self, PATH, SIGNATURE, TIMESTAMP, external_id_changed, seconds_from_now,
};
use serde_json::{Value, json};

const TABLE: &str = "conflicts";
const SECRET_ID: &str = "webhook";
const SECRET: &str = "CANARY-webhook-secret";
const EMAIL: &str = "canary-mail@example.com";

/// The function's table and secret.
struct Store {
    aws: Aws,
}

type Stack = UnderTest<Store>;

impl Services for Store {
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        let ours = [
            ("WEBHOOK_SECRET_ID", SECRET_ID),
            ("CONFLICTS_TABLE", TABLE),
            ("SUNSHINE_APP_ID", "app"),
        ];
        environment.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment
    }
}

impl Suite for Store {
    const FUNCTION: &str = "receive-webhook";

    async fn start() -> Self {
        Self::with_secret(&json!({"signingSecrets": [SECRET]})).await
    }
}

impl Store {
    async fn with_secret(secret: &Value) -> Self {
        let aws = Aws::start().await.unwrap();
        aws.put_secret(SECRET_ID, secret).await;
        aws.create_table(conflicts_table(TABLE));
        Self { aws }
    }

    /// Everything that the function recorded except the ids of events.
    fn recorded(&self) -> Vec<Value> {
        let mut items = self.aws.items(TABLE);
        items.retain(|item| item["sk"] != "seen");
        items
    }

    /// The claimants of the conflict over an email; empty if there is no conflict.
    fn claimants(&self, email: &str) -> BTreeSet<String> {
        let items = self.recorded();
        let record = items.iter().find(|item| item["email"] == email);
        let claimants = record.and_then(|record| record["claimants"].as_array());
        let claimants = claimants.into_iter().flatten();
        claimants
            .map(|claimant| claimant.as_str().unwrap().to_owned())
            .collect()
    }
}

trait Deliver {
    /// Delivers an event like Zendesk; it must be accepted.
    async fn deliver(&self, event: &Value);
}

impl Deliver for Stack {
    async fn deliver(&self, event: &Value) {
        let response = self.http(&signed(event)).await;
        assert_eq!((response.status, response.body.as_str()), (200, "{}"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

/// An event as Zendesk signs and sends it now.
fn signed(event: &Value) -> HttpEvent {
    signed_body(&event.to_string())
}

fn signed_body(body: &str) -> HttpEvent {
    webhook::delivery(SECRET, body)
}

fn with_signature(timestamp: &str, signature: &str) -> HttpEvent {
    HttpEvent::post(PATH)
        .header(TIMESTAMP, timestamp)
        .header(SIGNATURE, signature)
}

/// A current event about [`EMAIL`]'s user.
fn changed(id: &str, previous: &str, current: &str) -> Value {
    external_id_changed(id, &seconds_from_now(0), EMAIL, (previous, current))
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}
