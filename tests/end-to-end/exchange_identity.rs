//! `exchange-identity` end to end: the real process between our issuer and our Puzzel.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use harness::lambda::HttpEvent;
use harness::under_test::{Services, Suite, UnderTest};
use local_stack::issuer::{AUDIENCE, Issuer};
use local_stack::standins::puzzel::{Provider, Puzzel, PuzzelConfig, TokenKind};
use serde_json::{Value, json};

/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const EXCHANGE: &str = "/puzzel/identity";
const START: &str = "/puzzel/conversations/c-1/route/sales%20%C3%B8";
const IDENTIFY: &str = "/puzzel/conversations/c-1/identity";

/// The caller's login, and Puzzel.
struct Around {
    issuer: Issuer,
    puzzel: Puzzel,
}

type Stack = UnderTest<Around>;

impl Services for Around {
    fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("IDENTITY_SOURCE", "bearer".to_owned()),
            ("OIDC_ISSUER", self.issuer.url()),
            ("OIDC_AUDIENCE", AUDIENCE.to_owned()),
            ("PUZZEL_IDP_URL", self.puzzel.idp_url()),
            ("PUZZEL_COMM_URL", self.puzzel.comm_url()),
            ("PUZZEL_CUSTOMER_ID", "customer123".to_owned()),
            ("RUST_LOG", "trace".to_owned()),
        ];
        variables
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }
}

impl Suite for Around {
    const FUNCTION: &str = "exchange-identity";

    async fn start() -> Self {
        let issuer = Issuer::start().await.unwrap();
        let provider = |id, issuer: &str, keys: &Issuer| Provider {
            id,
            issuer: issuer.to_owned(),
            jwks_url: keys.url() + "/jwks",
            audience: None,
        };
        let providers = vec![
            provider(1, &issuer.url(), &issuer),
            provider(2, "https://other.example", &issuer),
        ];
        let config = PuzzelConfig {
            customers: BTreeMap::from([("customer123".to_owned(), providers)]),
            two_hosts: true,
            port: 0,
        };
        let puzzel = Puzzel::start(config).await.unwrap();
        Self { issuer, puzzel }
    }
}

impl Around {
    /// A user's tokens.
    fn login(&self, sub: &str) -> local_stack::issuer::Tokens {
        self.issuer
            .login(json!({"sub": sub, "email": "canary@mail.example"}))
    }

    fn subject(&self) -> Option<String> {
        self.puzzel.chat("c-1").unwrap().subject
    }
}

/// The function's step of the flow; the browser does the other two.
#[tokio::test]
async fn the_client_held_flow_works_with_both_kinds_of_token() {
    let stack = Stack::start(&[]).await;
    let tokens = stack.login("7");
    for (sent, kind) in [
        (json!({}), TokenKind::Access),
        (
            json!({"accessToken": tokens.access_token}),
            TokenKind::Access,
        ),
        (
            json!({"idToken": tokens.id_token, "providerId": 1}),
            TokenKind::Id,
        ),
    ] {
        let mut sent = sent;
        sent["codeChallenge"] = CHALLENGE.into();
        let event = HttpEvent::post(EXCHANGE)
            .bearer(&tokens.access_token)
            .json(&sent);
        let response = stack.http(&event).await;
        assert_eq!(response.status, 200, "{response:?}");
        let known = stack.puzzel.authentications().pop().unwrap();
        assert_eq!(response.json(), json!({"userInfoId": known.user_info_id}));
        assert_eq!((known.kind, known.subject.as_str()), (kind, "7"));
    }
    // The browser's verifier redeems it.
    let known = stack.puzzel.authentications().pop().unwrap();
    let url = format!(
        "{}/api/conversation/c-1/route/sales?userInfoId={}&codeVerifier={VERIFIER}",
        stack.puzzel.comm_url(),
        known.user_info_id
    );
    let started = reqwest::Client::new().post(url).send().await.unwrap();
    assert_eq!(started.status(), 200);
    assert_eq!(stack.subject().as_deref(), Some("7"));
}

