//! The Puzzel client: proves a user's identity to Puzzel, and starts or identifies a chat with it.
//!
//! Source: "Chat API identification", Puzzel.

mod error;
mod hosts;
mod ids;
mod pkce;
mod token;

use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, StatusCode};
use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::http::client::{HttpClient, Received, TransportError};
use crate::lambda::check::Check;
use crate::lambda::deadline::Deadline;

pub use error::{Cause, Operation, PuzzelError};
pub use hosts::{Hosts, Region};
pub use ids::{ChatId, CustomerId, ProviderId, QueueKey, UserInfoId};
pub use pkce::{CodeChallenge, CodeVerifier};
pub use token::{IdpToken, TokenKind, VisitorToken};

/// Maximum time for one call, its retry included.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Maximum bytes read of a response body.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// The client for one customer. It pools its connections, so make one during init and use it for
/// all requests.
pub struct Puzzel {
    http: HttpClient,
    hosts: Hosts,
    customer: CustomerId,
}

/// An identity that Puzzel issued, with the proof that it was issued to us.
pub struct ChatIdentity {
    /// Puzzel's id of the user.
    pub user_info_id: UserInfoId,
    /// The verifier of the challenge that was sent with the request for the identity.
    pub code_verifier: CodeVerifier,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthenticateRequest<'a> {
    code_challenge: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetIdentityRequest<'a> {
    user_info_id: &'a str,
    code_verifier: &'a str,
}

impl Puzzel {
    /// Makes a client with its own connection pool.
    ///
    /// # Errors
    /// If the system has no root certificates.
    pub fn new(hosts: Hosts, customer: CustomerId) -> Result<Self, TransportError> {
        Ok(Self {
            http: HttpClient::new()?,
            hosts,
            customer,
        })
    }

    /// Opens the connection that every exchange needs, during init. Nothing is sent.
    pub async fn warm_up(&self) {
        if let Ok(url) = self.hosts.identity.join(&[], &[]) {
            self.http.connect_ahead(url).await;
        }
    }

    /// Whether both services respond, with any status, for the action `check`. Only a login can
    /// show whether the customer and the provider are right.
    pub async fn check(&self, deadline: Deadline) -> Check {
        for (name, host) in [
            ("identity", &self.hosts.identity),
            ("chat", &self.hosts.chat),
        ] {
            let Ok(url) = host.join(&[], &[]) else {
                return Check::failed("puzzel", format!("the URL of its {name} service is wrong"));
            };
            let request = self.http.request(Method::GET, url);
            let response = self
                .http
                .send(request, deadline.capped(CALL_LIMIT), MAX_RESPONSE_BYTES);
            match response.await {
                // Even a response that cannot be read shows that a server is there.
                Ok(_) | Err(TransportError::BodyTooLarge | TransportError::Interrupted) => {}
                Err(error) => {
                    return Check::failed(
                        "puzzel",
                        format!("its {name} service does not respond: {error}"),
                    );
                }
            }
        }
        Check::passed("puzzel", "both services respond")
    }

    /// Exchanges a token of the customer's identity provider for an identity, which can only be
    /// used with the verifier of `challenge`. Without `provider` Puzzel uses its first one.
    pub async fn authenticate(
        &self,
        token: &IdpToken,
        challenge: &CodeChallenge,
        provider: Option<ProviderId>,
        deadline: Deadline,
    ) -> Result<UserInfoId, PuzzelError> {
        let call = Operation::Authenticate;
        let provider = provider.map(|id| id.to_string());
        let query: Vec<_> = provider
            .iter()
            .map(|id| ("providerId", id.as_str()))
            .collect();
        let url = self
            .hosts
            .identity
            .join(&["api", "authenticate", self.customer.as_str()], &query)
            .map_err(|cause| call.failed(cause))?;
        let body = AuthenticateRequest {
            code_challenge: challenge.as_str(),
            access_token: token.of_kind(TokenKind::Access),
            id_token: token.of_kind(TokenKind::Id),
        };
        let request = self.http.request(Method::POST, url).json(&body);
        let response = self.send(call, request, deadline).await?;
        serde_json::from_slice::<Value>(&response.body)
            .ok()
            .and_then(|response| {
                let id = response.get("userInfoId")?.as_str()?;
                id.to_owned().try_into().ok()
            })
            .ok_or_else(|| call.failed(Cause::NoUserInfoId))
    }

