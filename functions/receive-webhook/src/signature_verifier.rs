//! Verifies that a request is a webhook of Zendesk.

use http::HeaderMap;
use shared::aws::secrets::{CachedSecret, SecretError};
use shared::lambda::check::Check;
use shared::lambda::deadline::Deadline;

use crate::signature::{SignatureError, SigningSecrets, Timestamp};

const TIMESTAMP: &str = "x-zendesk-webhook-signature-timestamp";
const SIGNATURE: &str = "x-zendesk-webhook-signature";

/// Verifies the signature of webhooks.
pub struct SignatureVerifier(CachedSecret<SigningSecrets>);

/// The reason why a request was not verified.
#[derive(Debug, thiserror::Error)]
pub enum NotVerified {
    /// It is not a webhook of Zendesk.
    #[error(transparent)]
    NotAuthentic(#[from] SignatureError),
    /// The signing secrets cannot be read.
    #[error(transparent)]
    NoSecrets(#[from] SecretError),
}

impl SignatureVerifier {
    /// A verifier with these secrets. Fetches them now, so that the first request need not wait.
    pub async fn start(secrets: CachedSecret<SigningSecrets>) -> Self {
        secrets.warm_up().await;
        Self(secrets)
    }

    /// Whether the secrets can be read, for the action `check`.
    pub async fn check(&self, deadline: Deadline) -> Check {
        self.0.check("webhook_secret", deadline).await
    }

    /// Checks that `headers` sign `body` (`now` is in milliseconds since 1970). A request that can
    /// be refused without the secrets does not cause a fetch.
    pub async fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: u64,
        deadline: Deadline,
    ) -> Result<(), NotVerified> {
        let timestamp = Timestamp::parse(header(headers, TIMESTAMP)?, now)?;
        let signature = header(headers, SIGNATURE)?;
        let secrets = self.0.get(deadline).await?;
        Ok(secrets.value.verify(timestamp, body, signature)?)
    }
}

/// The only value of a header.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, SignatureError> {
    let mut values = headers.get_all(name).iter();
    values
        .next()
        .filter(|_| values.next().is_none())
        .and_then(|value| value.to_str().ok())
        .ok_or(SignatureError::MissingHeader(name))
}
