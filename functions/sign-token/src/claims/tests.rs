use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey, Validation, decode};
use serde_json::{Map, Value, json};
use shared::identity::caller::Callers;
use shared::lambda::http::Request;

use super::*;

const NOW: Duration = Duration::from_secs(1_800_000_001);
const TTL: Duration = Duration::from_mins(15);

/// The caller that a Lambda authorizer's `context` makes.
async fn caller(context: Value) -> Caller {
    let variables = [("IDENTITY_SOURCE", "lambda-authorizer")];
    let callers = Callers::from_variables(&variables.into_iter().collect()).unwrap();
    let event = json!({
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST"}, "authorizer": {"lambda": context}},
    });
    let request = Request::from_event(&event.to_string()).unwrap();
    callers.identify(&request.ok().unwrap()).await.ok().unwrap()
}

fn anna() -> Value {
    json!({"sub": 7, "name": "Anna", "email": "anna@example.com", "email_verified": "true"})
}

fn key() -> SigningKey {
    SigningKey {
        kid: "app_1".to_owned(),
        key: EncodingKey::from_secret(b"a secret of twenty-four."),
    }
}

/// The claims of a token, as they are on the wire. Its header does not depend on the caller.
async fn signed(context: Value, dialect: Dialect, include_email: bool) -> Value {
    let caller = caller(context).await;
    let email = caller.email.as_ref().ok().filter(|_| include_email);
    let claims = Claims::new(&caller, dialect, email, UNIX_EPOCH + NOW, TTL);
    assert_eq!(claims.expires_at(), (NOW + TTL).as_secs());
    let token = claims.sign(&key()).unwrap();
    let part = |index| {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let header: Value = part(0);
    assert_eq!(
        header,
        json!({"alg": "HS256", "typ": "JWT", "kid": "app_1"})
    );
    part(1)
}

#[tokio::test]
async fn a_token_of_the_second_version_is_for_zendesk_messaging() {
    let claims = signed(anna(), Dialect::SunshineV2, true).await;
    assert_eq!(
        claims,
        json!({
            "scope": "user",
            "external_id": "7",
            "name": "Anna",
            "email": "anna@example.com",
            "email_verified": true,
            "iat": 1_800_000_001,
            "exp": 1_800_000_901,
        })
    );
}

#[tokio::test]
async fn a_token_of_the_first_version_names_the_user_as_the_legacy_sdks_do() {
    let claims = signed(anna(), Dialect::SmoochV1, false).await;
    assert_eq!(
        claims,
        json!({
            "scope": "appUser",
            "userId": "7",
            "name": "Anna",
            "iat": 1_800_000_001,
            "exp": 1_800_000_901,
        })
    );
}

#[tokio::test]
async fn email_and_email_verified_come_together_or_not_at_all() {
    for (context, include_email, included) in [
        (anna(), true, true),
        (anna(), false, false),
        (
            json!({"sub": "7", "email": "anna@example.com"}),
            true,
            false,
        ),
        (json!({"sub": "7", "email_verified": true}), true, false),
    ] {
        let claims = signed(context, Dialect::SunshineV2, include_email).await;
        assert_eq!(claims.get("email").is_some(), included);
        assert_eq!(claims.get("email_verified").is_some(), included);
    }
}

#[tokio::test]
async fn the_callers_name_stays_a_string() {
    let hostile = r#"","scope":"app","x":""#;
    let context = json!({"sub": hostile, "name": hostile});
    let claims = signed(context, Dialect::SunshineV2, true).await;
    assert_eq!(claims["scope"], "user");
    assert_eq!(claims["external_id"], hostile);
    assert_eq!(claims["name"], hostile);
    assert_eq!(claims.as_object().unwrap().len(), 5);
}

/// RFC 7515, appendix A.1: the library signs and verifies as the standard has it.
#[test]
fn the_example_of_the_standard_verifies() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                 eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                 cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                 dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let mut validation = Validation::new(Algorithm::HS256);
    // It expired in 2011.
    validation.validate_exp = false;
    let verify = |key: &str| {
        let key = DecodingKey::from_secret(&URL_SAFE_NO_PAD.decode(key).unwrap());
        decode::<Map<String, Value>>(token, &key, &validation)
    };
    assert_eq!(verify(key).unwrap().claims["iss"], "joe");
    assert!(verify(&key.replace("AyM1", "AyM2")).is_err());
}
