//! The services of `clean-conflicts` and `report-conflict`, and the calls of these functions. The
//! fixtures of `clean_conflicts` and of `operating` have this module.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::lambda::{Function, HttpAnswer, HttpEvent, LambdaError};
use local_stack::aws::Aws;
use local_stack::standins::sunshine::{Sunshine, SunshineConfig};
use serde_json::{Value, json};

pub(crate) const TABLE: &str = "conflicts";
pub(crate) const BUCKET: &str = "archive";
pub(crate) const API_KEY: &str = "sunshine-api-key";
pub(crate) const KEY_SECRET: &str = "CANARY-api-key";

/// The email that is in conflict, unless a test says otherwise.
pub(crate) const EMAIL: &str = "anna@example.com";
/// Long enough for everything, except for tests that run out of time on purpose.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// AWS with the table, the archive and the API key, and Sunshine Conversations with that key.
pub(crate) async fn services() -> (Aws, Sunshine) {
    let aws = Aws::start().await.unwrap();
    aws.create_table(local_stack::stack::conflicts_table(TABLE));
    aws.create_bucket(BUCKET).await;
    let api_key = json!({"keyId": "int_test", "secret": KEY_SECRET});
    aws.put_secret(API_KEY, &api_key).await;
    let sunshine = Sunshine::start(SunshineConfig {
        integration_keys: BTreeMap::from([("int_test".to_owned(), KEY_SECRET.to_owned())]),
        ..SunshineConfig::default()
    })
    .await
    .unwrap();
    (aws, sunshine)
}

/// The variables that both functions need with these services, and then `variables`. A release does
/// not wait.
pub(crate) fn environment(
    aws: &Aws,
    sunshine: &Sunshine,
    variables: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = aws.environment().into_iter().collect();
    let (url, app_id) = (sunshine.url(), SunshineConfig::default().app_id);
    let required = [
        ("IDENTITY_SOURCE", "lambda-authorizer"),
        ("CONFLICTS_TABLE", TABLE),
        ("ARCHIVE_BUCKET", BUCKET),
        ("RELEASE_AFTER_SECONDS", "0"),
        ("SUNSHINE_BASE_URL", &url),
        ("SUNSHINE_APP_ID", &app_id),
        ("SUNSHINE_API_KEY_SECRET_ID", API_KEY),
    ];
    for (name, value) in required.iter().chain(variables) {
        environment.insert((*name).to_owned(), (*value).to_owned());
    }
    environment
}

/// The items of the table of a kind.
pub(crate) fn items(aws: &Aws, kind: &str) -> Vec<Value> {
    let mut items = aws.items(TABLE);
    items.retain(|item| item["sk"] == kind);
    items
}

/// The record of a conflict.
pub(crate) fn record(aws: &Aws, id: &str) -> Value {
    let mut records = items(aws, "conflict").into_iter();
    records.find(|it| it["conflictId"] == id).unwrap()
}

/// The response of `report-conflict` with these values of the Lambda authorizer.
pub(crate) async fn report_as(reporter: &Function, caller: Value) -> HttpAnswer {
    let event = HttpEvent::post("/zendesk/conflicts")
        .header("content-type", "application/json")
        .authorizer(json!({ "lambda": caller }));
    reporter.http(&event).await.unwrap()
}

/// Reports that the login of `external_id` with the verified `email` was refused; returns the
/// conflict's id.
pub(crate) async fn report(reporter: &Function, external_id: &str, email: &str) -> String {
    let caller = json!({"sub": external_id, "email": email, "email_verified": true});
    reported(&report_as(reporter, caller).await)
}

/// The id of the conflict in the response to a report.
pub(crate) fn reported(answer: &HttpAnswer) -> String {
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["conflictId"].as_str().unwrap().to_owned()
}

/// The response of a function to an event.
pub(crate) async fn answer_within(function: &Function, event: &Value, deadline: Duration) -> Value {
    let answer = function.invoke_within(event, deadline).await;
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
