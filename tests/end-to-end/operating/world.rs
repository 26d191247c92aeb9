//! The functions, with everything that they need.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::lambda::{Function, HttpEvent, LambdaError};
use local_stack::aws::Aws;
use local_stack::standins::sunshine::{Sunshine, SunshineConfig, User};
use serde_json::{Value, json};

pub(crate) const TABLE: &str = "conflicts";
pub(crate) const BUCKET: &str = "archive";
pub(crate) const API_KEY: &str = "sunshine-api-key";
pub(crate) const EMAIL: &str = "anna@example.com";
const DEADLINE: Duration = Duration::from_mins(1);

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
        let aws = Aws::start().await.unwrap();
        aws.create_table(local_stack::stack::conflicts_table(TABLE));
        aws.create_bucket(BUCKET).await;
        let api_key = json!({"keyId": "int_test", "secret": "CANARY-api-key"});
        aws.put_secret(API_KEY, &api_key).await;
        let keys = BTreeMap::from([("int_test".to_owned(), "CANARY-api-key".to_owned())]);
        let sunshine = Sunshine::start(SunshineConfig {
            integration_keys: keys,
            ..SunshineConfig::default()
        });
        let sunshine = sunshine.await.unwrap();
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
        let caller = json!({"sub": external_id, "email": email, "email_verified": true});
        let event = HttpEvent::post("/zendesk/conflicts")
            .header("content-type", "application/json")
            .authorizer(json!({ "lambda": caller }));
        let answer = self.report.http(&event).await.unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["conflictId"].as_str().unwrap().to_owned()
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
        let mut items = self.aws.items(TABLE);
        items.retain(|item| item["sk"] == kind);
        items
    }

    /// The record of a conflict.
    pub(crate) fn record(&self, id: &str) -> Value {
        let mut records = self.items("conflict").into_iter();
        records.find(|it| it["conflictId"] == id).unwrap()
    }
}

/// The response of a function to an event.
pub(crate) async fn answer(function: &Function, event: &Value) -> Value {
    let answer = function.invoke_within(event, DEADLINE).await;
    answer.unwrap_or_else(|error| {
        panic!("{event}: {error}\n{}", function.output().lines().join("\n"))
    })
}

/// The type and the message with which a function refuses an event.
pub(crate) async fn refusal(function: &Function, event: &Value) -> (String, String) {
    match function.invoke_within(event, DEADLINE).await {
        Err(LambdaError::Function(error)) => {
            let text = |field: &str| error[field].as_str().unwrap().to_owned();
            (text("errorType"), text("errorMessage"))
        }
        other => panic!("{event}: {other:?}"),
    }
}

pub(crate) fn environment(
    aws: &Aws,
    sunshine: &Sunshine,
    variables: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = aws.environment().into_iter().collect();
    let (url, app_id) = (sunshine.url(), SunshineConfig::default().app_id);
    let ours = [
        ("IDENTITY_SOURCE", "lambda-authorizer"),
        ("CONFLICTS_TABLE", TABLE),
        ("ARCHIVE_BUCKET", BUCKET),
        ("SUNSHINE_BASE_URL", &url),
        ("SUNSHINE_APP_ID", &app_id),
        ("SUNSHINE_API_KEY_SECRET_ID", API_KEY),
        ("SUNSHINE_REQUESTS_PER_SECOND", "1000"),
        ("MAX_ACTIONS_PER_RUN", "1000"),
        ("RELEASE_AFTER_SECONDS", "0"),
    ];
    for (name, value) in ours.iter().chain(variables) {
        environment.insert((*name).to_owned(), (*value).to_owned());
    }
    environment
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
