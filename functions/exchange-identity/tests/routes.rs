//! The three routes with a healthy Puzzel: the calls made, the responses, and the refusals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends if anything is not as expected"
)]

mod support;

use serde_json::{Value, json};
use support::{
    CHALLENGE, IDENTIFY, START, USER_INFO_ID, call, epoch, event, function, jwt, puzzel,
};
use support::{ISSUER, token};
use wiremock::{MockServer, Request};

async fn requests(puzzel: &MockServer) -> Vec<Request> {
    puzzel.received_requests().await.unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn query(request: &Request, name: &str) -> String {
    let pair = request.url.query_pairs().find(|(key, _)| key == name);
    pair.unwrap().1.into_owned()
}

/// S256, computed independently of the code under test.
fn s256(verifier: &str) -> String {
    use base64::Engine;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash)
}

#[tokio::test]
async fn the_client_held_flow_forwards_the_callers_own_token() {
    for (kind, field) in [("access", "accessToken"), ("id", "idToken")] {
        let puzzel = puzzel().await;
        let url = puzzel.uri();
        let function = function(&url, &url, &[("PUZZEL_TOKEN_KIND", kind)]).await;
        let token = token();
        let event = event(
            "POST",
            "/puzzel/identity",
            &token,
            &json!({"codeChallenge": CHALLENGE}),
        );
        let reply = call(&function, &event).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.json(), json!({"userInfoId": USER_INFO_ID}));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let requests = requests(&puzzel).await;
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].url.path(), "/api/authenticate/customer123");
        assert_eq!(requests[0].url.query(), None);
        assert!(!requests[0].headers.contains_key("authorization"));
        assert_eq!(
            body(&requests[0]),
            json!({"codeChallenge": CHALLENGE, field: token})
        );
    }
}

#[tokio::test]
async fn a_token_in_the_body_takes_precedence_over_the_header() {
    for field in ["accessToken", "idToken"] {
        let puzzel = puzzel().await;
        let function = function(&puzzel.uri(), &puzzel.uri(), &[]).await;
        // Its sub is a number, and it has no issuer.
        let token = jwt(&json!({"sub": 1234, "nonce": "n"}));
        let sent = json!({"codeChallenge": CHALLENGE, field: token, "providerId": 456});
        let reply = call(
            &function,
            &event("POST", "/puzzel/identity", &support::token(), &sent),
        )
        .await;
        assert_eq!(reply.status(), 200, "{reply:?}");
        let requests = requests(&puzzel).await;
        assert_eq!(requests[0].url.query(), Some("providerId=456"));
        assert_eq!(
            body(&requests[0]),
            json!({"codeChallenge": CHALLENGE, field: token})
        );
    }
}

#[tokio::test]
async fn a_chat_is_started_with_a_verifier_that_never_leaves_the_function() {
    let puzzel = puzzel().await;
    let function = function(&puzzel.uri(), &puzzel.uri(), &[]).await;
    let path = "/puzzel/conversations/c-1/route/kundeservice%20%C3%B8";
    let mut verifiers = Vec::new();
    for sent in [Value::Null, json!({"visitorToken": "visitor.to-ken"})] {
        let reply = call(&function, &event("POST", path, &token(), &sent)).await;
        assert_eq!(reply.status(), 200, "{reply:?}");
        assert_eq!(reply.json(), json!({"conversation": {"id": 12}}));
        let [.., authenticate, start] = &requests(&puzzel).await[..] else {
            panic!("two calls");
        };
        assert_eq!(
            start.url.path(),
            "/api/conversation/c-1/route/kundeservice%20%C3%B8"
        );
        assert_eq!(query(start, "userInfoId"), USER_INFO_ID);
        let verifier = query(start, "codeVerifier");
        assert_eq!(verifier.len(), 43);
        assert_eq!(body(authenticate)["codeChallenge"], s256(&verifier));
        assert!(!reply.text().contains(&verifier));
        let bearer = start
            .headers
            .get("authorization")
            .map(|it| it.to_str().unwrap());
        let expected = sent["visitorToken"]
            .as_str()
            .map(|it| format!("Bearer {it}"));
        assert_eq!(bearer, expected.as_deref());
        assert!(!authenticate.headers.contains_key("authorization"));
        verifiers.push(verifier);
    }
    assert_ne!(verifiers[0], verifiers[1]);
}

