//! The user of a token.

use local_stack::issuer::keys::{Algorithm, Key, hs256, unsigned};

use super::*;

fn anna() -> Value {
    json!({"sub": "7", "name": "Anna", "email": "anna@example.com", "email_verified": "true"})
}

fn is_for_anna(token: &str) {
    let header = header_of(token).unwrap();
    assert_eq!(header, json!({"alg": "HS256", "typ": "JWT", "kid": KID}));
    let mut claims = claims_of(token).unwrap();
    let [iat, exp] = ["iat", "exp"].map(|name| claims[name].take().as_u64().unwrap());
    assert_eq!(exp - iat, 900);
    assert_eq!(
        claims,
        json!({
            "scope": "user",
            "external_id": "7",
            "name": "Anna",
            "email": "anna@example.com",
            "email_verified": true,
            "iat": null,
            "exp": null,
        })
    );
}

#[tokio::test]
async fn a_jwt_authorizers_claims_are_the_default() {
    let stack = Stack::start(&[]).await;
    is_for_anna(&stack.token(&HttpEvent::post(PATH).claims(anna())).await);

    let response = stack
        .http(&by("7").json(&json!({"includeEmail": false})))
        .await;
    let body = response.json();
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(
        (&body["externalId"], &body["emailIncluded"]),
        (&json!("7"), &json!(false))
    );
    let claims = claims_of(body["token"].as_str().unwrap()).unwrap();
    assert_eq!(body["expiresAt"], claims["exp"]);
}

#[tokio::test]
async fn a_lambda_authorizers_context_may_contain_values_of_any_type() {
    let stack = Stack::start(&[("IDENTITY_SOURCE", "lambda-authorizer")]).await;
    let mut context = anna();
    context["sub"] = json!(7);
    context["email_verified"] = json!(true);
    is_for_anna(
        &stack
            .token(&HttpEvent::post(PATH).lambda_context(context))
            .await,
    );
}

#[tokio::test]
async fn a_bearer_token_works_behind_a_load_balancer_and_a_function_url_too() {
    let issuer = Issuer::start().await.unwrap();
    let stack = Stack::start(&bearer(&issuer.url())).await;
    let event = HttpEvent::post(PATH).bearer(&issuer.id_token(anna()));
    for event in [
        event.api_gateway(),
        event.function_url(),
        event.load_balancer(),
    ] {
        let response = HttpResponse::new(stack.function.invoke(&event).await.unwrap());
        assert_eq!(response.status, 200, "{response:?}");
        is_for_anna(response.json()["token"].as_str().unwrap());
    }
}

#[tokio::test]
async fn the_legacy_dialect_and_the_lifetime_are_configurable() {
    let variables = [("TOKEN_DIALECT", "smooch-v1"), ("TOKEN_TTL_SECONDS", "60")];
    let stack = Stack::start(&variables).await;
    let claims = claims_of(&stack.token(&by("7")).await).unwrap();
    assert_eq!(
        (&claims["scope"], &claims["userId"]),
        (&json!("appUser"), &json!("7"))
    );
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        60
    );
}

#[tokio::test]
async fn without_a_proven_caller_nothing_is_signed_and_no_secret_is_read() {
    let stack = cold(&[]).await;
    for event in [
        HttpEvent::post(PATH),
        HttpEvent::post(PATH).bearer("a.b.c"),
        HttpEvent::post(PATH).json(&json!({"sub": "7"})),
        HttpEvent::post(PATH).lambda_context(json!({"sub": "7"})),
        HttpEvent::post(PATH).claims(json!({})),
        HttpEvent::post(PATH).claims(json!({"sub": ""})),
        HttpEvent::post(PATH).claims(json!({"sub": 7.5})),
        HttpEvent::post(PATH).claims(json!({"sub": "[7]"})),
        HttpEvent::post(PATH).claims(json!("7")),
        HttpEvent::post(PATH).authorizer(json!({"jwt": null})),
        HttpEvent::post(PATH).authorizer(json!("7")),
        HttpEvent::post(PATH).authorizer(json!({})),
    ] {
        let response = stack.http(&event).await;
        assert_problem(&response, 401, "unauthenticated");
        assert_eq!(
            response.header("www-authenticate"),
            Some("Bearer"),
            "{event:?}"
        );
    }
    assert_eq!(stack.reads(), 0);
    stack.token(&by("7")).await;
    assert_eq!(stack.reads(), 1);
}

