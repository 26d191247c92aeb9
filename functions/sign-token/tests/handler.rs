//! The handler of `sign-token`, from event to response.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is test code"
)]

mod fixture;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fixture::{Fixture, SECRET, event};
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use shared::lambda::http::Response;
use shared::lambda::problem::Code;

fn claims(response: &Response) -> Map<String, Value> {
    let body: Value = serde_json::from_str(response.body.as_deref().unwrap()).unwrap();
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let validation = Validation::new(Algorithm::HS256);
    decode(body["token"].as_str().unwrap(), &key, &validation)
        .unwrap()
        .claims
}

#[tokio::test]
async fn the_response_says_what_the_token_holds() {
    let it = Fixture::warm().await;
    let anna = json!({"sub": 7, "email": "anna@example.com", "email_verified": true});
    for (body, included) in [
        (Value::Null, true),
        (json!("{}"), true),
        (json!(r#"{"includeEmail":true}"#), true),
        (json!(r#"{"includeEmail":false}"#), false),
    ] {
        let mut event = event(&anna);
        event["body"] = body;
        let response = it.handle(&event).await.ok().unwrap();
        let claims = claims(&response);
        assert_eq!(claims.contains_key("email"), included);
        let body: Map<String, Value> = serde_json::from_str(&response.body.unwrap()).unwrap();
        assert_eq!(body["externalId"], "7");
        assert_eq!(body["expiresAt"], claims["exp"]);
        assert_eq!(body["emailIncluded"], included);
        let because = if included {
            Value::Null
        } else {
            json!("not_requested")
        };
        assert_eq!(body["emailOmittedBecause"], because);
        assert_eq!(body.len(), 5);
        let ttl = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert_eq!(ttl, 900);
    }
}

#[tokio::test]
async fn warm_signing_reads_nothing() {
    let it = Fixture::warm().await;
    for _ in 0..100 {
        assert!(it.handle(&event(&json!({"sub": "7"}))).await.is_ok());
    }
    assert_eq!(it.reads().await, 1);
}

#[tokio::test]
async fn a_hundred_requests_at_once_on_a_cold_cache_read_the_key_once() {
    let it = Fixture::cold().await;
    assert_eq!(it.reads().await, 1);
    let event = event(&json!({"sub": "7"}));
    let refused = it.handle(&event).await.err().unwrap();
    assert_eq!(refused.code, Code::KeysUnavailable);
    assert_eq!(it.reads().await, 1, "the last failure is too recent");

    it.secrets_manager_is_back().await;
    let responses = join_all((0..100).map(|_| it.handle(&event))).await;
    assert!(responses.iter().all(Result::is_ok));
    assert_eq!(it.reads().await, 1);
}

#[tokio::test]
async fn a_refused_request_reads_no_secret() {
    let it = Fixture::cold().await;
    it.secrets_manager_is_back().await;
    let anna = json!({"sub": "7"});
    let with = |name: &str, value: Value| {
        let mut event = event(&anna);
        event[name] = value;
        event
    };
    for (refused, code) in [
        (event(&json!({})), Code::Unauthenticated),
        (event(&json!({"sub": ""})), Code::Unauthenticated),
        (event(&json!("7")), Code::Unauthenticated),
        (event(&json!({"sub": ".."})), Code::InvalidExternalId),
        (with("rawPath", json!("/zendesk/tokens")), Code::NotFound),
        (with("body", json!("[]")), Code::InvalidRequest),
        (
            with("body", json!(r#"{"email":"a"}"#)),
            Code::InvalidRequest,
        ),
        (
            with("body", json!(r#"{"includeEmail":"false"}"#)),
            Code::InvalidRequest,
        ),
        (
            with("body", json!(r#"{"includeEmail":null}"#)),
            Code::InvalidRequest,
        ),
        (
            with("body", json!("{".repeat(10_000))),
            Code::InvalidRequest,
        ),
        (
            with("body", json!(" ".repeat(16 * 1024 + 1))),
            Code::PayloadTooLarge,
        ),
    ] {
        let problem = it.handle(&refused).await.err().unwrap();
        assert_eq!(problem.code, code, "{refused}");
    }
    assert_eq!(it.reads().await, 0);
}

/// Bodies of an attacker: the names of the claims with any value, and anything else.
fn body() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("external_id"),
        Just("externalId"),
        Just("userId"),
        Just("user_id"),
        Just("sub"),
        Just("scope"),
        Just("email"),
        Just("includeEmail"),
        Just("claims"),
        Just("kid"),
    ];
    let value = prop_oneof![
        Just(json!("victim")),
        Just(json!("app")),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!(1)),
        Just(json!({"sub": "victim"})),
        Just(json!(["victim"])),
        Just(Value::Null),
    ];
    let object = proptest::collection::vec((name, value), 0..4).prop_map(|fields| {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Object(fields.collect()).to_string()
    });
    prop_oneof![
        4 => object,
        1 => Just(r#"{"includeEmail":true}"#.to_owned()),
        1 => any::<String>(),
    ]
}

/// Only the authorizer determines whom the token is for, whatever the request contains.
#[test]
fn no_body_path_query_or_header_changes_the_user_of_a_token() {
    const SEED: [u8; 32] = *b"chat-identity: the seed is fixed";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let it = runtime.block_on(Fixture::warm());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    println!("seed: {SEED:?}");
    let config = Config {
        cases: 1000,
        failure_persistence: None,
        ..Config::default()
    };
    let signed = std::cell::Cell::new(0);
    let strategy = (
        body(),
        any::<bool>(),
        "[a-z_&=%]{0,20}",
        "[ -~]{0,20}",
        "[a-z]{0,5}",
    );
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |(body, base64, query, header, path)| {
            let mut event = event(&json!({"sub": "7", "name": "Anna"}));
            event["body"] = json!(if base64 { BASE64.encode(body) } else { body });
            event["isBase64Encoded"] = json!(base64);
            event["rawQueryString"] = json!(format!("external_id=victim&scope=app&{query}"));
            event["queryStringParameters"] = json!({"external_id": "victim", "scope": query});
            event["pathParameters"] = json!({"external_id": "victim", "scope": path});
            event["headers"] = json!({"content-type": "application/json", "external_id": "victim",
                "x-scope": header, "sub": header});
            match runtime.block_on(it.handle(&event)) {
                Ok(response) => {
                    let claims = claims(&response);
                    prop_assert_eq!(&claims["external_id"], "7");
                    prop_assert_eq!(&claims["scope"], "user");
                    prop_assert_eq!(&claims["name"], "Anna");
                    prop_assert_eq!(claims.len(), 5);
                    signed.set(signed.get() + 1);
                }
                Err(problem) => prop_assert_eq!(problem.code, Code::InvalidRequest),
            }
            Ok(())
        })
        .unwrap();
    assert!(signed.get() > 100, "only {} were signed", signed.get());
}
