//! Zendesk's signature: base64 of HMAC-SHA256 over the timestamp and the raw body.
//!
//! Nothing stands between the two, so a byte could be moved from one to the other under the same
//! signature, were the timestamp not read to the letter.
//!
//! Source: "Verifying webhook authenticity", Zendesk developer documentation.

use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use shared::aws::secrets::{Secret, WrongShape};
use shared::lambda::clock::parse_millis;

/// How old, or how far ahead, a timestamp may be.
const TOLERANCE: Duration = Duration::from_mins(5);
/// The secret that Zendesk publishes for tests: what it signs proves nothing.
const PUBLISHED_TEST_SECRET: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// Why a request is not Zendesk's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    /// One of the two headers is missing, or there more than once.
    #[error("a signature header is missing")]
    MissingHeader,
    /// The timestamp is none.
    #[error("the timestamp is malformed")]
    MalformedTimestamp,
    /// The timestamp is more than 5 minutes away.
    #[error("the timestamp is more than 5 minutes away")]
    StaleTimestamp,
    /// No secret made this signature.
    #[error("the signature is wrong")]
    WrongSignature,
}

/// The webhook's signing secrets, out of `{"signingSecrets":["…", …]}`: several, for a rollover.
pub struct SigningSecrets(Vec<Key>);

impl Secret for SigningSecrets {
    fn from_json(object: &Map<String, Value>) -> Result<Self, WrongShape> {
        let wrong = || WrongShape {
            field: "signingSecrets".to_owned(),
            expected: "a list of secrets that are not empty, none of them Zendesk's published test secret",
        };
        let secrets = object
            .get("signingSecrets")
            .and_then(Value::as_array)
            .filter(|secrets| !secrets.is_empty())
            .ok_or_else(wrong)?;
        let keys: Option<Vec<Key>> = secrets
            .iter()
            .map(|secret| {
                let secret = secret.as_str()?;
                let is_secret = !secret.is_empty() && secret != PUBLISHED_TEST_SECRET;
                is_secret.then(|| Key::new(HMAC_SHA256, secret.as_bytes()))
            })
            .collect();
        keys.map(Self).ok_or_else(wrong)
    }
}

/// Checks that `timestamp` is one, and within 5 minutes of `now`, in milliseconds since 1970.
pub fn check_timestamp(timestamp: &str, now: u64) -> Result<(), NotAuthentic> {
    let time = Some(timestamp)
        .filter(|timestamp| is_strict(timestamp))
        .and_then(parse_millis)
        .ok_or(NotAuthentic::MalformedTimestamp)?;
    if Duration::from_millis(time.abs_diff(now)) <= TOLERANCE {
        Ok(())
    } else {
        Err(NotAuthentic::StaleTimestamp)
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, with a fraction or without: nothing can be added to or taken from it.
fn is_strict(timestamp: &str) -> bool {
    let Some((seconds, fraction)) = timestamp
        .strip_suffix('Z')
        .and_then(|time| time.split_at_checked("YYYY-MM-DDTHH:MM:SS".len()))
    else {
        return false;
    };
    let fits = |(position, byte): (usize, u8)| match position {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let is_fraction = fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
    is_fraction && seconds.bytes().enumerate().all(fits)
}

/// Checks that one of `secrets` signed `timestamp` and `body`, in constant time for each.
pub fn check_signature(
    secrets: &SigningSecrets,
    timestamp: &str,
    body: &[u8],
    signature: &str,
) -> Result<(), NotAuthentic> {
    let signature = BASE64
        .decode(signature)
        .map_err(|_| NotAuthentic::WrongSignature)?;
    let signed = [timestamp.as_bytes(), body].concat();
    let is_ours = secrets
        .0
        .iter()
        .any(|key| hmac::verify(key, &signed, &signature).is_ok());
    is_ours.then_some(()).ok_or(NotAuthentic::WrongSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const TIMESTAMP: &str = "2026-11-23T10:20:30Z";
    const BODY: &[u8] = br#"{"id":"1"}"#;

    fn secrets(secrets: &Value) -> Result<SigningSecrets, WrongShape> {
        SigningSecrets::from_json(json!({ "signingSecrets": secrets }).as_object().unwrap())
    }

    fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
        let key = Key::new(HMAC_SHA256, secret.as_bytes());
        BASE64.encode(hmac::sign(&key, &[timestamp.as_bytes(), body].concat()))
    }

    #[test]
    fn each_of_several_secrets_signs_and_no_other() {
        let known = secrets(&json!(["old", "new"])).unwrap();
        for secret in ["old", "new"] {
            let signature = sign(secret, TIMESTAMP, BODY);
            assert_eq!(check_signature(&known, TIMESTAMP, BODY, &signature), Ok(()));
        }
        for secret in ["", "other", "ol"] {
            let signature = sign(secret, TIMESTAMP, BODY);
            assert!(check_signature(&known, TIMESTAMP, BODY, &signature).is_err());
        }
        for signature in ["", "=", "not base64", &sign("old", TIMESTAMP, BODY)[1..]] {
            assert!(check_signature(&known, TIMESTAMP, BODY, signature).is_err());
        }
    }

    #[test]
    fn secrets_that_prove_nothing_are_refused() {
        for wrong in [
            json!(null),
            json!("one"),
            json!([]),
            json!([""]),
            json!([1]),
            json!(["good", PUBLISHED_TEST_SECRET]),
        ] {
            assert_eq!(
                secrets(&wrong).err().unwrap().field,
                "signingSecrets",
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_timestamp_is_within_five_minutes() {
        let now = parse_millis(TIMESTAMP).unwrap();
        let five_minutes = 300_000;
        for near in [now, now + five_minutes, now - five_minutes] {
            assert_eq!(check_timestamp(TIMESTAMP, near), Ok(()));
        }
        for far in [now + five_minutes + 1, now - five_minutes - 1, 0] {
            assert_eq!(
                check_timestamp(TIMESTAMP, far),
                Err(NotAuthentic::StaleTimestamp)
            );
        }
        assert_eq!(check_timestamp("2026-11-23T10:20:30.123Z", now), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(5), ..ProptestConfig::default() })]

        /// Whatever is moved over the border, the timestamp is none any more.
        #[test]
        fn no_byte_moves_between_timestamp_and_body(body in "[ -~]{1,40}", moved in 1_usize..40) {
            let now = parse_millis(TIMESTAMP).unwrap();
            let shorter = &TIMESTAMP[..TIMESTAMP.len() - moved.min(TIMESTAMP.len())];
            prop_assert!(check_timestamp(shorter, now).is_err());
            let longer = format!("{TIMESTAMP}{}", &body[..moved.min(body.len())]);
            prop_assert!(check_timestamp(&longer, now).is_err());
        }

        #[test]
        fn no_flipped_bit_passes(byte in 0..BODY.len(), bit in 0_u8..8) {
            let known = secrets(&json!(["secret"])).unwrap();
            let signature = sign("secret", TIMESTAMP, BODY);
            let mut body = BODY.to_vec();
            body[byte] ^= 1_u8 << bit;
            prop_assert!(check_signature(&known, TIMESTAMP, &body, &signature).is_err());
        }
    }
}
