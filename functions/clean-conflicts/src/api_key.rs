//! The API key of Sunshine Conversations, from its secret `{"keyId":"int_…","secret":"…"}`.

use std::sync::Arc;

use serde_json::{Map, Value};
use shared::secrets::{CachedSecret, Secret, WrongShape, string_field};
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

/// Credentials that come from the cached secret, and are read afresh where the API refused them.
pub fn credentials(secret: &Arc<CachedSecret<ApiKeySecret>>) -> Credentials {
    let secret = Arc::clone(secret);
    Credentials::new(move |refused: Option<ApiKey>, deadline| {
        let secret = Arc::clone(&secret);
        async move {
            let unavailable = |_| KeyUnavailable;
            let held = secret.get(deadline).await.map_err(unavailable)?;
            let held = match refused {
                Some(refused) if refused.is(&held.value.0) => secret
                    .get_again(&held, deadline)
                    .await
                    .map_err(unavailable)?,
                _ => held,
            };
            Ok(held.value.0.clone())
        }
    })
}
