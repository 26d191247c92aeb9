//! The API key, and the source of fresh ones.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::lambda::deadline::Deadline;

/// An API key of Sunshine Conversations. An integration key (`int_…`) is enough.
#[derive(Clone)]
pub struct ApiKey {
    id: String,
    secret: SecretString,
}

/// The key's id contains a colon or is empty, or the secret is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an API key has an id without a colon, and a secret")]
pub struct InvalidApiKey;

/// The API key could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the API key is not available")]
pub struct KeyUnavailable;

/// The source of API keys. Clones share it.
#[derive(Clone)]
pub struct Credentials(Arc<FetchKey>);

type FetchKey = dyn Fn(
        Option<ApiKey>,
        Deadline,
    ) -> Pin<Box<dyn Future<Output = Result<ApiKey, KeyUnavailable>> + Send>>
    + Send
    + Sync;

impl ApiKey {
    /// A key from its parts.
    ///
    /// # Errors
    /// If Basic auth (RFC 7617) could not carry it.
    pub fn new(id: String, secret: SecretString) -> Result<Self, InvalidApiKey> {
        if id.is_empty() || id.contains(':') || secret.expose_secret().is_empty() {
            return Err(InvalidApiKey);
        }
        Ok(Self { id, secret })
    }

    /// Whether this is the same key, so that a cache can tell whether it still holds the refused
    /// one.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id && self.secret.expose_secret() == other.secret.expose_secret()
    }

    pub(super) fn authorize(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.basic_auth(&self.id, Some(self.secret.expose_secret()))
    }
}

impl Credentials {
    /// Credentials from `source`, which is called before each request.
    ///
    /// The source may return a cached key. If it is passed a key, the upstream has refused that
    /// key: the source must drop it, if it still holds it, and fetch another one. The call of the
    /// source is cancelled at the deadline.
    pub fn new<F, Fut>(source: F) -> Self
    where
        F: Fn(Option<ApiKey>, Deadline) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ApiKey, KeyUnavailable>> + Send + 'static,
    {
        Self(Arc::new(move |refused, deadline| {
            Box::pin(source(refused, deadline))
        }))
    }

    pub(super) async fn key(
        &self,
        refused: Option<ApiKey>,
        deadline: Deadline,
    ) -> Result<ApiKey, KeyUnavailable> {
        (self.0)(refused, deadline).await
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_both_parts_and_is_never_printed() {
        let key = |id: &str, secret: &str| ApiKey::new(id.into(), secret.into());
        assert!(key("", "s").is_err() && key("a:b", "s").is_err() && key("int_1", "").is_err());
        let one = key("int_1", "canary").unwrap();
        assert!(one.is_same_as(&one.clone()) && !one.is_same_as(&key("int_1", "other").unwrap()));
        assert!(!format!("{one:?}").contains("canary"));
    }
}