#[tokio::test]
async fn an_invalid_request_is_a_clear_4xx_and_reads_no_secret() {
    let stack = cold(&[]).await;
    let body = |body: &str| {
        by("7")
            .header("content-type", "application/json")
            .body(body)
    };
    for (event, status, code) in [
        (by("."), 422, "invalid_external_id"),
        (by(".."), 422, "invalid_external_id"),
        (by("a\nb"), 422, "invalid_external_id"),
        (by(&"a".repeat(256)), 422, "invalid_external_id"),
        (body("[]"), 400, "invalid_request"),
        (body(r#"{"external_id":"8"}"#), 400, "invalid_request"),
        (body(&"[".repeat(10_000)), 400, "invalid_request"),
        (body(&" ".repeat(16 * 1024 + 1)), 413, "payload_too_large"),
        (
            by("7").base64_body(b"{\"includeEmail\":\xff}"),
            400,
            "invalid_request",
        ),
        (
            body("{}").header("content-type", "text/plain"),
            415,
            "unsupported_media_type",
        ),
        (
            HttpEvent::post("/zendesk").claims(json!({"sub": "7"})),
            404,
            "not_found",
        ),
        (
            HttpEvent::new("GET", PATH).claims(json!({"sub": "7"})),
            405,
            "method_not_allowed",
        ),
    ] {
        assert_problem(&stack.http(&event).await, status, code);
    }
    assert_eq!(stack.reads(), 0);
    for id in [
        "1",
        &"a".repeat(255),
        "\u{4e16}\u{754c}",
        "a/b?c#d",
        "%2e%2e",
    ] {
        let claims = claims_of(&stack.token(&by(id)).await).unwrap();
        assert_eq!(claims["external_id"], id);
    }
    let encoded = by("7").base64_body(r#"{"includeEmail":false}"#);
    assert_eq!(stack.http(&encoded).await.status, 200);
}

#[tokio::test]
async fn a_bearer_token_that_proves_nothing_reads_no_secret() {
    let issuer = Issuer::start().await.unwrap();
    let stack = cold(&bearer(&issuer.url())).await;
    let key = issuer.key();
    let claims = |changes: Value| issuer.claims(changes);
    let good = claims(anna());
    let stranger = Key::generate(key.kid(), Algorithm::RS256);
    let unknown = Key::generate("unknown", Algorithm::RS256);
    let hs256_header = json!({"alg": "HS256", "typ": "JWT", "kid": key.kid()});
    for (why, token) in [
        ("none", unsigned(json!({"kid": key.kid()}), &good)),
        (
            "none, in other case",
            unsigned(json!({"alg": "nOnE", "kid": key.kid()}), &good),
        ),
        (
            "HS256 with the public key",
            hs256(key.public_pem().as_bytes(), &hs256_header, &good),
        ),
        ("a stranger's signature", stranger.sign(&good)),
        ("unknown kid", unknown.sign(&good)),
        (
            "wrong issuer",
            issuer.id_token(json!({"sub": "7", "iss": "https://evil.example"})),
        ),
        (
            "wrong audience",
            issuer.id_token(json!({"sub": "7", "aud": "another"})),
        ),
        (
            "expired",
            issuer.id_token(json!({"sub": "7", "ttl_seconds": -61})),
        ),
        (
            "not yet valid",
            issuer.id_token(json!({"sub": "7", "nbf": 32_503_680_000_u64})),
        ),
        (
            "no subject",
            issuer.id_token(json!({"email": "anna@example.com"})),
        ),
        ("no JWT", "abc".to_owned()),
    ] {
        let response = stack.http(&HttpEvent::post(PATH).bearer(&token)).await;
        assert_eq!(response.status, 401, "{why}");
        assert_problem(&response, 401, "unauthenticated");
    }
    assert_eq!(stack.reads(), 0);
    stack
        .token(&HttpEvent::post(PATH).bearer(&key.sign(&good)))
        .await;
}

#[tokio::test]
async fn the_issuers_new_key_is_fetched_when_it_signs() {
    let issuer = Issuer::start().await.unwrap();
    let stack = Stack::start(&bearer(&issuer.url())).await;
    let event = || HttpEvent::post(PATH).bearer(&issuer.id_token(anna()));
    let old = event();
    is_for_anna(&stack.token(&old).await);
    issuer.rotate(false);
    is_for_anna(&stack.token(&event()).await);
    assert_eq!(issuer.fetches().jwks, 2);
    assert_problem(&stack.http(&old).await, 401, "unauthenticated");
    assert_eq!(issuer.fetches().jwks, 2, "not again within a minute");
}

#[tokio::test]
async fn an_issuer_that_is_down_causes_a_503_and_is_not_called_again_within_a_minute() {
    let issuer = Issuer::start().await.unwrap();
    issuer.misbehave(local_stack::issuer::Misbehaviour {
        status: Some(500),
        ..Default::default()
    });
    let stack = cold(&bearer(&issuer.url())).await;
    let event = HttpEvent::post(PATH).bearer(&issuer.id_token(anna()));
    for _ in 0..3 {
        let response = stack.http(&event).await;
        assert_problem(&response, 503, "keys_unavailable");
        assert!(response.header("retry-after").is_some());
    }
    assert_eq!(issuer.fetches().discovery, 1);
    assert_eq!(stack.reads(), 0);
}
