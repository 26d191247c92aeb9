//! The logins of real companies, and how the functions treat each: with real processes, events of
//! every form, and tokens of every shape.
//!
//! `reports.jsonl` has one login on each line, reported by people who use it; `reports.rs` runs them.

mod issuer;
mod providers;
mod reports;
mod rules;

use harness::lambda::{Function, HttpResponse};
use harness::under_test::Services;
use local_stack::aws::Aws;
use local_stack::issuer::keys::claims_of;
use serde_json::{Value, json};

const SECRET_ID: &str = "signing";
const TABLE: &str = "conflicts";

/// The services that the functions need besides an issuer.
struct Logins {
    aws: Aws,
}

impl Services for Logins {
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        let ours = [
            ("SIGNING_KEY_SECRET_ID", SECRET_ID),
            ("CONFLICTS_TABLE", TABLE),
            ("SUNSHINE_APP_ID", "5f0000000000000000000001"),
            ("PUZZEL_REGION", "opo"),
            ("PUZZEL_CUSTOMER_ID", "customer123"),
        ];
        environment.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment
    }
}

impl Logins {
    async fn start() -> Self {
        let aws = Aws::start().await.unwrap();
        let keys = json!({
            "activeKid": "app_1", "keys": {"app_1": "of more than thirty-two bytes, this one"},
        });
        aws.put_secret(SECRET_ID, &keys).await;
        aws.create_table(local_stack::stack::conflicts_table(TABLE));
        Self { aws }
    }
}

async fn send(function: &Function, event: &Value) -> HttpResponse {
    HttpResponse::new(function.invoke(event).await.unwrap())
}

fn log(function: &Function) -> String {
    function.output().lines().join("\n")
}

/// The claims of the messaging JWT in a response that must contain one.
fn signed(response: &HttpResponse) -> Value {
    assert_eq!(response.status, 200, "{response:?}");
    claims_of(response.json()["token"].as_str().unwrap()).unwrap()
}
