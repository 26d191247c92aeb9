//! Fetches an issuer's keys and caches them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use url::Url;

use super::error::KeysError;
use super::jwks::{JwkDocument, KeySet};
use crate::aws::cache::{Cache, FetchError, Held, Policy};
use crate::http::client::{HttpClient, TransportError};
use crate::http::upstream_url::{self, UpstreamUrl};
use crate::lambda::deadline::Deadline;

/// The age at which keys are fetched again.
const KEYS_TTL: Duration = Duration::from_hours(1);
/// The additional time for which keys are used if the issuer does not respond.
const STALE_FOR: Duration = Duration::from_hours(1);
/// Minimum interval between refetches. Anyone can send a token with an unknown `kid`; this keeps
/// them from making us hammer the issuer.
pub const REFETCH_FLOOR: Duration = Duration::from_mins(1);
/// Maximum time for discovery and keys together.
pub(super) const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// Time reserved at the end of a request for responding without keys.
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Maximum characters of a document's issuer in the log.
const MAX_SHOWN: usize = 200;

const DISCOVERY: &str = "discovery";
const KEYS: &str = "keys";

/// The source of the URL of an issuer's keys.
pub(super) enum Origin {
    /// The issuer's own discovery document names it.
    Discovery { issuer: String, url: UpstreamUrl },
    /// `OIDC_JWKS_URL` names it.
    Url(Url),
}

/// The keys of one issuer, or of all that share a key set.
pub(super) struct IssuerKeys {
    origin: Origin,
    http: HttpClient,
    cache: Cache<KeySet, KeysError>,
    has_logged_issuer: AtomicBool,
}

impl IssuerKeys {
    /// Keys that are not fetched yet.
    pub(super) fn new(origin: Origin, http: HttpClient) -> Self {
        Self {
            origin,
            http,
            cache: Cache::new(Policy {
                ttl: KEYS_TTL,
                stale_for: STALE_FOR,
                retry_stale: REFETCH_FLOOR,
                retry_empty: REFETCH_FLOOR,
                again_floor: REFETCH_FLOOR,
            }),
            has_logged_issuer: AtomicBool::new(false),
        }
    }

    /// The keys, fetched if they are not cached.
    pub(super) async fn get(&self, deadline: Deadline) -> Result<Held<KeySet>, KeysError> {
        self.cache.get(async || self.fetch(deadline).await).await
    }

    /// Newer keys than `seen`; or `seen` itself, if this fetched or failed less than
    /// [`REFETCH_FLOOR`] ago.
    pub(super) async fn get_newer(
        &self,
        seen: &Held<KeySet>,
        deadline: Deadline,
    ) -> Result<Held<KeySet>, KeysError> {
        self.cache
            .fetch_again(seen, async || self.fetch(deadline).await)
            .await
    }

    /// The failure of the last fetch, if it failed.
    pub(super) fn failure(&self) -> Option<KeysError> {
        self.cache.failure()
    }

    async fn fetch(&self, deadline: Deadline) -> Result<KeySet, FetchError<KeysError>> {
        let deadline = deadline.minus(RESPONSE_MARGIN).capped(FETCH_LIMIT);
        self.fetch_documents(deadline).await.map_err(|error| {
            tracing::warn!(%error, "the issuer's keys could not be fetched");
            FetchError::Unavailable(error)
        })
    }

    async fn fetch_documents(&self, deadline: Deadline) -> Result<KeySet, KeysError> {
        let url = match &self.origin {
            Origin::Discovery { issuer, url } => self.discover(issuer, url, deadline).await?,
            Origin::Url(url) => url.clone(),
        };
        let body = self.get_document(KEYS, url, deadline).await?;
        let keys: JwkDocument =
            serde_json::from_slice(&body).map_err(|_| fault(KEYS, "it is not a key set"))?;
        Ok(KeySet::from(keys))
    }

    /// The URL of the keys of `issuer`, by its discovery document.
    async fn discover(
        &self,
        issuer: &str,
        base: &UpstreamUrl,
        deadline: Deadline,
    ) -> Result<Url, KeysError> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
            jwks_uri: String,
        }
        let url = base
            .join(&[".well-known", "openid-configuration"], &[])
            .map_err(|_| fault(DISCOVERY, "its URL cannot be built"))?;
        let body = self.get_document(DISCOVERY, url, deadline).await?;
        let discovery: Discovery = serde_json::from_slice(&body)
            .map_err(|_| fault(DISCOVERY, "it is not a discovery document"))?;
        if discovery.issuer != issuer {
            self.log_issuer(issuer, &discovery.issuer);
            return Err(fault(DISCOVERY, "its issuer is not OIDC_ISSUER"));
        }
        keys_url(base, &discovery.jwks_uri)
    }

    /// Logs once which two issuers differ, because only an operator can fix it.
    fn log_issuer(&self, configured: &str, discovered: &str) {
        if !self.has_logged_issuer.swap(true, Ordering::Relaxed) {
            let discovered: String = discovered.chars().take(MAX_SHOWN).collect();
            tracing::error!(
                configured,
                discovered,
                "OIDC_ISSUER is not the issuer of its own discovery document: set it to the iss of your tokens, and OIDC_JWKS_URL if their discovery document is elsewhere"
            );
        }
    }

    async fn get_document(
        &self,
        document: &'static str,
        url: Url,
        deadline: Deadline,
    ) -> Result<Vec<u8>, KeysError> {
        let request = self.http.request(Method::GET, url);
        let response = self
            .http
            .send(request, deadline, MAX_DOCUMENT_BYTES)
            .await
            .map_err(|cause: TransportError| KeysError::Transport {
                document,
                cause: cause.to_string(),
            })?;
        match response.status.as_u16() {
            200 => Ok(response.body),
            status => Err(KeysError::Status { document, status }),
        }
    }
}

/// The URL of the keys, as the discovery document of `issuer` gives it.
fn keys_url(issuer: &UpstreamUrl, jwks_uri: &str) -> Result<Url, KeysError> {
    let url = upstream_url::endpoint(jwks_uri)
        .map_err(|_| fault(DISCOVERY, "its jwks_uri is neither https nor on loopback"))?;
    // The Runtime API is on loopback, and a GET there would consume an invocation.
    if upstream_url::is_this_machine(&url) && !issuer.is_this_machine() {
        return Err(fault(
            DISCOVERY,
            "its jwks_uri is on loopback, and the issuer is not",
        ));
    }
    Ok(url)
}

fn fault(document: &'static str, problem: &'static str) -> KeysError {
    KeysError::Document { document, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_from_elsewhere_does_not_lead_to_this_machine() {
        let is_taken =
            |issuer: &str, jwks_uri: &str| keys_url(&issuer.parse().unwrap(), jwks_uri).is_ok();
        let remote = "https://login.example";
        for uri in [
            "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
            "https://127.0.0.1/jwks",
            "https://localhost/jwks",
            "https://[::1]/jwks",
            "https://[::ffff:7f00:1]/jwks",
            "https://0.0.0.0/jwks",
            "http://login.example/jwks",
        ] {
            assert!(!is_taken(remote, uri), "{uri}");
        }
        assert!(is_taken(remote, "https://keys.example/jwks?p=1"));
        assert!(is_taken(
            "http://127.0.0.1:9000",
            "http://127.0.0.1:9000/jwks"
        ));
        assert!(is_taken(
            "http://localhost:9000",
            "http://127.0.0.1:9001/jwks"
        ));
    }
}
