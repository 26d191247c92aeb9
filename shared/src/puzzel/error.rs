//! Errors of a call to Puzzel.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::http::client::TransportError;
use crate::http::upstream_url::InvalidPath;

/// A call that failed. Contains no URL and none of Puzzel's text.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {cause}")]
pub struct PuzzelError {
    /// The call.
    pub call: Operation,
    /// The cause of the failure.
    pub cause: Cause,
}

/// The calls, by their names in Puzzel's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented at the client's methods")]
pub enum Operation {
    Authenticate,
    StartChat,
    SetIdentity,
}

/// The cause of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Puzzel refused the token or the identity: 400, 401 or 403.
    #[error("refused with status {}", .0.as_u16())]
    Rejected(StatusCode),
    /// Puzzel asks us to wait: 429, or 503 with `Retry-After`. Contains the wait.
    #[error("Puzzel is busy")]
    Busy(Option<Duration>),
    /// Any other status outside 2xx.
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    /// A response to authenticate without a usable `userInfoId`.
    #[error("the response contains no userInfoId")]
    NoUserInfoId,
    /// The URL cannot be built. Nothing was sent.
    #[error("the URL cannot be built: {0}")]
    Path(InvalidPath),
    /// No response came.
    #[error("{0}")]
    Transport(TransportError),
}

impl Operation {
    pub(super) fn failed(self, cause: impl Into<Cause>) -> PuzzelError {
        PuzzelError {
            call: self,
            cause: cause.into(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authenticate => "authenticate",
            Self::StartChat => "start chat",
            Self::SetIdentity => "set identity",
        })
    }
}

impl From<InvalidPath> for Cause {
    fn from(cause: InvalidPath) -> Self {
        Self::Path(cause)
    }
}

impl From<TransportError> for Cause {
    fn from(cause: TransportError) -> Self {
        Self::Transport(cause)
    }
}
