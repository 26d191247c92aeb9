//! The functions' connections: TLS, opened during init, through a proxy if there is one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;

use harness::lambda::{Function, HttpEvent};
use harness::tls::{Authority, TlsFront};
use harness::under_test::Services;
use local_stack::aws::Aws;
use local_stack::issuer::Issuer;
use local_stack::stack::{KID, TABLE, conflicts_table};
use local_stack::standins::puzzel::Puzzel;
use local_stack::webhook;
use serde_json::json;

const SIGNING_KEYS: &str = "signing-keys";
const WEBHOOK: &str = "webhook";
const WEBHOOK_SECRET: &str = "a-secret-of-a-webhook";
/// RFC 7636 Appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// AWS behind TLS.
struct Cloud {
    aws: Aws,
    authority: Authority,
    front: TlsFront,
    environment: Vec<(String, String)>,
}

impl Cloud {
    async fn start(name: &str) -> Self {
        let aws = Aws::start().await.unwrap();
        let keys =
            json!({"activeKid": KID, "keys": {KID: "a secret of more than thirty-two bytes"}});
        aws.put_secret(SIGNING_KEYS, &keys).await;
        let secrets = json!({"signingSecrets": [WEBHOOK_SECRET]});
        aws.put_secret(WEBHOOK, &secrets).await;
        aws.create_table(conflicts_table(TABLE));
        let authority = Authority::generate().unwrap();
        let (front, url) = authority.front(&aws.url()).await.unwrap();
        let mut environment = aws.environment();
        environment.extend(
            [
                ("AWS_ENDPOINT_URL", url),
                ("SSL_CERT_FILE", bundle(&authority, name)),
                ("SIGNING_KEY_SECRET_ID", SIGNING_KEYS.to_owned()),
                ("WEBHOOK_SECRET_ID", WEBHOOK.to_owned()),
                ("CONFLICTS_TABLE", TABLE.to_owned()),
                ("SUNSHINE_APP_ID", "app".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        aws.forget_requests();
        Self {
            aws,
            authority,
            front,
            environment,
        }
    }
}

impl Services for Cloud {
    fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }
}

fn bundle(authority: &Authority, name: &str) -> String {
    let file = format!("{name}-{}.pem", std::process::id());
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
    authority.write_bundle(&file).unwrap();
    file.display().to_string()
}

fn report(number: u32) -> HttpEvent {
    let email = format!("user-{number}@example.com");
    HttpEvent::post("/zendesk/conflicts")
        .claims(json!({"sub": number.to_string(), "email": email, "email_verified": "true"}))
}

fn delivery(number: u32) -> HttpEvent {
    let (id, email) = (
        format!("event-{number}"),
        format!("user-{number}@example.com"),
    );
    let now = webhook::seconds_from_now(0);
    let body = webhook::external_id_changed(&id, &now, &email, ("1", "2")).to_string();
    webhook::delivery(WEBHOOK_SECRET, &body)
}

#[tokio::test]
async fn report_conflict_opens_its_connection_in_init_and_sends_nothing() {
    let cloud = Cloud::start("report").await;
    let function = cloud.launch("report-conflict", &[]).await;
    assert_eq!(cloud.front.opened(), 1);
    assert_eq!(cloud.aws.requests(), []);
    for number in 0..3 {
        assert_eq!(function.http(&report(number)).await.unwrap().status, 202);
    }
    assert_eq!(cloud.front.opened(), 1, "no request opened another one");
}

#[tokio::test]
async fn receive_webhook_opens_its_connection_to_the_table_in_init() {
    let mut cloud = Cloud::start("webhook").await;
    // As on AWS, the table has a host of its own, so the two never share a connection.
    let (table, url) = cloud.authority.front(&cloud.aws.url()).await.unwrap();
    let variable = ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), url);
    cloud.environment.push(variable);
    let function = cloud.launch("receive-webhook", &[]).await;
    assert_eq!((cloud.front.opened(), table.opened()), (1, 1));
    let requests = cloud.aws.requests();
    let operations: Vec<&str> = requests.iter().map(|it| it.operation.as_str()).collect();
    assert_eq!(operations, ["GetSecretValue"]);
    for number in 0..3 {
        assert_eq!(function.http(&delivery(number)).await.unwrap().status, 200);
    }
    assert_eq!((cloud.front.opened(), table.opened()), (1, 1));
}

#[tokio::test]
async fn exchange_identity_opens_its_connection_in_init_and_sends_nothing() {
    let issuer = Issuer::start().await.unwrap();
    let puzzel = Puzzel::start_for("customer123", &issuer).await.unwrap();
    let authority = Authority::generate().unwrap();
    let (idp, idp_url) = authority.front(&puzzel.idp_url()).await.unwrap();
    let (comm, comm_url) = authority.front(&puzzel.comm_url()).await.unwrap();
    let variables = [
        ("PUZZEL_IDP_URL", idp_url),
        ("PUZZEL_COMM_URL", comm_url),
        ("PUZZEL_CUSTOMER_ID", "customer123".to_owned()),
        ("SSL_CERT_FILE", bundle(&authority, "exchange")),
    ];
    let function = Function::start("exchange-identity", variables)
        .await
        .unwrap();
    assert_eq!((idp.opened(), comm.opened()), (1, 0));
    assert_eq!(puzzel.traffic().all().len(), 0);
    let event = HttpEvent::post("/puzzel/identity")
        .claims(json!({"sub": "7", "iss": issuer.url()}))
        .bearer(&issuer.login(json!({"sub": "7"})).access_token)
        .json(&json!({"codeChallenge": CHALLENGE}));
    for _ in 0..3 {
        assert_eq!(function.http(&event).await.unwrap().status, 200);
    }
    assert_eq!((idp.opened(), comm.opened()), (1, 0));
}

#[tokio::test]
async fn a_closed_connection_is_replaced_and_the_request_does_not_notice() {
    let cloud = Cloud::start("closed").await;
    let function = cloud.launch("report-conflict", &[]).await;
    for number in 0..3 {
        cloud.front.close_connections();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(function.http(&report(number)).await.unwrap().status, 202);
    }
    assert_eq!(cloud.front.opened(), 4);
}

#[tokio::test]
async fn a_certificate_that_the_roots_do_not_sign_is_refused() {
    let mut cloud = Cloud::start("trusted").await;
    let other = bundle(&Authority::generate().unwrap(), "other");
    cloud.environment.push(("SSL_CERT_FILE".to_owned(), other));
    let function = cloud.launch("sign-token", &[]).await;
    let event = HttpEvent::post("/zendesk/token").claims(json!({"sub": "7"}));
    assert_eq!(function.http(&event).await.unwrap().status, 503);
    assert_eq!(cloud.aws.requests(), []);
}

#[tokio::test]
async fn aws_is_reached_through_the_proxy_of_the_environment() {
    let mut cloud = Cloud::start("proxy").await;
    // Our AWS accepts the requests of a proxy like its own, and this host does not exist.
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "http://aws.invalid".to_owned()),
        ("HTTP_PROXY", cloud.aws.url()),
    ] {
        cloud.environment.push((name.to_owned(), value));
    }
    let function = cloud.launch("sign-token", &[]).await;
    let event = HttpEvent::post("/zendesk/token").claims(json!({"sub": "7"}));
    assert_eq!(function.http(&event).await.unwrap().status, 200);
    assert_eq!(cloud.aws.count("GetSecretValue"), 1);
}
