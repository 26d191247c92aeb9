//! An issuer's keys, and the search for the key that signed a token.

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::token::{KeyNames, UnverifiedToken, algorithm};

/// Maximum keys tried for one token: anyone can send a token, and checking a signature takes time.
const MAX_TRIES: usize = 5;

/// An issuer's keys.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// The names of the keys that cannot verify anything here. A token that names one is refused.
    other_names: Vec<KeyNames>,
}

struct Key {
    names: KeyNames,
    algorithms: &'static [Algorithm],
    verifies: DecodingKey,
}

/// Whether a key of a set has signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// One of the keys has signed it.
    Valid,
    /// The key that the token names has not signed it.
    Forged,
    /// None of the possible keys has signed it; a newer set may contain the right one.
    Unknown,
}

impl KeySet {
    /// Tries the keys that `token` may be signed with. A key serves only with the algorithms of its
    /// own type and curve, and with its own `alg` if it has one.
    ///
    /// - If the token names a key of the set, that key.
    /// - If it names no key, each key that fits the algorithm.
    /// - If it names a key that the set does not have, each key without a name that fits.
    pub(super) fn check(&self, token: &UnverifiedToken<'_>) -> Signature {
        let is_named = self
            .keys
            .iter()
            .map(|key| &key.names)
            .chain(&self.other_names)
            .any(|names| names.meet(&token.key_names));
        let candidates: Vec<&Key> = self
            .keys
            .iter()
            .filter(|key| key.algorithms.contains(&token.algorithm))
            .filter(|key| {
                if is_named {
                    key.names.meet(&token.key_names)
                } else {
                    token.key_names.is_empty() || key.names.is_empty()
                }
            })
            .take(MAX_TRIES)
            .collect();
        let message = token.message.as_bytes();
        let signed = |key: &&Key| {
            crypto::verify(token.signature, message, &key.verifies, token.algorithm)
                .unwrap_or_default()
        };
        if candidates.iter().any(signed) {
            Signature::Valid
        } else if is_named && !candidates.is_empty() {
            Signature::Forged
        } else {
            Signature::Unknown
        }
    }
}

/// A key set as it is sent. An unreadable key is skipped, and does not affect the others.
#[derive(Deserialize)]
pub(super) struct JwkDocument {
    keys: Vec<Value>,
}

/// A key as it is sent.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct JwkNames {
    kid: Option<String>,
    x5t: Option<String>,
}

impl From<JwkDocument> for KeySet {
    fn from(document: JwkDocument) -> Self {
        let mut set = Self {
            keys: Vec::new(),
            other_names: Vec::new(),
        };
        for value in document.keys {
            let Ok(names) = JwkNames::deserialize(&value) else {
                continue;
            };
            let names = KeyNames::new(names.kid, names.x5t);
            match Jwk::deserialize(&value).ok().and_then(|jwk| jwk.key()) {
                Some((algorithms, verifies)) => set.keys.push(Key {
                    names,
                    algorithms,
                    verifies,
                }),
                None => set.other_names.push(names),
            }
        }
        set
    }
}

impl Jwk {
    fn key(&self) -> Option<(&'static [Algorithm], DecodingKey)> {
        Some((self.algorithms()?, self.verifies()?))
    }

    /// The algorithms that the key is for: by its type and curve, and its `alg` if it has one.
    fn algorithms(&self) -> Option<&'static [Algorithm]> {
        const RSA: &[Algorithm] = &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ];
        let is_for_signatures = self.r#use.as_deref().is_none_or(|it| it == "sig");
        let verifies = self
            .key_ops
            .as_ref()
            .is_none_or(|operations| operations.iter().any(|it| it == "verify"));
        if !is_for_signatures || !verifies {
            return None;
        }
        let of_type = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => RSA,
            ("EC", Some("P-256")) => &[Algorithm::ES256],
            ("EC", Some("P-384")) => &[Algorithm::ES384],
            ("OKP", Some("Ed25519")) => &[Algorithm::EdDSA],
            _ => return None,
        };
        match &self.alg {
            None => Some(of_type),
            Some(name) => {
                let own = algorithm(name).ok()?;
                let position = of_type.iter().position(|it| *it == own)?;
                of_type.get(position..=position)
            }
        }
    }

    fn verifies(&self) -> Option<DecodingKey> {
        let [n, e, x, y] = [&self.n, &self.e, &self.x, &self.y].map(Option::as_deref);
        match self.kty.as_str() {
            "RSA" => DecodingKey::from_rsa_components(n?, e?),
            "EC" => DecodingKey::from_ec_components(x?, y?),
            _ => DecodingKey::from_ed_components(x?),
        }
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn algorithms(jwk: &Value) -> Option<&'static [Algorithm]> {
        Jwk::deserialize(jwk).ok()?.algorithms()
    }

    #[test]
    fn a_key_is_for_the_algorithms_of_its_type_curve_and_alg() {
        use Algorithm::{ES256, ES384, EdDSA, PS384, RS256};
        for (jwk, expected) in [
            (json!({"kty": "RSA", "alg": "RS256"}), Some(&[RS256][..])),
            (
                json!({"kty": "RSA", "alg": "PS384", "use": "sig"}),
                Some(&[PS384]),
            ),
            (json!({"kty": "RSA", "alg": "ES256"}), None),
            (json!({"kty": "RSA", "alg": "HS256"}), None),
            (json!({"kty": "RSA", "alg": "RSA-OAEP"}), None),
            (json!({"kty": "RSA", "alg": "RS256", "use": "enc"}), None),
            (
                json!({"kty": "RSA", "alg": "RS256", "key_ops": ["verify"]}),
                Some(&[RS256]),
            ),
            (
                json!({"kty": "RSA", "alg": "RS256", "key_ops": ["encrypt"]}),
                None,
            ),
            (json!({"kty": "EC", "crv": "P-256"}), Some(&[ES256])),
            (
                json!({"kty": "EC", "crv": "P-384", "alg": "ES384"}),
                Some(&[ES384]),
            ),
            (json!({"kty": "EC", "crv": "P-384", "alg": "ES256"}), None),
            (json!({"kty": "EC", "crv": "P-521", "alg": "ES512"}), None),
            (json!({"kty": "EC"}), None),
            (json!({"kty": "OKP", "crv": "Ed25519"}), Some(&[EdDSA])),
            (
                json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA"}),
                Some(&[EdDSA]),
            ),
            (
                json!({"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519"}),
                Some(&[EdDSA]),
            ),
            (json!({"kty": "OKP", "crv": "Ed448", "alg": "EdDSA"}), None),
            (json!({"kty": "OKP", "crv": "X25519"}), None),
            (json!({"kty": "oct", "alg": "HS256"}), None),
            (json!({"kty": "PQC"}), None),
        ] {
            assert_eq!(algorithms(&jwk), expected, "{jwk}");
        }
        assert_eq!(algorithms(&json!({"kty": "RSA"})).map(<[_]>::len), Some(6));
    }
}
