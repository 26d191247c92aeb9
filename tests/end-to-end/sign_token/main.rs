//! `sign-token` end to end: the real process under our Runtime API, with our own AWS and issuer.

mod canaries;
mod configuration;
mod identity;
mod libraries;
mod secrets;

use harness::lambda::{Function, HttpEvent, HttpResponse, LambdaError};
use harness::under_test::{Services, Suite, UnderTest, assert_problem};
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

/// Secrets Manager with the keys. It counts the function's reads.
struct Secrets {
    aws: Aws,
}

type Stack = UnderTest<Secrets>;

impl Services for Secrets {
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        environment.push(("SIGNING_KEY_SECRET_ID".to_owned(), SECRET_ID.to_owned()));
        environment
    }
}

impl Suite for Secrets {
    const FUNCTION: &str = "sign-token";

    async fn start() -> Self {
        let aws = Aws::start().await.unwrap();
        aws.put_secret(SECRET_ID, &keys(KID)).await;
        Self { aws }
    }
}

impl Secrets {
    fn reads(&self) -> usize {
        self.aws.count("GetSecretValue")
    }
}

/// The function without any keys: Secrets Manager was down in its init and is back, and the function
/// may read it again. Each read of a secret from now on is seen.
async fn cold(variables: &[(&str, &str)]) -> Stack {
    let secrets = Secrets::start().await;
    secrets.aws.set_faults([down()]);
    let stack = Stack::on(secrets, variables).await;
    stack.aws.set_faults([]);
    tokio::time::sleep(RETRY_AFTER).await;
    stack.aws.forget_requests();
    stack
}

trait SignToken {
    /// The messaging JWT for a user; the request must succeed.
    async fn token(&self, event: &HttpEvent) -> String;
}

impl SignToken for Stack {
    async fn token(&self, event: &HttpEvent) -> String {
        let response = self.http(event).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["token"].as_str().unwrap().to_owned()
    }
}

fn keys(active: &str) -> Value {
    json!({"activeKid": active, "keys": {
        "app_a": "CANARY-a-of-more-than-thirty-two-bytes",
        KID: SECRET,
    }})
}

/// A fault of Secrets Manager.
fn down() -> Fault {
    refusing(500, "InternalServiceError")
}

fn refusing(status: u16, code: &str) -> Fault {
    let code = code.to_owned();
    Fault::new(Service::SecretsManager, Effect::Error { status, code })
}

/// A request of a user whom an HTTP API's JWT authorizer identified.
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
