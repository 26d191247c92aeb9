//! The API key of Sunshine Conversations, from its secret `{"keyId":"int_…","secret":"…"}`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use shared::aws::secrets::{CachedSecret, Secret, WrongShape, string_field};
use shared::sunshine::{ApiKey, Credentials, KeyUnavailable};

/// The secret's typed form.
pub struct ApiKeySecret(ApiKey);

impl Secret for ApiKeySecret {
    fn from_json(object: &Map<String, Value>) -> Result<Self, WrongShape> {
        let id = string_field(object, "keyId")?.to_owned();
        let secret = string_field(object, "secret")?.to_owned();
        ApiKey::new(id, secret.into())
            .map(Self)
            .map_err(|_| WrongShape {
                field: "keyId".to_owned(),
                expected: "an id without a colon",
            })
    }

    fn inspect(object: &Map<String, Value>) -> Result<&'static str, &'static str> {
        let id = object.get("keyId").and_then(Value::as_str);
        let id = id.unwrap_or_default();
        if id.starts_with("int_") {
            Ok("an integration key")
        } else if id.starts_with("app_") {
            Ok(
                "an app key: it can do everything, deleting the app included; an integration key \
                 (int_…) is enough",
            )
        } else {
            Err(
                "keyId begins neither with int_ nor with app_: take an API key of Sunshine \
                 Conversations",
            )
        }
    }
}

/// Credentials from the cached secret. If the API refuses them, the secret is read again, once in a
/// run, however many calls were in progress.
pub fn credentials(secret: &Arc<CachedSecret<ApiKeySecret>>) -> Credentials {
    let secret = Arc::clone(secret);
    let read_afresh = Arc::new(AtomicBool::new(false));
    Credentials::new(move |refused: Option<ApiKey>, deadline| {
        let (secret, read_afresh) = (Arc::clone(&secret), Arc::clone(&read_afresh));
        async move {
            let unavailable = |_| KeyUnavailable;
            let mut held = secret.get(deadline).await.map_err(unavailable)?;
            let is_refused = refused.is_some_and(|refused| refused.is_same_as(&held.value.0));
            if is_refused && !read_afresh.load(Ordering::Relaxed) {
                let fresh = secret.get_again(&held, deadline).await;
                // Set this only now: earlier callers wait for the same read.
                read_afresh.store(true, Ordering::Relaxed);
                held = fresh.map_err(unavailable)?;
            }
            Ok(held.value.0.clone())
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_integration_key_is_right_and_an_app_key_is_too_strong() {
        let inspect = |id: &str| ApiKeySecret::inspect(json!({"keyId": id}).as_object().unwrap());
        assert_eq!(inspect("int_1"), Ok("an integration key"));
        assert!(inspect("app_1").unwrap().contains("deleting the app"));
        assert!(inspect("act_1").is_err() && inspect("").is_err());
    }
}
