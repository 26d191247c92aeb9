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
            let is_refused = refused.is_some_and(|refused| refused.is(&held.value.0));
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
