//! An issuer's keys, fetched and kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use url::Url;

use super::jwks::{JwkDocument, KeySet};
use crate::aws::cache::{Cache, FetchError, Held, Policy};
use crate::http::client::{HttpClient, TransportError};
use crate::http::upstream_url::{self, UpstreamUrl};
use crate::lambda::deadline::Deadline;

/// The age at which keys are fetched again.
const KEYS_TTL: Duration = Duration::from_hours(1);
/// The time for which keys serve on if the issuer does not respond.
const STALE_FOR: Duration = Duration::from_hours(1);
/// Minimum interval between refetches. Anyone can send a token with an unknown `kid`; this keeps
/// them from making us hammer the issuer.
pub const REFETCH_FLOOR: Duration = Duration::from_mins(1);
/// The most time for discovery and keys together.
pub(super) const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// Time reserved at the end of a request for saying that there are no keys.
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// The most characters of a document's issuer that reach the log.
const MAX_SHOWN: usize = 200;

const DISCOVERY: &str = "discovery";
const KEYS: &str = "keys";

/// The reason why an issuer's keys cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// There was no response.
    #[error("{document}: {cause}")]
    Transport {
        /// Discovery or keys.
        document: &'static str,
        /// The fault on the wire.
        cause: String,
    },
    /// The response has another status than 200.
    #[error("{document}: status {status}")]
    Status {
        /// Discovery or keys.
        document: &'static str,
        /// The status.
        status: u16,
    },
    /// The document is not what it should be.
    #[error("{document}: {problem}")]
    Document {
        /// Discovery or keys.
        document: &'static str,
        /// Its fault.
        problem: &'static str,
    },
}

/// The place of an issuer's keys.
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
    /// Nothing is fetched yet.
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

    /// The keys, fetched if they are not at hand.
    pub(super) async fn get(&self, deadline: Deadline) -> Result<Held<KeySet>, KeysError> {
        self.cache.get(async || self.fetch(deadline).await).await
    }

    /// Newer keys than `seen`, or `seen` itself within [`REFETCH_FLOOR`].
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
        let keys = upstream_url::endpoint(&discovery.jwks_uri)
            .map_err(|_| fault(DISCOVERY, "its jwks_uri is neither https nor on loopback"))?;
        // The Runtime API is on loopback, and a GET there would take an invocation away.
        if upstream_url::is_this_machine(&keys) && !base.is_this_machine() {
            return Err(fault(
                DISCOVERY,
                "its jwks_uri is on loopback, and it is not",
            ));
        }
        Ok(keys)
    }

    /// Logs once which two issuers differ: it does not mend itself.
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

fn fault(document: &'static str, problem: &'static str) -> KeysError {
    KeysError::Document { document, problem }
}
