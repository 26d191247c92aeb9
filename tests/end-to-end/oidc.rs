//! Bearer tokens, valid and hostile, and the rotation of the issuer's keys. The tokens are not made
//! with the library that verifies them.

#![allow(
    clippy::similar_names,
    clippy::needless_pass_by_value,
    reason = "the words of the field, and values that are made in place"
)]

use std::time::Duration;

use local_stack::issuer::keys::{Algorithm, Key, claims_of, hs256};
use local_stack::issuer::{AUDIENCE, Issuer, Misbehaviour};
use serde_json::{Value, json};
use shared::identity::oidc::{KeysError, Verifier, VerifyError};
use shared::lambda::deadline::Deadline;

fn verifier(issuer: &str) -> Verifier {
    verifier_with(&[("OIDC_ISSUER", issuer), ("OIDC_AUDIENCE", AUDIENCE)])
}

fn verifier_with(variables: &[(&str, &str)]) -> Verifier {
    Verifier::from_variables(&variables.iter().copied().collect()).unwrap()
}

const NO_KEY: &str = "it is not signed with a key of its issuer";

async fn verify(verifier: &Verifier, token: &str) -> Result<Value, VerifyError> {
    let deadline = Deadline::after(Duration::from_secs(20));
    verifier.verify(token, deadline).await.map(Value::Object)
}

async fn refusal(verifier: &Verifier, token: &str) -> String {
    match verify(verifier, token).await {
        Err(VerifyError::Invalid(why)) => why.into_owned(),
        other => panic!("{other:?}"),
    }
}

