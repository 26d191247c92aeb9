//! The logins of real companies, and how the functions treat each: with real processes, events of
//! every form, and tokens of every shape.
//!
//! `reports.jsonl` has one login on each line, reported by people who use it; `reports.rs` runs them.

mod issuer;
mod providers;
mod reports;
mod rules;

use harness::lambda::{Function, HttpAnswer, LambdaError};
use local_stack::aws::Aws;
use local_stack::issuer::keys::claims_of;
use serde_json::{Value, json};

const SECRET_ID: &str = "signing";
const TABLE: &str = "conflicts";

/// AWS, with everything that the functions need from it.
async fn aws() -> Aws {
    let aws = Aws::start().await.unwrap();
    let keys =
        json!({"activeKid": "app_1", "keys": {"app_1": "of more than thirty-two bytes, this one"}});
    aws.put_secret(SECRET_ID, &keys).await;
    aws.create_table(local_stack::stack::conflicts_table(TABLE));
    aws
}

/// A function with these variables, or the error if it does not start.
async fn start(
    name: &str,
    aws: &Aws,
    variables: &[(String, String)],
) -> Result<Function, LambdaError> {
    let mut environment = aws.environment();
    let others = [
        ("SIGNING_KEY_SECRET_ID", SECRET_ID),
        ("CONFLICTS_TABLE", TABLE),
        ("SUNSHINE_APP_ID", "5f0000000000000000000001"),
        ("PUZZEL_REGION", "opo"),
        ("PUZZEL_CUSTOMER_ID", "customer123"),
    ];
    environment.extend(owned(&others));
    environment.extend_from_slice(variables);
    Function::start(name, environment).await
}

async fn send(function: &Function, event: &Value) -> HttpAnswer {
    HttpAnswer::new(function.invoke(event).await.unwrap())
}

fn log(function: &Function) -> String {
    function.output().lines().join("\n")
}

/// Variables as the environment takes them.
fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The claims of the messaging JWT in a response that must contain one.
fn signed(answer: &HttpAnswer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    claims_of(answer.json()["token"].as_str().unwrap()).unwrap()
}