#[tokio::test]
async fn a_chat_is_identified() {
    let puzzel = puzzel().await;
    let function = function(&puzzel.uri(), &puzzel.uri(), &[]).await;
    let sent = json!({"idToken": token(), "visitorToken": "visitor"});
    let reply = call(&function, &event("PUT", IDENTIFY, "", &sent)).await;
    assert_eq!((reply.status(), reply.json()), (204, Value::Null));
    let [authenticate, identify] = &requests(&puzzel).await[..] else {
        panic!("two calls");
    };
    assert_eq!(identify.url.path(), "/api/visitor/setIdentity/c-1");
    assert_eq!(identify.url.query(), None);
    assert_eq!(identify.headers["authorization"], "Bearer visitor");
    let verifier = body(identify)["codeVerifier"].as_str().unwrap().to_owned();
    assert_eq!(
        body(identify),
        json!({"userInfoId": USER_INFO_ID, "codeVerifier": verifier})
    );
    assert_eq!(body(authenticate)["codeChallenge"], s256(&verifier));
}

#[tokio::test]
async fn path_parameters_come_from_the_event_if_it_has_them() {
    let puzzel = puzzel().await;
    let function = function(&puzzel.uri(), &puzzel.uri(), &[]).await;
    let mut event = event("POST", START, &token(), &Value::Null);
    event["pathParameters"] = json!({"conversationId": "c_2", "queueKey": "50%25 off"});
    assert_eq!(call(&function, &event).await.status(), 200);
    let path = requests(&puzzel).await[1].url.path().to_owned();
    assert_eq!(path, "/api/conversation/c_2/route/50%2525%20off");
}

#[tokio::test]
async fn the_provider_is_the_configured_one() {
    let by_issuer = json!({ISSUER: 7, "https://other.example": 8}).to_string();
    let foreign = jwt(&json!({"sub": "1234"}));
    for (configured, token, expected) in [
        ("456", token(), Some("providerId=456")),
        (by_issuer.as_str(), token(), Some("providerId=7")),
        (by_issuer.as_str(), foreign, None),
    ] {
        let puzzel = puzzel().await;
        let function = function(
            &puzzel.uri(),
            &puzzel.uri(),
            &[("PUZZEL_PROVIDER_ID", configured)],
        )
        .await;
        let sent = json!({"codeChallenge": CHALLENGE, "accessToken": token});
        let reply = call(&function, &event("POST", "/puzzel/identity", "", &sent)).await;
        let requests = requests(&puzzel).await;
        if let Some(expected) = expected {
            assert_eq!(requests[0].url.query(), Some(expected));
        } else {
            assert_eq!(reply.problem(), (400, "invalid_request".to_owned()));
            assert!(requests.is_empty());
        }
        let mut sent = sent;
        sent["providerId"] = 1.into();
        let reply = call(&function, &event("POST", "/puzzel/identity", "", &sent)).await;
        assert_eq!(reply.problem(), (400, "invalid_request".to_owned()));
    }
}

/// Refusals happen before any call to Puzzel.
#[tokio::test]
async fn a_token_that_may_not_be_forwarded_is_refused_without_a_call() {
    let puzzel = puzzel().await;
    let function = function(&puzzel.uri(), &puzzel.uri(), &[]).await;
    let good = token();
    let other = jwt(&json!({"sub": "1235", "iss": ISSUER}));
    let issuer = jwt(&json!({"sub": "1234", "iss": "https://evil.example"}));
    let expired = jwt(&json!({"sub": "1234", "exp": epoch() - 1}));
    let nobody = jwt(&json!({"iss": ISSUER}));
    let list = jwt(&json!({"sub": ["1234"]}));
    let invalid = (400, "invalid_request");
    let mismatch = (403, "token_subject_mismatch");
    for (token_fields, bearer, expected) in [
        (json!({"accessToken": good, "idToken": good}), "", invalid),
        (json!({}), "", invalid),
        (json!({}), "opaque", invalid),
        (json!({}), other.as_str(), mismatch),
        (json!({}), expired.as_str(), invalid),
        (json!({"accessToken": ""}), good.as_str(), invalid),
        (json!({"idToken": "opaque"}), good.as_str(), invalid),
        (json!({"idToken": 1}), good.as_str(), invalid),
        (json!({"idToken": other}), good.as_str(), mismatch),
        (json!({"idToken": issuer}), good.as_str(), mismatch),
        (json!({"idToken": nobody}), good.as_str(), mismatch),
        (json!({"idToken": list}), good.as_str(), mismatch),
        (json!({"idToken": expired}), good.as_str(), invalid),
        (json!({"codeVerifier": "x"}), good.as_str(), invalid),
        (json!({"codeVerifier": null}), good.as_str(), invalid),
        (json!({"providerId": "456"}), good.as_str(), invalid),
        (json!({"providerId": 4.5}), good.as_str(), invalid),
        (json!({"userInfoId": "usr"}), good.as_str(), invalid),
        (json!({"customerId": "c"}), good.as_str(), invalid),
    ] {
        for (method, path) in [
            ("POST", "/puzzel/identity"),
            ("POST", START),
            ("PUT", IDENTIFY),
        ] {
            let mut sent = token_fields.clone();
            if path == "/puzzel/identity" {
                sent["codeChallenge"] = CHALLENGE.into();
            }
            let reply = call(&function, &event(method, path, bearer, &sent)).await;
            let (status, code) = reply.problem();
            assert_eq!((status, code.as_str()), expected, "{path} {sent}");
            if sent.get("codeVerifier").is_some() {
                assert!(
                    reply.json()["detail"]
                        .as_str()
                        .unwrap()
                        .contains("codeVerifier")
                );
            }
        }
    }
    assert!(requests(&puzzel).await.is_empty());
}