#[tokio::test]
async fn the_server_held_flow_works_with_both_kinds_of_token_and_reveals_no_verifier() {
    let stack = Stack::start(&[]).await;
    let tokens = stack.login("7");
    let event = HttpEvent::post(START).bearer(&tokens.access_token);
    let started = stack.http(&event).await;
    assert_eq!(started.status, 200, "{started:?}");
    assert_eq!(started.json()["conversation"]["queueKey"], "sales \u{f8}");
    assert_eq!(stack.subject().as_deref(), Some("7"));

    let other = stack.login("8");
    let event = HttpEvent::put(IDENTIFY)
        .bearer(&other.access_token)
        .json(&json!({"idToken": other.id_token}));
    let identified = stack.http(&event).await;
    assert_eq!((identified.status, identified.body.as_str()), (204, ""));
    assert_eq!(stack.subject().as_deref(), Some("8"));

    let again = stack
        .http(&HttpEvent::post(START).bearer(&tokens.access_token))
        .await;
    assert_eq!(
        (again.status, &again.json()["code"]),
        (502, &json!("upstream_error"))
    );
    let event = HttpEvent::put(IDENTIFY)
        .bearer(&tokens.access_token)
        .json(&json!({"visitorToken": "visitor-canary"}));
    let refused = stack.http(&event).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (403, &json!("identity_rejected"))
    );

    assert!(stack.puzzel.strays().is_empty());
    let log = stack.function.output().lines().join("\n");
    assert!(log.contains("Started") && log.contains("Identified") && log.contains("refused"));
    let mut canaries = vec!["canary".to_owned(), "codeVerifier=".to_owned()];
    for tokens in [tokens, other] {
        canaries.extend([tokens.access_token, tokens.id_token]);
    }
    let known = stack.puzzel.authentications();
    canaries.extend(known.into_iter().map(|known| known.user_info_id));
    let responses = [started, identified, again, refused]
        .map(|response| response.body)
        .concat();
    for canary in canaries {
        assert!(!log.contains(&canary), "the log contains {canary}");
        assert!(!responses.contains(&canary), "a response contains {canary}");
    }
}

#[tokio::test]
async fn a_visitors_session_is_forwarded() {
    let stack = Stack::start(&[("PUZZEL_TOKEN_KIND", "id")]).await;
    let form = [
        ("client_id", "oneplatform_engage"),
        ("grant_type", "visitor"),
        ("tenant_id", "customer123"),
    ];
    let url = stack.puzzel.idp_url() + "/connect/token";
    let session = reqwest::Client::new()
        .post(url)
        .form(&form)
        .send()
        .await
        .unwrap();
    let session: Value = session.json().await.unwrap();
    let event = HttpEvent::post(START)
        .bearer(&stack.login("7").id_token)
        .json(&json!({"visitorToken": session["access_token"]}));
    let response = stack.http(&event).await;
    assert_eq!(response.status, 200, "{response:?}");
    let chat = stack.puzzel.chat("c-1").unwrap();
    assert_eq!(chat.visitor_id.as_deref(), session["visitor_id"].as_str());
}

#[tokio::test]
async fn a_token_of_another_user_or_of_the_wrong_provider_is_refused() {
    let stack = Stack::start(&[]).await;
    let (mine, other) = (stack.login("7").access_token, stack.login("8").id_token);
    let event = HttpEvent::post(START)
        .bearer(&mine)
        .json(&json!({"idToken": other}));
    let response = stack.http(&event).await;
    assert_eq!(
        (response.status, &response.json()["code"]),
        (403, &json!("token_subject_mismatch"))
    );
    assert!(stack.puzzel.traffic().all().is_empty());

    let sent = json!({"codeChallenge": CHALLENGE, "providerId": 2});
    let response = stack
        .http(&HttpEvent::post(EXCHANGE).bearer(&mine).json(&sent))
        .await;
    assert_eq!(
        (response.status, &response.json()["code"]),
        (403, &json!("identity_rejected"))
    );
    assert!(stack.puzzel.authentications().is_empty());
}
