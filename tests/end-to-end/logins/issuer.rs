//! An issuer with exactly the keys and documents of one login.

use local_stack::issuer::keys::{Algorithm, Key};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

pub(crate) struct Issuer {
    server: MockServer,
    keys: Vec<Arc<Key>>,
}

impl Issuer {
    /// Starts an issuer that publishes `keys`, each with exactly the given fields and the key
    /// itself. It has no discovery document yet.
    pub(crate) async fn start(keys: &[Value]) -> Self {
        let server = MockServer::start().await;
        let made: Vec<Arc<Key>> = keys
            .iter()
            .enumerate()
            .map(|(index, fields)| key(index, algorithm(fields)))
            .collect();
        let published: Vec<Value> = keys.iter().zip(&made).map(publish).collect();
        let jwks = json!({ "keys": published });
        let keys = ResponseTemplate::new(200).set_body_json(jwks);
        Mock::given(path("/jwks"))
            .respond_with(keys)
            .mount(&server)
            .await;
        Self { server, keys: made }
    }

    /// Its address.
    pub(crate) fn base(&self) -> String {
        self.server.uri()
    }

    /// Serves the discovery document of `issuer` at a path.
    pub(crate) async fn discover(&self, at: &str, issuer: &str) {
        let document = json!({"issuer": issuer, "jwks_uri": format!("{}/jwks", self.base())});
        let document = ResponseTemplate::new(200).set_body_json(document);
        Mock::given(path(at))
            .respond_with(document)
            .mount(&self.server)
            .await;
    }

    /// A token with this header and these claims, valid for an hour unless they say otherwise.
    pub(crate) fn sign(&self, key: usize, header: &Value, claims: &Value) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut claims = claims.clone();
        for (name, value) in [("iat", now), ("exp", now + 3600)] {
            if claims.get(name).is_none() {
                claims[name] = json!(value);
            }
        }
        self.keys[key].sign_with_header(header, &claims)
    }
}

/// The key of this index and algorithm. All issuers share the RSA key, because generating one takes
/// long.
fn key(index: usize, algorithm: Algorithm) -> Arc<Key> {
    static KEYS: Mutex<BTreeMap<(usize, String), Arc<Key>>> = Mutex::new(BTreeMap::new());
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    let made = keys.entry((index, format!("{algorithm:?}")));
    made.or_insert_with(|| Arc::new(Key::generate("", algorithm)))
        .clone()
}

fn algorithm(key: &Value) -> Algorithm {
    let by_name = serde_json::from_value(key["alg"].clone());
    by_name.unwrap_or_else(|_| match (key["kty"].as_str(), key["crv"].as_str()) {
        (Some("EC"), Some("P-384")) => Algorithm::ES384,
        (Some("EC"), Some("P-521")) => Algorithm::ES512,
        (Some("EC"), _) => Algorithm::ES256,
        (Some("OKP"), _) => Algorithm::EdDSA,
        _ => Algorithm::RS256,
    })
}

fn publish((fields, key): (&Value, &Arc<Key>)) -> Value {
    let made = key.jwk();
    let mut fields = fields.clone();
    for part in ["n", "e", "x", "y"] {
        if let Some(value) = made.get(part) {
            fields[part] = value.clone();
        }
    }
    fields
}
