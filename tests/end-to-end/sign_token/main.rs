//! `sign-token` end to end: the real process under our Runtime API, with our own AWS and issuer.

mod canaries;
mod configuration;
mod identity;
mod libraries;
mod secrets;

use harness::lambda::{Function, HttpAnswer, HttpEvent, LambdaError};
use local_stack::aws::{Aws, Effect, Fault, Service};
use local_stack::issuer::Issuer;
use local_stack::issuer::keys::{claims_of, header_of};
use serde_json::{Value, json};

const PATH: &str = "/zendesk/token";
const SECRET_ID: &str = "signing";
const KID: &str = "app_b";
const SECRET: &str = "CANARY-b-of-more-than-thirty-two-bytes";

/// Minimum time between fetches of a secret after one has failed.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// The function with a Secrets Manager.
struct Stack {
    aws: Aws,
    function: Function,
}

impl Stack {
    /// With the keys in Secrets Manager.
    async fn start(variables: &[(&str, &str)]) -> Self {
        let aws = Aws::start().await.unwrap();
        aws.put_secret(SECRET_ID, &keys(KID)).await;
        Self::on(aws, variables).await
    }

    /// With the keys in Secrets Manager, and none in the function: Secrets Manager was down in its
    /// init and is back, and the function may read it again. Whatever reads a secret now is seen.
    async fn cold(variables: &[(&str, &str)]) -> Self {
        let aws = Aws::start().await.unwrap();
        aws.put_secret(SECRET_ID, &keys(KID)).await;
        aws.set_faults([down()]);
        let stack = Self::on(aws, variables).await;
        stack.aws.set_faults([]);
        tokio::time::sleep(RETRY_AFTER).await;
        stack.aws.forget_requests();
        stack
    }

    async fn on(aws: Aws, variables: &[(&str, &str)]) -> Self {
        let function = launch(&aws, variables).await.unwrap();
        Self { aws, function }
    }

    async fn http(&self, event: &HttpEvent) -> HttpAnswer {
        self.function.http(event).await.unwrap()
    }

    /// The messaging JWT for a user, which must be signed.
    async fn token(&self, event: &HttpEvent) -> String {
        let answer = self.http(event).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    fn reads(&self) -> usize {
        self.aws.count("GetSecretValue")
    }
}

async fn launch(aws: &Aws, variables: &[(&str, &str)]) -> Result<Function, LambdaError> {
    let mut environment = aws.environment();
    environment.push(("SIGNING_KEY_SECRET_ID".to_owned(), SECRET_ID.to_owned()));
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    environment.extend(variables);
    Function::start("sign-token", environment).await
}

fn keys(active: &str) -> Value {
    json!({"activeKid": active, "keys": {
        "app_a": "CANARY-a-of-more-than-thirty-two-bytes",
        KID: SECRET,
    }})
}

/// Secrets Manager does not work.
fn down() -> Fault {
    refusing(500, "InternalServiceError")
}

fn refusing(status: u16, code: &str) -> Fault {
    let code = code.to_owned();
    Fault::new(Service::SecretsManager, Effect::Error { status, code })
}

/// A request of the user whose id an HTTP API's JWT authorizer found out.
fn by(sub: &str) -> HttpEvent {
    HttpEvent::post(PATH).claims(json!({ "sub": sub }))
}

/// The variables of the identity source `bearer`.
fn bearer(issuer: &str) -> [(&str, &str); 3] {
    [
        ("IDENTITY_SOURCE", "bearer"),
        ("OIDC_ISSUER", issuer),
        ("OIDC_AUDIENCE", local_stack::issuer::AUDIENCE),
    ]
}

fn assert_problem(answer: &HttpAnswer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{answer:?}");
    assert_eq!(problem["status"], status);
    assert!(
        problem["requestId"]
            .as_str()
            .is_some_and(|id| !id.is_empty())
    );
}
