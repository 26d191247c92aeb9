//! Bearer tokens, valid and hostile, and the rotation of the issuer's keys. The tokens are not made
//! with the library that verifies them.

use std::time::Duration;

use local_stack::issuer::keys::{Algorithm, Key, hs256};
use local_stack::issuer::{AUDIENCE, Issuer, Misbehaviour};
use serde_json::{Value, json};
use shared::identity::oidc::{KeysError, Verifier, VerifyError};
use shared::lambda::deadline::Deadline;

fn verifier(issuer: &str) -> Verifier {
    let variables = [("OIDC_ISSUER", issuer), ("OIDC_AUDIENCE", AUDIENCE)];
    Verifier::from_variables(&variables.into_iter().collect()).unwrap()
}

async fn verify(verifier: &Verifier, token: &str) -> Result<Value, VerifyError> {
    let deadline = Deadline::after(Duration::from_secs(20));
    verifier.verify(token, deadline).await.map(Value::Object)
}

async fn refusal(verifier: &Verifier, token: &str) -> &'static str {
    match verify(verifier, token).await {
        Err(VerifyError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

async fn no_keys(verifier: &Verifier, token: &str) -> String {
    match verify(verifier, token).await {
        Err(VerifyError::KeysUnavailable(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[tokio::test]
async fn keys_of_every_allowed_algorithm_verify() {
    let issuer = Issuer::start().await.unwrap();
    let keys = [
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ];
    let keys =
        keys.map(|algorithm| issuer.publish(Key::generate(format!("{algorithm:?}"), algorithm)));
    let verifier = verifier(&issuer.url());
    for key in keys {
        let token = key.sign(&issuer.claims(json!({"sub": "7"})));
        assert_eq!(
            verify(&verifier, &token).await.unwrap()["sub"],
            "7",
            "{key:?}"
        );
    }
    assert_eq!(issuer.fetches().jwks, 1);
}

#[tokio::test]
async fn a_key_is_used_only_with_its_own_algorithm() {
    let issuer = Issuer::start().await.unwrap();
    let rs256 = issuer.key();
    let es256 = issuer.publish(Key::generate("ec", Algorithm::ES256));
    let verifier = verifier(&issuer.url());
    let claims = issuer.claims(json!({"sub": "7"}));
    for (key, alg) in [
        (&rs256, "PS256"),
        (&rs256, "ES256"),
        (&es256, "RS256"),
        (&es256, "EdDSA"),
    ] {
        let token = key.sign_with_header(&json!({"alg": alg, "kid": key.kid()}), &claims);
        assert_eq!(
            refusal(&verifier, &token).await,
            "its key is not the issuer's",
            "{alg}"
        );
    }
    for alg in ["RS384", "RS512", "ES384", "PS512", "HS384", "HS512"] {
        let token = rs256.sign_with_header(&json!({"alg": alg, "kid": rs256.kid()}), &claims);
        assert_eq!(
            refusal(&verifier, &token).await,
            "its algorithm is not allowed",
            "{alg}"
        );
    }
    // The public key as a secret, in the encodings that libraries have fallen for.
    let pem = rs256.public_pem();
    let modulus = rs256.jwk()["n"].as_str().unwrap().to_owned();
    for secret in [pem.as_str(), pem.trim_end(), &modulus, ""] {
        let token = hs256(
            secret.as_bytes(),
            &json!({"alg": "HS256", "kid": rs256.kid()}),
            &claims,
        );
        assert_eq!(
            refusal(&verifier, &token).await,
            "its algorithm is not allowed"
        );
    }
}

#[tokio::test]
async fn a_token_without_a_kid_or_with_an_extension_is_refused() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let key = issuer.key();
    let claims = issuer.claims(json!({"sub": "7"}));
    for (header, why) in [
        (json!({"alg": "RS256"}), "it names no key"),
        (json!({"alg": "RS256", "kid": 1}), "it is no JSON Web Token"),
        (
            json!({"alg": "none", "kid": key.kid()}),
            "it is no JSON Web Token",
        ),
        (json!({"kid": key.kid()}), "it is no JSON Web Token"),
        (
            json!({"alg": "RS256", "kid": key.kid(), "crit": ["b64"], "b64": false}),
            "it needs an extension",
        ),
        (
            json!({"alg": "RS256", "kid": key.kid(), "crit": []}),
            "it needs an extension",
        ),
    ] {
        let token = key.sign_with_header(&header, &claims);
        assert_eq!(refusal(&verifier, &token).await, why, "{header}");
    }
    // A key in the token itself is not the issuer's.
    let own = Key::generate("own", Algorithm::RS256);
    let header =
        json!({"alg": "RS256", "kid": "own", "jwk": own.jwk(), "jku": "https://evil.example"});
    let token = own.sign_with_header(&header, &claims);
    assert_eq!(
        refusal(&verifier, &token).await,
        "its key is not the issuer's"
    );
}

#[tokio::test]
async fn a_signature_covers_every_byte() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let token = issuer.id_token(json!({"sub": "7"}));
    let other = issuer.id_token(json!({"sub": "8"}));
    let [a, b]: [Vec<&str>; 2] = [&token, &other].map(|token| token.split('.').collect());
    for forged in [
        format!("{}.{}.{}", a[0], b[1], a[2]),
        format!("{}.{}.{}", a[0], a[1], b[2]),
        format!("{}.{}.", a[0], a[1]),
        format!("{}.{}", a[0], a[1]),
        format!("{token}.{}", a[2]),
        format!(" {token}"),
    ] {
        assert!(matches!(
            verify(&verifier, &forged).await,
            Err(VerifyError::Invalid(_))
        ));
    }
}

#[tokio::test]
async fn only_our_issuer_and_audience_are_accepted() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let url = issuer.url();
    for (claims, why) in [
        (
            json!({"iss": format!("{url}/")}),
            Some("it is another issuer's"),
        ),
        (
            json!({"iss": "https://evil.example"}),
            Some("it is another issuer's"),
        ),
        (json!({"iss": [url]}), Some("it is another issuer's")),
        (json!({"iss": null}), Some("it is another issuer's")),
        (
            json!({"aud": "another"}),
            Some("it is for another audience"),
        ),
        (json!({"aud": []}), Some("it is for another audience")),
        (
            json!({"aud": null, "client_id": AUDIENCE}),
            Some("it is for another audience"),
        ),
        (
            json!({"aud": "another", "client_id": AUDIENCE}),
            Some("it is for another audience"),
        ),
        (json!({"aud": ["another", AUDIENCE]}), None),
    ] {
        let mut claims = claims;
        claims["sub"] = json!("7");
        let token = issuer.id_token(claims.clone());
        match why {
            Some(why) => assert_eq!(refusal(&verifier, &token).await, why, "{claims}"),
            None => assert!(verify(&verifier, &token).await.is_ok(), "{claims}"),
        }
    }
}

#[tokio::test]
async fn cognitos_access_tokens_name_the_client_instead_of_an_audience() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let sign = |client: &str| {
        let mut claims =
            issuer.claims(json!({"sub": "7", "client_id": client, "token_use": "access"}));
        claims.as_object_mut().unwrap().remove("aud");
        issuer.key().sign(&claims)
    };
    assert!(verify(&verifier, &sign(AUDIENCE)).await.is_ok());
    assert_eq!(
        refusal(&verifier, &sign("another")).await,
        "it is for another audience"
    );
}

#[tokio::test]
async fn time_is_checked_with_a_minute_of_leeway() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let now = now();
    for (claims, why) in [
        (json!({"exp": now - 30}), None),
        (json!({"exp": now - 90}), Some("it has expired")),
        (json!({"exp": 0}), Some("it has expired")),
        (json!({"exp": null}), Some("it never expires")),
        (
            json!({"exp": (now + 60).to_string()}),
            Some("it never expires"),
        ),
        (json!({"nbf": now + 30}), None),
        (json!({"nbf": now + 90}), Some("it is not valid yet")),
        (
            json!({"nbf": (now + 90).to_string()}),
            Some("it is malformed"),
        ),
    ] {
        let mut claims = claims;
        claims["sub"] = json!("7");
        let token = issuer.id_token(claims.clone());
        match why {
            Some(why) => assert_eq!(refusal(&verifier, &token).await, why, "{claims}"),
            None => assert!(verify(&verifier, &token).await.is_ok(), "{claims}"),
        }
    }
}

#[tokio::test]
async fn a_subject_is_required_and_may_be_a_number() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    for claims in [json!({}), json!({"sub": null}), json!({"sub": ""})] {
        let token = issuer.id_token(claims);
        assert_eq!(refusal(&verifier, &token).await, "it has no subject");
    }
    let token = issuer.id_token(json!({"sub": 7}));
    assert_eq!(verify(&verifier, &token).await.unwrap()["sub"], 7);
}

