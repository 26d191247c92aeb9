//! Zendesk's signature: base64 of HMAC-SHA256 over the timestamp and the raw body.
//!
//! Timestamp and body are concatenated without a separator, so the timestamp's format must be
//! exact, or bytes could be shifted between them.
//!
//! Source: "Verifying webhook authenticity", Zendesk developer documentation.

use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use shared::aws::secrets::{Secret, WrongShape};
use shared::lambda::clock::parse_millis;

/// Maximum distance of a timestamp from now, in either direction.
const TOLERANCE: Duration = Duration::from_mins(5);
/// The secret that Zendesk publishes for tests. Anyone can sign with it.
const PUBLISHED_TEST_SECRET: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// The reason why a request is not a webhook of Zendesk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing or repeated.
    #[error("the header {0} is missing or repeated")]
    MissingHeader(&'static str),
    /// The timestamp does not have the exact format.
    #[error("the timestamp is malformed")]
    MalformedTimestamp,
    /// The timestamp is more than 5 minutes away.
    #[error("the timestamp is more than 5 minutes away")]
    StaleTimestamp,
    /// The secret that Zendesk publishes for tests made this signature.
    #[error(
        "the delivery is signed with Zendesk's published test secret: use the secret that the \
         webhook's page in Admin Center reveals"
    )]
    PublishedTestSecret,
    /// No configured secret made this signature.
    #[error("no configured secret made this signature")]
    WrongSignature,
}

/// A timestamp that can be signed: `YYYY-MM-DDTHH:MM:SSZ`, with a fraction or without, and not more
/// than 5 minutes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp<'a>(&'a str);

impl<'a> Timestamp<'a> {
    /// Checks `timestamp` against `now`, in milliseconds since 1970.
    pub fn parse(timestamp: &'a str, now: u64) -> Result<Self, SignatureError> {
        let time = Some(timestamp)
            .filter(|timestamp| has_exact_format(timestamp))
            .and_then(parse_millis)
            .ok_or(SignatureError::MalformedTimestamp)?;
        if Duration::from_millis(time.abs_diff(now)) <= TOLERANCE {
            Ok(Self(timestamp))
        } else {
            Err(SignatureError::StaleTimestamp)
        }
    }
}

/// Whether `timestamp` is in the exact format: adding or removing a byte at its end makes it
/// invalid.
fn has_exact_format(timestamp: &str) -> bool {
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

/// The webhook's signing secrets, from `{"signingSecrets":["…", …]}`: several during a rollover.
pub struct SigningSecrets(Vec<Key>);

impl SigningSecrets {
    /// Checks that one of the secrets signed `timestamp` and `body`, in constant time for each.
    pub fn verify(
        &self,
        timestamp: Timestamp<'_>,
        body: &[u8],
        signature: &str,
    ) -> Result<(), SignatureError> {
        let signature = BASE64
            .decode(signature)
            .map_err(|_| SignatureError::WrongSignature)?;
        let signed = [timestamp.0.as_bytes(), body].concat();
        let made = |key: &Key| hmac::verify(key, &signed, &signature).is_ok();
        if self.0.iter().any(made) {
            Ok(())
        } else if made(&key(PUBLISHED_TEST_SECRET)) {
            Err(SignatureError::PublishedTestSecret)
        } else {
            Err(SignatureError::WrongSignature)
        }
    }
}

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
                is_secret.then(|| key(secret))
            })
            .collect();
        keys.map(Self).ok_or_else(wrong)
    }

    fn inspect(_: &Map<String, Value>) -> Result<&'static str, &'static str> {
        Ok("it has the right form; Zendesk's next event shows whether it is the right secret")
    }
}

fn key(secret: &str) -> Key {
    Key::new(HMAC_SHA256, secret.as_bytes())
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

    fn now() -> u64 {
        parse_millis(TIMESTAMP).unwrap()
    }

    fn check(secrets: &SigningSecrets, body: &[u8], signature: &str) -> Result<(), SignatureError> {
        secrets.verify(Timestamp::parse(TIMESTAMP, now())?, body, signature)
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
            assert_eq!(check(&known, BODY, &signature), Ok(()));
        }
        for secret in ["", "other", "ol"] {
            let signature = sign(secret, TIMESTAMP, BODY);
            assert!(check(&known, BODY, &signature).is_err());
        }
        for signature in ["", "=", "not base64", &sign("old", TIMESTAMP, BODY)[1..]] {
            assert!(check(&known, BODY, signature).is_err());
        }
    }

    #[test]
    fn the_published_test_secret_is_recognized_and_refused() {
        let known = secrets(&json!(["secret"])).unwrap();
        let signature = sign(PUBLISHED_TEST_SECRET, TIMESTAMP, BODY);
        let refused = check(&known, BODY, &signature);
        assert_eq!(refused, Err(SignatureError::PublishedTestSecret));
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
        let now = now();
        let five_minutes = 300_000;
        for near in [now, now + five_minutes, now - five_minutes] {
            assert!(Timestamp::parse(TIMESTAMP, near).is_ok());
        }
        for far in [now + five_minutes + 1, now - five_minutes - 1, 0] {
            assert_eq!(
                Timestamp::parse(TIMESTAMP, far),
                Err(SignatureError::StaleTimestamp)
            );
        }
        assert!(Timestamp::parse("2026-11-23T10:20:30.123Z", now).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(5),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// A timestamp is malformed once bytes are moved between it and the body.
        #[test]
        fn no_byte_moves_between_timestamp_and_body(body in "[ -~]{1,40}", moved in 1_usize..40) {
            let now = now();
            let shorter = &TIMESTAMP[..TIMESTAMP.len() - moved.min(TIMESTAMP.len())];
            prop_assert!(Timestamp::parse(shorter, now).is_err());
            let longer = format!("{TIMESTAMP}{}", &body[..moved.min(body.len())]);
            prop_assert!(Timestamp::parse(&longer, now).is_err());
        }

        #[test]
        fn no_flipped_bit_passes(byte in 0..BODY.len(), bit in 0_u8..8) {
            let known = secrets(&json!(["secret"])).unwrap();
            let signature = sign("secret", TIMESTAMP, BODY);
            let mut body = BODY.to_vec();
            body[byte] ^= 1_u8 << bit;
            prop_assert!(check(&known, &body, &signature).is_err());
        }
    }
}