async fn no_keys(verifier: &Verifier, token: &str) -> String {
    match verify(verifier, token).await {
        Err(VerifyError::KeysUnavailable(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Checks that a token is refused for this reason, or accepted if there is none.
async fn assert_refused_for(why: Option<&str>, verifier: &Verifier, token: &str) {
    let claims = claims_of(token).unwrap();
    match why {
        Some(why) => assert_eq!(refusal(verifier, token).await, why, "{claims}"),
        None => assert!(verify(verifier, token).await.is_ok(), "{claims}"),
    }
}

/// An ID token of user 7 with these claims.
fn id_token_with(issuer: &Issuer, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["sub"] = json!("7");
    issuer.id_token(claims)
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
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
        Algorithm::Ed25519,
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
        (&rs256, "RS384"),
        (&rs256, "RS512"),
        (&rs256, "ES256"),
        (&es256, "RS256"),
        (&es256, "ES384"),
        (&es256, "EdDSA"),
    ] {
        let token = key.sign_with_header(&json!({"alg": alg, "kid": key.kid()}), &claims);
        assert_eq!(refusal(&verifier, &token).await, NO_KEY, "{alg}");
    }
    for alg in ["HS256", "HS384", "HS512", "none", "ES512", "ES256K", "RS1"] {
        let token = rs256.sign_with_header(&json!({"alg": alg, "kid": rs256.kid()}), &claims);
        assert_eq!(
            refusal(&verifier, &token).await,
            format!("its algorithm {alg:?} is not accepted")
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
            "its algorithm \"HS256\" is not accepted"
        );
    }
}

#[tokio::test]
async fn a_token_that_brings_its_own_key_is_refused() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let claims = issuer.claims(json!({"sub": "7"}));
    let own = Key::generate("own", Algorithm::RS256);
    for kid in [json!("own"), json!(null)] {
        let header =
            json!({"alg": "RS256", "kid": kid, "jwk": own.jwk(), "jku": "https://evil.example"});
        let token = own.sign_with_header(&header, &claims);
        assert_eq!(refusal(&verifier, &token).await, NO_KEY);
    }
}

/// An issuer with exactly these keys.
async fn issuer_with(keys: &[Value]) -> Issuer {
    let issuer = Issuer::start().await.unwrap();
    publish(&issuer, keys);
    issuer
}

fn publish(issuer: &Issuer, keys: &[Value]) {
    issuer.misbehave(Misbehaviour {
        jwks: Some(json!({ "keys": keys })),
        ..Misbehaviour::default()
    });
}

/// A public key with these fields changed; null takes a field away.
fn jwk(key: &Key, changes: Value) -> Value {
    let mut jwk = key.jwk();
    let fields = jwk.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    jwk
}

#[tokio::test]
async fn a_key_is_found_by_its_name_or_by_the_lack_of_names() {
    let key = Key::generate("k1", Algorithm::ES256);
    let other = Key::generate("k2", Algorithm::ES256);
    let nameless = json!({"kid": null});
    let thumbprint = json!({"kid": null, "x5t": "t1"});
    for (keys, header, is_valid) in [
        (vec![jwk(&key, json!({}))], json!({"kid": "k1"}), true),
        (vec![jwk(&key, json!({}))], json!({}), true),
        (vec![jwk(&key, json!({}))], json!({"kid": ""}), true),
        (vec![jwk(&key, json!({}))], json!({"kid": "k2"}), false),
        (vec![jwk(&key, json!({}))], json!({"x5t": "k1"}), true),
        (vec![jwk(&key, json!({}))], json!({"x5t": "t1"}), false),
        (
            vec![jwk(&key, thumbprint.clone())],
            json!({"x5t": "t1"}),
            true,
        ),
        (
            vec![jwk(&key, thumbprint.clone())],
            json!({"kid": "t1"}),
            true,
        ),
        (
            vec![jwk(&key, thumbprint.clone())],
            json!({"kid": "k1"}),
            false,
        ),
        (
            vec![jwk(&key, json!({"x5t": "t1"}))],
            json!({"kid": "other", "x5t": "t1"}),
            true,
        ),
        (vec![jwk(&key, nameless.clone())], json!({}), true),
        (
            vec![jwk(&key, nameless.clone())],
            json!({"kid": "k1"}),
            true,
        ),
        (
            vec![jwk(&other, nameless.clone()), jwk(&key, nameless.clone())],
            json!({}),
            true,
        ),
        (
            vec![jwk(&other, json!({})), jwk(&key, nameless.clone())],
            json!({"kid": "k1"}),
            true,
        ),
        // A key of that name is there, so no other is tried.
        (
            vec![
                jwk(&other, json!({"kid": "k1"})),
                jwk(&key, nameless.clone()),
            ],
            json!({"kid": "k1"}),
            false,
        ),
        (
            vec![
                json!({"kid": "k1", "kty": "PQC"}),
                jwk(&key, nameless.clone()),
            ],
            json!({"kid": "k1"}),
            false,
        ),
        // A key of another name is never tried.
        (
            vec![jwk(&key, json!({"kid": "k9"}))],
            json!({"kid": "k1"}),
            false,
        ),
        (vec![jwk(&key, json!({"use": "enc"}))], json!({}), false),
    ] {
        let issuer = issuer_with(&keys).await;
        let verifier = verifier(&issuer.url());
        let mut header = header;
        header["alg"] = json!("ES256");
        let token = key.sign_with_header(&header, &issuer.claims(json!({"sub": "7"})));
        let verified = verify(&verifier, &token).await;
        assert_eq!(verified.is_ok(), is_valid, "{header} {keys:?}");
    }
}

#[tokio::test]
async fn five_keys_are_tried_at_most() {
    let keys: Vec<Key> = (0..6)
        .map(|it| Key::generate(format!("k{it}"), Algorithm::ES256))
        .collect();
    let rsa = Key::generate("rsa", Algorithm::RS256).jwk();
    for changes in [json!({"kid": null}), json!({})] {
        let mut set: Vec<Value> = keys.iter().map(|key| jwk(key, changes.clone())).collect();
        // A key that does not fit the algorithm is not one of the five.
        set.insert(0, rsa.clone());
        let issuer = issuer_with(&set).await;
        let verifier = verifier(&issuer.url());
        for (index, key) in keys.iter().enumerate() {
            let header = json!({"alg": "ES256"});
            let token = key.sign_with_header(&header, &issuer.claims(json!({"sub": "7"})));
            let verified = verify(&verifier, &token).await;
            assert_eq!(verified.is_ok(), index < 5, "key {index}");
        }
    }
}

#[tokio::test]
async fn a_new_key_without_a_name_is_fetched_once_a_minute() {
    let [old, new, newer] = ["", "", ""].map(|kid| Key::generate(kid, Algorithm::ES256));
    let issuer = issuer_with(&[jwk(&old, json!({"kid": null}))]).await;
    let verifier = verifier(&issuer.url());
    let claims = issuer.claims(json!({"sub": "7"}));
    let sign = |key: &Key| key.sign_with_header(&json!({"alg": "ES256"}), &claims);
    verify(&verifier, &sign(&old)).await.unwrap();
    publish(&issuer, &[jwk(&new, json!({"kid": null}))]);
    verify(&verifier, &sign(&new)).await.unwrap();
    assert_eq!(issuer.fetches().jwks, 2);
    publish(&issuer, &[jwk(&newer, json!({"kid": null}))]);
    assert_eq!(refusal(&verifier, &sign(&newer)).await, NO_KEY);
    assert_eq!(refusal(&verifier, &sign(&old)).await, NO_KEY);
    assert_eq!(issuer.fetches().jwks, 2, "the minute is not over");
}

#[tokio::test]
async fn a_forged_signature_of_a_known_key_fetches_nothing() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    verify(&verifier, &issuer.id_token(json!({"sub": "7"})))
        .await
        .unwrap();
    let stranger = Key::generate(issuer.key().kid(), Algorithm::RS256);
    let forged = stranger.sign(&issuer.claims(json!({"sub": "7"})));
    assert_eq!(refusal(&verifier, &forged).await, "its signature is wrong");
    assert_eq!(issuer.fetches().jwks, 1);
}

#[tokio::test]
async fn each_issuer_has_its_own_keys() {
    let [a, b] = [
        Issuer::start().await.unwrap(),
        Issuer::start().await.unwrap(),
    ];
    let issuers = format!("{} , {}", a.url(), b.url());
    let verifier = verifier_with(&[("OIDC_ISSUER", &issuers), ("OIDC_AUDIENCE", AUDIENCE)]);
    for issuer in [&a, &b] {
        verify(&verifier, &issuer.id_token(json!({"sub": "7"})))
            .await
            .unwrap();
    }
    // Both call their key `key-1`.
    let forged = b.key().sign(&a.claims(json!({"sub": "7"})));
    assert_eq!(refusal(&verifier, &forged).await, "its signature is wrong");
    let unnamed = b
        .key()
        .sign_with_header(&json!({"alg": "RS256"}), &a.claims(json!({"sub": "7"})));
    assert_eq!(refusal(&verifier, &unnamed).await, NO_KEY);

    // An issuer that is down does not affect the users of the others, and an unknown key causes a
    // fetch from its own issuer only.
    a.misbehave(Misbehaviour {
        hang_up: true,
        ..Misbehaviour::default()
    });
    b.rotate(true);
    verify(&verifier, &b.id_token(json!({"sub": "7"})))
        .await
        .unwrap();
    assert_eq!((a.fetches().jwks, b.fetches().jwks), (2, 2));
    let third = Issuer::start().await.unwrap();
    let foreign = third.id_token(json!({"sub": "7"}));
    assert_eq!(refusal(&verifier, &foreign).await, "it is another issuer's");
}

#[tokio::test]
async fn the_place_of_the_keys_may_be_configured_and_the_issuer_is_then_any_text() {
    let issuer = Issuer::start().await.unwrap();
    let jwks = format!("{}/jwks?p=b2c_1_susi", issuer.url());
    let verifier = verifier_with(&[
        (
            "OIDC_ISSUER",
            "stytch.com/project-1, https://sso.example.com/realms/shop",
        ),
        ("OIDC_AUDIENCE", AUDIENCE),
        ("OIDC_JWKS_URL", &jwks),
    ]);
    for iss in [
        "stytch.com/project-1",
        "https://sso.example.com/realms/shop",
    ] {
        let token = issuer.id_token(json!({"sub": "7", "iss": iss}));
        verify(&verifier, &token).await.unwrap();
    }
    let token = issuer.id_token(json!({"sub": "7", "iss": "stytch.com/project-2"}));
    assert_eq!(refusal(&verifier, &token).await, "it is another issuer's");
    let fetches = issuer.fetches();
    assert_eq!((fetches.discovery, fetches.jwks), (0, 1));
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
        (json!({"aud": null}), Some("it is for another audience")),
        (json!({"aud": ""}), Some("it is for another audience")),
        (
            json!({"aud": "", "client_id": AUDIENCE}),
            Some("it is for another audience"),
        ),
        (json!({"aud": null, "client_id": AUDIENCE}), None),
        (json!({"aud": [], "client_id": AUDIENCE}), None),
        (
            json!({"aud": "another", "client_id": AUDIENCE}),
            Some("it is for another audience"),
        ),
        (json!({"aud": ["another", AUDIENCE]}), None),
    ] {
        assert_refused_for(why, &verifier, &id_token_with(&issuer, &claims)).await;
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
async fn an_audience_is_one_of_a_list_and_may_lie_in_another_claim() {
    let issuer = Issuer::start().await.unwrap();
    let url = issuer.url();
    let audiences = [
        ("OIDC_ISSUER", url.as_str()),
        ("OIDC_AUDIENCE", "web, ios ,android"),
    ];
    let list = verifier_with(&audiences);
    let azp = verifier_with(&[&audiences[..], &[("OIDC_AUDIENCE_CLAIM", "azp")]].concat());
    let nested =
        verifier_with(&[&audiences[..], &[("OIDC_AUDIENCE_CLAIM", "/client/id")]].concat());
    for (claims, by_list, by_azp, by_nested) in [
        (json!({"aud": "web"}), true, true, true),
        (json!({"aud": "ios"}), true, true, true),
        (json!({"aud": ["other", "android"]}), true, true, true),
        (json!({"aud": "other"}), false, false, false),
        (json!({"aud": "web,ios"}), false, false, false),
        (json!({"aud": ["web ios"]}), false, false, false),
        (
            json!({"aud": "other", "azp": "web", "client_id": "web"}),
            false,
            false,
            false,
        ),
        (json!({"aud": null, "azp": "web"}), false, true, false),
        (json!({"aud": [], "azp": "web"}), false, true, false),
        (json!({"aud": null, "azp": ["ios"]}), false, true, false),
        (json!({"aud": null, "azp": "other"}), false, false, false),
        (
            json!({"aud": null, "client": {"id": "web"}}),
            false,
            false,
            true,
        ),
        (
            json!({"aud": null, "azp": "other", "client_id": "web"}),
            true,
            true,
            true,
        ),
        (json!({"aud": null}), false, false, false),
    ] {
        let token = id_token_with(&issuer, &claims);
        for (verifier, is_ours) in [(&list, by_list), (&azp, by_azp), (&nested, by_nested)] {
            assert_eq!(verify(verifier, &token).await.is_ok(), is_ours, "{claims}");
        }
    }
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
            Some("its nbf is not a number"),
        ),
    ] {
        assert_refused_for(why, &verifier, &id_token_with(&issuer, &claims)).await;
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
async fn a_claim_that_is_there_twice_is_refused() {
    let issuer = Issuer::start().await.unwrap();
    let verifier = verifier(&issuer.url());
    let token = issuer.id_token(json!({"sub": "7"}));
    let parts: Vec<_> = token.split('.').collect();
    let claims = issuer.claims(json!({"sub": "7"})).to_string();
    let twice = claims.replacen('{', r#"{"sub":"8","#, 1);
    let forged = format!("{}.{}.{}", parts[0], base64url(&twice), parts[2]);
    assert_eq!(
        refusal(&verifier, &forged).await,
        "its claims are malformed"
    );
}

fn base64url(text: &str) -> String {
    local_stack::issuer::keys::base64url(text.as_bytes())
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
    assert_eq!(refusal(&verifier, &third).await, NO_KEY);
    assert_eq!(issuer.fetches().jwks, 2, "the minute is not over");
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
        // The token may be signed with a key that could not be fetched.
        let why = no_keys(&verifier, &second).await;
        assert!(why.starts_with("discovery: "), "{why}");
        verify(&verifier, &first).await.unwrap();
    }
    assert_eq!(issuer.fetches().discovery, 2);
}

#[tokio::test]
async fn keys_are_taken_from_no_one_but_the_issuer() {
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
            "discovery: the connection ended before a response",
        ),
        (json!({"delayMs": 60_000}), "discovery: no response in time"),
        (
            json!({"jwks": {"keys": "CANARY"}}),
            "keys: it is not a key set",
        ),
        (json!({ "jwks": large }), "keys: the body is too large"),
    ] {
        issuer.misbehave(serde_json::from_value(misbehaviour).unwrap());
        let cause = no_keys(&verifier(&issuer.url()), &token).await;
        assert!(cause.contains(why) && !cause.contains("CANARY"), "{cause}");
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
        "its algorithm \"HS256\" is not accepted"
    );
}

#[tokio::test]
async fn a_failed_discovery_says_what_failed_and_not_where() {
    let url = "http://127.0.0.1:1/CANARY";
    let token = Issuer::start()
        .await
        .unwrap()
        .id_token(json!({"sub": "7", "iss": url}));
    let cause = no_keys(&verifier(url), &token).await;
    let error = KeysError::Transport {
        document: "discovery",
        cause: "no connection".to_owned(),
    };
    assert_eq!(cause, error.to_string());
}