    /// Starts a chat in the queue, as `identity`. Returns Puzzel's JSON response, whose format is
    /// not documented; `None` if it is empty or not JSON.
    pub async fn start_chat(
        &self,
        conversation: &ChatId,
        queue: &QueueKey,
        identity: &ChatIdentity,
        visitor: Option<&VisitorToken>,
        deadline: Deadline,
    ) -> Result<Option<Box<RawValue>>, PuzzelError> {
        let call = Operation::StartChat;
        let path = [
            "api",
            "conversation",
            conversation.as_str(),
            "route",
            queue.as_str(),
        ];
        // The verifier is in the query, so this URL must not get into a log or an error.
        let query = [
            ("userInfoId", identity.user_info_id.expose()),
            ("codeVerifier", identity.code_verifier.expose()),
        ];
        let url = self
            .hosts
            .chat
            .join(&path, &query)
            .map_err(|cause| call.failed(cause))?;
        // Explicit: hyper omits `Content-Length: 0`, and some servers then respond with 411.
        let request = self
            .chat_request(url, visitor)
            .header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let response = self.send(call, request, deadline).await?;
        Ok(serde_json::from_slice(&response.body).ok())
    }

    /// Identifies the visitor of a chat that has begun, as `identity`.
    pub async fn set_identity(
        &self,
        conversation: &ChatId,
        identity: &ChatIdentity,
        visitor: Option<&VisitorToken>,
        deadline: Deadline,
    ) -> Result<(), PuzzelError> {
        let call = Operation::SetIdentity;
        let url = self
            .hosts
            .chat
            .join(
                &["api", "visitor", "setIdentity", conversation.as_str()],
                &[],
            )
            .map_err(|cause| call.failed(cause))?;
        let body = SetIdentityRequest {
            user_info_id: identity.user_info_id.expose(),
            code_verifier: identity.code_verifier.expose(),
        };
        let request = self.chat_request(url, visitor).json(&body);
        self.send(call, request, deadline).await.map(drop)
    }

    fn chat_request(&self, url: Url, visitor: Option<&VisitorToken>) -> RequestBuilder {
        let request = self.http.request(Method::POST, url);
        match visitor {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// Sends a call, retries it once if it did not arrive, and returns a response with a 2xx
    /// status.
    ///
    /// Only two failures are retried, and only once. If there was no connection, nothing was sent.
    /// If a pooled connection ended without a byte of a response, the upstream has almost always
    /// closed it while it was idle; without the retry, the first call of every environment that
    /// wakes up would fail. If that call did arrive after all, the retry carries the same
    /// challenge, verifier and conversation id, so it creates neither a second chat nor an identity
    /// that anyone else could use. A call that failed on a new connection, or timed out, may have
    /// been executed and is never retried.
    async fn send(
        &self,
        call: Operation,
        request: RequestBuilder,
        deadline: Deadline,
    ) -> Result<Received, PuzzelError> {
        let deadline = deadline.capped(CALL_LIMIT);
        let repeat = request.try_clone();
        let mut response = self.http.send(request, deadline, MAX_RESPONSE_BYTES).await;
        if let Err(TransportError::Connect | TransportError::KeptConnectionClosed) = response
            && let Some(request) = repeat
        {
            response = self.http.send(request, deadline, MAX_RESPONSE_BYTES).await;
        }
        let response = response.map_err(|cause| call.failed(cause))?;
        Err(call.failed(match (response.status, response.retry_after) {
            (status, _) if status.is_success() => return Ok(response),
            (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                Cause::Rejected(response.status)
            }
            (StatusCode::TOO_MANY_REQUESTS, _) | (StatusCode::SERVICE_UNAVAILABLE, Some(_)) => {
                Cause::Busy(response.retry_after)
            }
            _ => Cause::Status(response.status),
        }))
    }
}