#[tokio::test]
async fn an_unknown_kid_fetches_the_keys_once_a_minute() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let first = issuer.id_token(json!({"sub": "7"}));
    verify(&verifier, &first).await.unwrap();

    issuer.rotate(true);
    let second = issuer.id_token(json!({"sub": "7"}));
    let tokens = std::iter::repeat_n(second.as_str(), 50);
    let all = futures_util::future::join_all(tokens.map(|token| verify(&verifier, token))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(issuer.fetches().jwks, 2, "one fetch serves all of them");
    verify(&verifier, &first).await.unwrap();

    issuer.rotate(true);
    let third = issuer.id_token(json!({"sub": "7"}));
    assert_eq!(
        refusal(&verifier, &third).await,
        "its key is not the issuer's"
    );
    assert_eq!(issuer.fetches().jwks, 2, "the minute has not passed");
}

#[tokio::test]
async fn a_failed_fetch_starts_the_minute_too() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let first = issuer.id_token(json!({"sub": "7"}));
    verify(&verifier, &first).await.unwrap();
    issuer.rotate(true);
    issuer.misbehave(Misbehaviour {
        hang_up: true,
        ..Misbehaviour::default()
    });
    let second = issuer.id_token(json!({"sub": "7"}));
    for _ in 0..3 {
        // Its key may be one that could not be fetched.
        let why = no_keys(&verifier, &second).await;
        assert!(why.starts_with("discovery: "), "{why}");
        verify(&verifier, &first).await.unwrap();
    }
    assert_eq!(issuer.fetches().discovery, 2);
}

