//! Zendesk's requirements for an end user's JWT, checked without the library that signs it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The claims of a JWT about its bearer.
pub struct Claims {
    /// The external id.
    pub external_id: String,
    /// Only an email with `email_verified: true` counts.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
}

/// Checks a JWT against the keys of the app, by `kid`. The error is the description that
/// accompanies `invalid_auth`.
pub fn verify(jwt: &str, keys: &BTreeMap<String, String>) -> Result<Claims, String> {
    let mut parts = jwt.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the JWT does not have three parts".into());
    };
    let head = object(header).ok_or("the header is not base64url of a JSON object")?;
    expect(&head, "alg", "HS256")?;
    expect(&head, "typ", "JWT")?;
    let kid = text(&head, "kid")?.ok_or("the header has no kid")?;
    let secret = keys.get(kid).ok_or("the kid is not a key of this app")?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| "the signature is not base64url")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, format!("{header}.{payload}").as_bytes(), &signature)
        .map_err(|_| "the signature does not match")?;

    let claims = object(payload).ok_or("the payload is not base64url of a JSON object")?;
    let external_id = match text(&claims, "scope")? {
        Some("user") => text(&claims, "external_id")?.ok_or("external_id is missing")?,
        Some("appUser") => text(&claims, "userId")?.ok_or("userId is missing")?,
        _ => return Err("scope must be user".into()),
    };
    if !(1..=255).contains(&external_id.chars().count()) {
        return Err("external_id must have 1 to 255 characters".into());
    }
    number(&claims, "iat")?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64());
    if number(&claims, "exp")?.is_some_and(|expires| expires <= now) {
        return Err("the JWT has expired".into());
    }
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    Ok(Claims {
        external_id: external_id.to_owned(),
        email: text(&claims, "email")?
            .filter(|email| verified && !email.is_empty())
            .map(Into::into),
        name: text(&claims, "name")?.map(Into::into),
    })
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn expect(object: &Map<String, Value>, name: &str, wanted: &str) -> Result<(), String> {
    if object.get(name).and_then(Value::as_str) == Some(wanted) {
        return Ok(());
    }
    Err(format!("{name} must be {wanted}"))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} must be a string")),
    }
}

fn number(object: &Map<String, Value>, name: &str) -> Result<Option<f64>, String> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(_) => Err(format!("{name} must be a number")),
    }
}
