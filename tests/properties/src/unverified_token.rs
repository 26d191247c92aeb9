//! The token that is forwarded to Puzzel: it is decoded only if it is a JWT, and passes only if it
//! claims to be the caller's.
//!
//! An input is three lines: header, claims and signature. A single line is used as the token
//! itself.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use exchange_identity::UnverifiedClaims;
use serde_json::Value;
use serde_json::value::RawValue;
use shared::identity::caller::Caller;
use shared::identity::email::EmailOmitted;
use shared::identity::external_id::ExternalId;

use crate::spelling;

/// The caller to whom the token must belong.
const SUBJECT: &str = "1234";
const ISSUER: &str = "https://login.example";
/// 2026-11-23, in seconds since 1970.
const NOW: f64 = 1_795_392_000.0;

/// Whether the token passes as the caller's.
pub fn check(input: &str) -> bool {
    let lines: Vec<_> = input.splitn(3, '\n').collect();
    let token = match lines.as_slice() {
        [header, claims, signature] => {
            let [header, claims] = [header, claims].map(|it| BASE64URL.encode(it));
            format!("{header}.{claims}.{signature}")
        }
        _ => input.to_owned(),
    };
    let Some(read) = UnverifiedClaims::read(&token) else {
        return false;
    };
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        panic!("a token of {} parts is not a JWT", parts.len());
    };
    assert!(!signature.is_empty());
    // Field by field, since a number that is too large for any type is still JSON.
    let object = |part: &str| -> HashMap<String, Box<RawValue>> {
        let json = BASE64URL.decode(part).expect("base64url");
        serde_json::from_slice(&json).expect("a JSON object")
    };
    object(header);
    let claims = object(claims);
    let claim = |name: &str| -> Value {
        claims.get(name).map_or(Value::Null, |claim| {
            serde_json::from_str(claim.get()).expect("a value that was read")
        })
    };

    let is_expired = match claim("exp") {
        Value::Null => false,
        exp => exp.as_f64().expect("a number") <= NOW,
    };
    let issuer = claim("iss");
    let is_callers = spelling(&claim("sub")).as_deref() == Some(SUBJECT)
        && (issuer.is_null() || issuer == ISSUER);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(NOW);
    let passes = read.check(&caller(), now).is_ok();
    assert_eq!(passes, is_callers && !is_expired, "{claims:?}");
    passes
}

fn caller() -> Caller {
    Caller {
        external_id: ExternalId::try_from(SUBJECT.to_owned()).expect("an external id"),
        email: Err(EmailOmitted::NoClaim),
        name: None,
        previous_external_id: None,
        external_id_changed_at: None,
        subject: Some(SUBJECT.to_owned()),
        issuer: Some(ISSUER.to_owned()),
    }
}
