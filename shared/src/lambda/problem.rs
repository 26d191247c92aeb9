//! Errors as the caller sees them: RFC 9457 problem details with a stable code.

use std::borrow::Cow;
use std::error::Error;

use http::StatusCode;
use serde::Serialize;

/// The stable code of a problem. It determines the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the names are the codes; the README explains them"
)]
pub enum Code {
    InvalidRequest,
    Unauthenticated,
    InvalidSignature,
    TokenSubjectMismatch,
    IdentityRejected,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
    InvalidExternalId,
    EmailNotVerified,
    InternalError,
    UpstreamError,
    KeysUnavailable,
    UpstreamBusy,
    UpstreamTimeout,
}

impl Code {
    /// The code as it appears in the response.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The HTTP status that goes with the code.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated | Self::InvalidSignature => StatusCode::UNAUTHORIZED,
            Self::TokenSubjectMismatch | Self::IdentityRejected => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidExternalId | Self::EmailNotVerified => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UpstreamError => StatusCode::BAD_GATEWAY,
            Self::KeysUnavailable | Self::UpstreamBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// A handler's response to a request that it could not serve.
///
/// `detail` is sent and says what to do; `cause` goes to the log only. Neither may hold an
/// upstream's body, a token or an email.
#[derive(Debug)]
pub struct Problem {
    /// The code, which determines the status.
    pub code: Code,
    /// Advice for the caller.
    pub detail: Cow<'static, str>,
    /// Seconds to wait before a retry makes sense.
    pub retry_after: Option<u64>,
    /// The methods that the path accepts, for [`Code::MethodNotAllowed`].
    pub allow: Option<&'static str>,
    /// The cause, for the log.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    /// A problem without a cause. For the codes of status 503 it tells the caller when to retry.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let busy = code.status() == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            code,
            detail: detail.into(),
            retry_after: busy.then_some(5),
            allow: None,
            cause: None,
        }
    }

    /// The same with its cause, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Sets the seconds to wait before a retry.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The body of the response.
    pub fn body<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        let status = self.code.status();
        ProblemBody {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id,
        }
    }
}

/// Problem details as they are sent (RFC 9457, with the additional members `code` and `requestId`).
#[derive(Serialize)]
pub struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
}
