//! The messaging signing keys.

use jsonwebtoken::EncodingKey;
use serde_json::{Map, Value};
use shared::aws::secrets::{Secret, WrongShape, string_field};

/// A shorter secret reduces the strength of HMAC-SHA256 (RFC 7518, 3.2). Zendesk issues secrets of
/// 24 characters, so this causes only a warning.
const RECOMMENDED_BYTES: usize = 32;

/// The signing key, from the secret
/// `{"activeKid":"app_…","keys":{"app_…":"secret", …}}`.
pub struct SigningKey {
    /// The key's id.
    pub kid: String,
    /// The secret's bytes as they are: it is not base64, although it may look like it.
    pub key: EncodingKey,
}

impl Secret for SigningKey {
    fn from_json(object: &Map<String, Value>) -> Result<Self, WrongShape> {
        let kid = string_field(object, "activeKid")?;
        let wrong = |field: String, expected| WrongShape { field, expected };
        let keys = object
            .get("keys")
            .and_then(Value::as_object)
            .ok_or_else(|| wrong("keys".to_owned(), "an object from key id to secret"))?;
        // Any of them may become the active one.
        for other in keys.keys() {
            string_field(keys, other)
                .map_err(|shape| wrong(format!("keys.{other}"), shape.expected))?;
        }
        if !keys.contains_key(kid) {
            return Err(wrong("activeKid".to_owned(), "the id of one of the keys"));
        }
        let secret = string_field(keys, kid)?;
        if secret.len() < RECOMMENDED_BYTES {
            tracing::warn!(
                bytes = secret.len(),
                "the active signing secret is shorter than {RECOMMENDED_BYTES} bytes"
            );
        }
        Ok(Self {
            kid: kid.to_owned(),
            key: EncodingKey::from_secret(secret.as_bytes()),
        })
    }

    /// Checks the ids of the keys: those of Zendesk's messaging keys begin with `app_`.
    fn inspect(object: &Map<String, Value>) -> Result<&'static str, &'static str> {
        let active = object.get("activeKid").and_then(Value::as_str);
        let keys = object.get("keys").and_then(Value::as_object);
        let ids = keys.into_iter().flat_map(Map::keys).map(String::as_str);
        if ids.chain(active).all(|id| id.starts_with("app_")) {
            Ok("it has the right form; log in once to see that Zendesk knows it")
        } else {
            Err(
                "a key's id does not begin with app_: take the id and the secret of a messaging \
                 signing key from Admin Center (an id that begins with int_ is an API key's)",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(secret: &Value) -> Result<String, String> {
        SigningKey::from_json(secret.as_object().unwrap())
            .map(|key| key.kid)
            .map_err(|shape| shape.to_string())
    }

    #[test]
    fn the_active_key_signs() {
        let secret = json!({"activeKid": "app_b", "keys": {"app_a": "one", "app_b": "two"}});
        assert_eq!(read(&secret).as_deref(), Ok("app_b"));
    }

    #[test]
    fn the_id_of_every_key_begins_with_app() {
        for (secret, is_right) in [
            (
                json!({"activeKid": "app_a", "keys": {"app_a": "s", "app_b": "s"}}),
                true,
            ),
            (json!({"activeKid": "int_a", "keys": {"int_a": "s"}}), false),
            (
                json!({"activeKid": "app_a", "keys": {"app_a": "s", "b": "s"}}),
                false,
            ),
        ] {
            let inspected = SigningKey::inspect(secret.as_object().unwrap());
            assert_eq!(inspected.is_ok(), is_right, "{secret}");
        }
    }

    #[test]
    fn a_wrong_shape_names_the_field_and_no_value() {
        for (secret, field) in [
            (json!({"keys": {"app_a": "CANARY"}}), "activeKid"),
            (
                json!({"activeKid": 1, "keys": {"app_a": "CANARY"}}),
                "activeKid",
            ),
            (json!({"activeKid": "app_a"}), "keys"),
            (json!({"activeKid": "app_a", "keys": "CANARY"}), "keys"),
            (
                json!({"activeKid": "app_a", "keys": {"app_a": ""}}),
                "keys.app_a",
            ),
            (
                json!({"activeKid": "app_a", "keys": {"app_a": "x", "app_b": ["CANARY"]}}),
                "keys.app_b",
            ),
            (
                json!({"activeKid": "app_b", "keys": {"app_a": "CANARY"}}),
                "activeKid",
            ),
        ] {
            let error = read(&secret).unwrap_err();
            assert!(error.contains(&format!("{field:?}")), "{error}");
            assert!(!error.contains("CANARY"), "{error}");
        }
    }
}
