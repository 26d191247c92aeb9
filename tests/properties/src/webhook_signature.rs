//! A webhook's signature: a request is accepted only if one of the secrets signed it.
//!
//! An input is five lines: secret, another secret, a signature, a timestamp, and the body, which
//! may have more lines.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use receive_webhook::{SignatureError, SigningSecrets, Timestamp};
use serde_json::json;
use shared::aws::secrets::Secret;

use crate::time::millis;

/// The secret that Zendesk publishes for tests.
const PUBLISHED: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// Whether the timestamp is valid.
pub fn check(input: &[u8]) -> bool {
    let mut lines = input.splitn(5, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let [secret, other, signature, timestamp] =
        [line(), line(), line(), line()].map(String::from_utf8_lossy);
    holds(&secret, &other, &signature, &timestamp, line())
}

/// The same for the parts of an input.
pub fn holds(secret: &str, other: &str, signature: &str, timestamp: &str, body: &[u8]) -> bool {
    let secrets = json!({"signingSecrets": [secret]});
    let secrets = SigningSecrets::from_json(secrets.as_object().expect("an object"));
    let Ok(secrets) = secrets else {
        assert!(secret.is_empty() || secret == PUBLISHED);
        return false;
    };
    assert_ne!(secret, PUBLISHED);
    if !is_signed_once(timestamp, body) {
        return false;
    }
    let now = millis(timestamp).expect("a time");
    let at = Timestamp::parse(timestamp, now).expect("a timestamp");
    let verify = |body: &[u8], signature: &str| secrets.verify(at, body, signature).is_ok();

    let tag = tag(secret, timestamp, body);
    let signed = BASE64.encode(&tag);
    assert!(verify(body, &signed), "the signed request");
    let is_tag = BASE64.decode(signature).is_ok_and(|it| it == tag);
    assert_eq!(verify(body, signature), is_tag);
    // HMAC pads a short key with zeros, so it is the same key with and without them.
    if other.trim_end_matches('\0') != secret.trim_end_matches('\0') {
        let foreign = BASE64.encode(self::tag(other, timestamp, body));
        assert!(!verify(body, &foreign), "another secret");
    }
    assert!(!verify(&[body, b" "].concat(), &signed), "a longer body");
    if let Some((last, rest)) = body.split_last() {
        assert!(!verify(rest, &signed), "a shorter body");
        let flipped = [rest, &[last ^ 1]].concat();
        assert!(!verify(&flipped, &signed), "a flipped bit");
    }
    true
}

fn tag(secret: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [timestamp.as_bytes(), body].concat();
    hmac::sign(&key, &signed).as_ref().to_vec()
}

/// Whether `timestamp` is valid. It is signed together with the body without a separator, so no
/// other prefix of the two may be a valid timestamp.
fn is_signed_once(timestamp: &str, body: &[u8]) -> bool {
    const FIVE_MINUTES: u64 = 300_000;
    let check = |timestamp: &str, now: u64| Timestamp::parse(timestamp, now).map(drop);
    let malformed = Err(SignatureError::MalformedTimestamp);
    let Some(now) = millis(timestamp) else {
        // A leap second is valid, although it is not a time of day.
        let is_leap = timestamp.contains(":60");
        assert!(is_leap || check(timestamp, 0) == malformed, "{timestamp:?}");
        return false;
    };
    for (distance, expected) in [
        (0, Ok(())),
        (FIVE_MINUTES, Ok(())),
        (FIVE_MINUTES + 1, Err(SignatureError::StaleTimestamp)),
    ] {
        assert_eq!(check(timestamp, now + distance), expected);
        let before = now.checked_sub(distance);
        assert!(before.is_none_or(|now| check(timestamp, now) == expected));
    }
    let both = [timestamp.as_bytes(), body].concat();
    for end in (0..both.len().min(64)).filter(|end| *end != timestamp.len()) {
        if let Ok(beginning) = str::from_utf8(&both[..end]) {
            assert_eq!(check(beginning, now), malformed, "{beginning:?}");
        }
    }
    true
}