#[tokio::test]
async fn an_invalid_challenge_or_body_is_refused_without_a_call() {
    let puzzel = puzzel().await;
    let function = function(&puzzel.uri(), &puzzel.uri(), &[]).await;
    let good = token();
    let stem = &CHALLENGE[..42];
    for challenge in [
        json!(stem),
        json!(format!("{CHALLENGE}A")),
        json!(format!("{CHALLENGE}=")),
        json!("a plain verifier that is no hash of anything"),
        json!(format!("{stem}N")),
        json!(""),
        json!(null),
        json!(1),
    ] {
        let sent = json!({"codeChallenge": challenge});
        let reply = call(&function, &event("POST", "/puzzel/identity", &good, &sent)).await;
        assert_eq!(
            reply.problem(),
            (400, "invalid_request".to_owned()),
            "{sent}"
        );
    }
    for (method, path, sent) in [
        ("POST", "/puzzel/identity", Value::Null),
        (
            "POST",
            "/puzzel/identity",
            json!({"codeChallenge": CHALLENGE, "visitorToken": "v"}),
        ),
        ("POST", START, json!({"codeChallenge": CHALLENGE})),
        ("POST", START, json!({"visitorToken": "a\r\nb: c"})),
        ("PUT", IDENTIFY, json!({"visitorToken": ""})),
        ("PUT", IDENTIFY, json!([])),
    ] {
        let reply = call(&function, &event(method, path, &good, &sent)).await;
        assert_eq!(
            reply.problem(),
            (400, "invalid_request".to_owned()),
            "{path} {sent}"
        );
    }
    for (method, path, expected) in [
        ("GET", "/puzzel/identity", (405, "method_not_allowed")),
        ("POST", IDENTIFY, (405, "method_not_allowed")),
        ("PUT", START, (405, "method_not_allowed")),
        ("POST", "/puzzel", (404, "not_found")),
        ("POST", "/zendesk/token", (404, "not_found")),
    ] {
        let reply = call(&function, &event(method, path, &good, &Value::Null)).await;
        let (status, code) = reply.problem();
        assert_eq!((status, code.as_str()), expected, "{method} {path}");
    }
    assert!(requests(&puzzel).await.is_empty());
}

#[tokio::test]
async fn an_unknown_caller_gets_401_before_anything_else_is_checked() {
    let puzzel = puzzel().await;
    let function = function(&puzzel.uri(), &puzzel.uri(), &[]).await;
    for authorizer in [json!(null), json!({"jwt": {"claims": {"iss": ISSUER}}})] {
        for (method, path) in [
            ("POST", "/puzzel/identity"),
            ("POST", START),
            ("PUT", "/puzzel/conversations/../identity"),
        ] {
            let mut event = event(method, path, &token(), &json!({"codeVerifier": 1}));
            event["requestContext"]["authorizer"] = authorizer.clone();
            let reply = call(&function, &event).await;
            assert_eq!(reply.problem(), (401, "unauthenticated".to_owned()));
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert!(requests(&puzzel).await.is_empty());
}

/// Another claim may name the user, but tokens are always compared by `sub`.
#[tokio::test]
async fn a_caller_without_sub_cannot_forward_a_token() {
    let puzzel = puzzel().await;
    let variables = [("EXTERNAL_ID_CLAIM", "customer_no")];
    let function = function(&puzzel.uri(), &puzzel.uri(), &variables).await;
    let mut event = event("POST", START, &token(), &Value::Null);
    event["requestContext"]["authorizer"] = json!({"jwt": {"claims": {"customer_no": "1234"}}});
    let reply = call(&function, &event).await;
    assert_eq!(reply.problem(), (403, "token_subject_mismatch".to_owned()));
    assert!(requests(&puzzel).await.is_empty());
}
