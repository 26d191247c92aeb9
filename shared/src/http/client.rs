//! The one HTTP client for calls to upstreams.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use reqwest::redirect;
use tokio::time::{timeout, timeout_at};
use url::Url;

use super::connections::{self, Connections, POOL_IDLE_TIMEOUT};
use super::tls;
use crate::lambda::deadline::Deadline;

/// Maximum time to open a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum time for a connection that is opened ahead of its request. Init waits for it, and with
/// init the user of a cold start, so an unreachable upstream must not cost more than this.
const AHEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum wait that is accepted from `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The HTTP client: rustls, HTTP/1.1, no redirects, no retries of its own. Clones share its
/// connections.
///
/// The first one in a process reads the system's root certificates: make it during init.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    connections: Connections,
}

/// The response of an upstream. Its `Debug` hides the body.
pub struct Received {
    /// The status.
    pub status: StatusCode,
    /// The wait that `Retry-After` asks for, in seconds or by an HTTP date; at most a day.
    pub retry_after: Option<Duration>,
    /// The server's time, from `Date`.
    pub date: Option<SystemTime>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// The reason why there is no response. Contains no URL and none of the upstream's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The client cannot be made; the system has no root certificates.
    #[error("the HTTP client cannot be made")]
    Client,
    /// The request is malformed. It was not sent.
    #[error("the request cannot be made")]
    Request,
    /// No connection: no byte of the request was sent.
    #[error("no connection")]
    Connect,
    /// The deadline came first. The request may have been executed.
    #[error("no response in time")]
    Timeout,
    /// The connection ended before a response. The request may have been executed.
    #[error("the connection ended before a response")]
    ClosedBeforeResponse,
    /// A connection kept from an earlier call ended without a byte of a response. Almost always the
    /// upstream had closed it, because it was idle, before the request arrived. But nothing on the
    /// wire proves that, so the request may have been executed. (If no byte of the request was
    /// written, hyper has already sent it again on a new connection.)
    #[error("a kept connection ended before a response")]
    KeptConnectionClosed,
    /// The connection ended in the middle of the body.
    #[error("the connection ended within the body")]
    Interrupted,
    /// The body is larger than the caller takes.
    #[error("the body is too large")]
    BodyTooLarge,
}

impl HttpClient {
    /// A client for upstreams, with a pool of its own and without a proxy.
    ///
    /// # Errors
    /// [`TransportError::Client`] if the system has no root certificates.
    pub fn new() -> Result<Self, TransportError> {
        Self::build(|client| client.no_proxy().connect_timeout(CONNECT_TIMEOUT))
    }

    /// A client with its own pool, extended by `set`.
    pub(crate) fn build(
        set: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, TransportError> {
        let connections = Connections::default();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config().ok_or(TransportError::Client)?)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .user_agent(concat!("chat-identity/", env!("CARGO_PKG_VERSION")))
            .connector_layer(connections.clone());
        let client = set(client).build().map_err(|_| TransportError::Client)?;
        Ok(Self {
            client,
            connections,
        })
    }

    /// Opens a connection to the origin of `url`, for the next request there. Nothing is sent. If
    /// it fails, the request opens one itself.
    pub async fn connect_ahead(&self, url: Url) {
        let origin = url.origin().ascii_serialization();
        let opened = connections::ahead(origin, self.client.get(url).send());
        // It always ends with an error, whether or not the connection is kept.
        let _ = timeout(AHEAD_TIMEOUT, opened).await;
    }

    /// Sends `request`. The body of the response is still to be read.
    pub(crate) async fn execute(
        &self,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let origin = request.url().origin().ascii_serialization();
        connections::to(origin, self.client.execute(request)).await
    }

    /// Begins a request; [`HttpClient::send`] sends it.
    pub fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends `request` and reads the whole response, at most `body_limit` bytes of it, by
    /// `deadline`. A response with any status is a success.
    pub async fn send(
        &self,
        request: reqwest::RequestBuilder,
        deadline: Deadline,
        body_limit: usize,
    ) -> Result<Received, TransportError> {
        timeout_at(deadline.instant(), self.exchange(request, body_limit))
            .await
            .unwrap_or(Err(TransportError::Timeout))
    }

    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        body_limit: usize,
    ) -> Result<Received, TransportError> {
        let used = self.connections.used();
        let sent = match request.build() {
            Ok(request) => self.execute(request).await,
            Err(error) => Err(error),
        };
        let response = sent.map_err(|error| {
            // With several calls at once, the new connection of another call hides that this call
            // used a kept one. The error is then `ClosedBeforeResponse`, which promises less.
            before_response(&error, used == self.connections.used())
        })?;
        read(response, body_limit).await
    }
}

async fn read(
    mut response: reqwest::Response,
    body_limit: usize,
) -> Result<Received, TransportError> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let date = date(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| within_body(&e))? {
        if body.len() + chunk.len() > body_limit {
            return Err(TransportError::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Received {
        status,
        retry_after,
        date,
        body,
    })
}

fn before_response(error: &reqwest::Error, kept: bool) -> TransportError {
    if error.is_builder() {
        TransportError::Request
    } else if error.is_connect() {
        TransportError::Connect
    } else if error.is_timeout() {
        TransportError::Timeout
    } else if kept && is_silent_end(error) {
        TransportError::KeptConnectionClosed
    } else {
        TransportError::ClosedBeforeResponse
    }
}

/// Whether the connection ended, as opposed to a response that cannot be read. A response that ends
/// within its first head cannot be distinguished from a missing one.
fn is_silent_end(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<hyper::Error>()
            && error.is_incomplete_message()
        {
            return true;
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
            );
        }
        source = cause.source();
    }
    false
}

fn within_body(error: &reqwest::Error) -> TransportError {
    if error.is_timeout() {
        TransportError::Timeout
    } else {
        TransportError::Interrupted
    }
}

/// The server's clock: RFC 9110, section 6.6.1.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// The wait that the server asks for: RFC 9110, section 10.2.3.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value)
            .ok()?
            .duration_since(SystemTime::now())
            .unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
