//! The errors of calls to Sunshine Conversations.

use std::time::Duration;

use super::breaker::Halt;
use super::credentials::KeyUnavailable;
use super::pacer::OutOfTime;
use crate::http::client::TransportError;
use crate::http::upstream_url::InvalidPath;

/// The cause of a failed call. Contains no URL, none of the upstream's text and no id.
///
/// A changing call may have been executed after [`Error::Unknown`], and after no other error. The
/// one exception is [`create_user`](super::SunshineClient::create_user), whose response is read:
/// after [`Error::InvalidResponse`] the user exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 404: the user or conversation does not exist.
    #[error("not found")]
    NotFound,
    /// 401, even with a fresh key.
    #[error("the API key was refused")]
    Unauthorized,
    /// 403. Only another call can show whether it is about the key or about this one user.
    #[error("the API key does not allow this call")]
    Forbidden,
    /// 429 on every attempt within the deadline.
    #[error("too many requests")]
    RateLimited {
        /// The wait that the upstream asks for.
        retry_after: Option<Duration>,
    },
    /// Any other status outside 2xx, and 404 if the app does not exist.
    #[error("responded with status {status}")]
    Upstream {
        /// The status.
        status: u16,
        /// The wait that the upstream asks for.
        retry_after: Option<Duration>,
    },
    /// No complete response. For a changing call: the request was not sent.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A changing call was sent and may have been executed. Check its effect; never repeat it
    /// blindly.
    #[error("a changing call may have been executed: {0}")]
    Unknown(#[source] Box<Error>),
    /// The response is about another user than the one that was asked for.
    #[error("the response is about another user")]
    AnotherUser,
    /// A response that violates the contract.
    #[error("the response contains no valid {what}")]
    InvalidResponse {
        /// The thing that was expected.
        what: &'static str,
    },
    /// The API key could not be fetched. Nothing was sent.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The deadline came before the call's turn. Nothing was sent.
    #[error(transparent)]
    OutOfTime(#[from] OutOfTime),
    /// The run was stopped before this call. Nothing was sent.
    #[error("the run was stopped: {0}")]
    Stopped(#[from] Halt),
    /// The URL of the call cannot be built. Nothing was sent.
    #[error(transparent)]
    Path(#[from] InvalidPath),
}

impl Error {
    /// Whether the upstream failed: 5xx, timeout, transport. A 404 or a 429 does not count.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Upstream { status, .. } => *status >= 500,
            Self::Unknown(cause) => cause.is_failure(),
            _ => false,
        }
    }

    /// The wait that the upstream asks for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Upstream { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the request was certainly not executed, so that a retry is safe and may succeed.
    pub(super) fn was_not_executed(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Transport(TransportError::Connect)
        )
    }

    /// Whether the request may have been executed although it did not succeed.
    pub(super) fn may_have_been_executed(&self) -> bool {
        match self {
            Self::Transport(cause) => {
                !matches!(cause, TransportError::Connect | TransportError::Request)
            }
            // 408 too: a proxy may send it although the upstream carries on.
            Self::Upstream { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }
}