#[tokio::test]
async fn keys_are_fetched_only_from_the_issuer() {
    const NOT_OURS: &str = "its issuer is not OIDC_ISSUER";
    const NOT_SAFE: &str = "neither https nor on loopback";
    let elsewhere = Issuer::start().await.unwrap();
    let issuer = Issuer::start().await.unwrap();
    let token = issuer.id_token(json!({"sub": "7"}));
    let large = json!({"keys": [{"kty": "RSA", "n": "A".repeat(300_000)}]});
    for (misbehaviour, why) in [
        (json!({"issuer": elsewhere.url()}), NOT_OURS),
        (json!({"issuer": format!("{}/", issuer.url())}), NOT_OURS),
        (json!({"jwksUri": "http://keys.example/jwks"}), NOT_SAFE),
        (json!({"jwksUri": "file:///etc/passwd"}), NOT_SAFE),
        (json!({"jwksUri": "/jwks"}), NOT_SAFE),
        (
            json!({"redirect": format!("{}/jwks", elsewhere.url())}),
            "discovery: status 302",
        ),
        (json!({"status": 404}), "discovery: status 404"),
        (json!({"jwksStatus": 500}), "keys: status 500"),
        (
            json!({"hangUp": true}),
            "discovery: the connection ended before an answer",
        ),
        (json!({"delayMs": 60_000}), "discovery: no answer in time"),
        (
            json!({"jwks": {"keys": "CANARY"}}),
            "keys: it is no key set",
        ),
        (json!({ "jwks": large }), "keys: the body is too large"),
    ] {
        issuer.misbehave(serde_json::from_value(misbehaviour).unwrap());
        let told = no_keys(&verifier(&issuer.url()), &token).await;
        assert!(told.contains(why) && !told.contains("CANARY"), "{told}");
    }
    assert_eq!(elsewhere.fetches().jwks, 0, "no redirect is followed");

    let foreign = json!({"jwks": {"keys": [elsewhere.key().jwk()]}});
    issuer.misbehave(serde_json::from_value(foreign).unwrap());
    let why = refusal(&verifier(&issuer.url()), &token).await;
    assert_eq!(why, "its signature is wrong");
}

#[tokio::test]
async fn an_unreadable_key_does_not_affect_the_others() {
    let issuer = Issuer::start().await.unwrap();
    let mut for_encryption = Key::generate("enc", Algorithm::RS256).jwk();
    for_encryption["use"] = json!("enc");
    let mut anonymous = issuer.key().jwk();
    anonymous.as_object_mut().unwrap().remove("kid");
    issuer.misbehave(Misbehaviour {
        jwks: Some(json!({"keys": [
            {"kty": "PQC", "kid": "new"},
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "bad", "n": "?", "e": "AQAB"},
            "key",
            for_encryption,
            anonymous,
            issuer.key().jwk(),
        ]})),
        ..Misbehaviour::default()
    });
    let verifier = verifier(&issuer.url());
    assert!(
        verify(&verifier, &issuer.id_token(json!({"sub": "7"})))
            .await
            .is_ok()
    );
    let claims = issuer.claims(json!({"sub": "7"}));
    let secret = hs256(
        b"secret",
        &json!({"alg": "HS256", "kid": "secret"}),
        &claims,
    );
    assert_eq!(
        refusal(&verifier, &secret).await,
        "its algorithm is not allowed"
    );
}

#[tokio::test]
async fn a_failed_discovery_logs_the_cause_without_the_url() {
    let told = no_keys(
        &verifier("http://127.0.0.1:1/CANARY"),
        &Issuer::start().await.unwrap().id_token(json!({"sub": "7"})),
    )
    .await;
    let error = KeysError::Transport {
        document: "discovery",
        cause: "no connection".to_owned(),
    };
    assert_eq!(told, error.to_string());
}
