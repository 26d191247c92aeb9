//! The functions, with everything that they need.

// A benchmark includes this file alone, so the file declares the other module itself.
#[path = "../clean_conflicts/cleanup.rs"]
mod cleanup;

use std::collections::BTreeMap;

use harness::lambda::Function;
use local_stack::aws::Aws;
use local_stack::standins::sunshine::{Sunshine, User};
use serde_json::{Value, json};

pub(crate) use cleanup::{API_KEY, BUCKET, EMAIL, TABLE, refusal};

/// The functions, and the services that they use.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) sunshine: Sunshine,
    pub(crate) clean: Function,
    report: Function,
}

impl World {
    /// Starts everything with this `REMEDY`. A release does not wait.
    pub(crate) async fn start(remedy: &str) -> Self {
        let (aws, sunshine) = cleanup::services().await;
        let environment = environment(&aws, &sunshine, &[("REMEDY", remedy)]);
        let (clean, report) = tokio::join!(
            Function::start("clean-conflicts", environment.clone()),
            Function::start("report-conflict", environment),
        );
        Self {
            clean: clean.unwrap(),
            report: report.unwrap(),
            aws,
            sunshine,
        }
    }

    /// Another function on the same table and archive.
    pub(crate) async fn another(&self, name: &str, variables: &[(&str, &str)]) -> Function {
        let environment = environment(&self.aws, &self.sunshine, variables);
        Function::start(name, environment).await.unwrap()
    }

    /// Reports that `external_id` with the verified `email` was refused; returns the conflict's id.
    pub(crate) async fn report(&self, external_id: &str, email: &str) -> String {
        cleanup::report(&self.report, external_id, email).await
    }

    /// The response of `clean-conflicts`.
    pub(crate) async fn ask(&self, event: Value) -> Value {
        answer(&self.clean, &event).await
    }

    /// Drains once.
    pub(crate) async fn drain(&self) -> Value {
        self.ask(json!({"action": "drain"})).await
    }

    /// Every item of the table of a kind.
    pub(crate) fn items(&self, kind: &str) -> Vec<Value> {
        cleanup::items(&self.aws, kind)
    }

    /// The record of a conflict.
    pub(crate) fn record(&self, id: &str) -> Value {
        cleanup::record(&self.aws, id)
    }
}

/// The response of a function to an event.
pub(crate) async fn answer(function: &Function, event: &Value) -> Value {
    cleanup::answer_within(function, event, cleanup::DEADLINE).await
}

fn environment(
    aws: &Aws,
    sunshine: &Sunshine,
    variables: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let fast = [
        ("SUNSHINE_REQUESTS_PER_SECOND", "1000"),
        ("MAX_ACTIONS_PER_RUN", "1000"),
    ];
    cleanup::environment(aws, sunshine, &[&fast, variables].concat())
}

/// A user with a profile who signed up long ago.
pub(crate) fn user(external_id: &str, email: &str) -> User {
    let profile = [
        ("givenName", "Anna"),
        ("surname", "Smith"),
        ("email", email),
    ];
    User {
        signed_up_at: Some("2020-02-03T19:10:08.152Z".to_owned()),
        profile: profile
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect(),
        ..User::known(external_id, email)
    }
}
