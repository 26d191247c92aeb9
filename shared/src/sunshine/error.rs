//! Why a call failed.

use std::time::Duration;

use super::breaker::Halt;
use super::credentials::KeyUnavailable;
use super::pacer::OutOfTime;
use crate::http::client::TransportError;
use crate::http::upstream_url::InvalidPath;

/// Why a call failed, by cause. Holds no URL, no text of the upstream and no id.
///
/// Only [`Error::Unknown`] leaves open whether a changing call was executed; after every other
/// error it was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 404: there is no such user or conversation.
    #[error("not found")]
    NotFound,
    /// 401, with a fresh key too.
    #[error("the API key was refused")]
    Unauthorized,
    /// 403. Whether it is about the key or about this one user, only another call can tell.
    #[error("the API key does not allow this call")]
    Forbidden,
    /// 429, on every attempt that the deadline left time for.
    #[error("too many requests")]
    RateLimited {
        /// How long the upstream asks to wait.
        retry_after: Option<Duration>,
    },
    /// Another status that is no success. 404 for an app that is not there, too.
    #[error("answered with status {status}")]
    Upstream {
        /// The status.
        status: u16,
        /// How long the upstream asks to wait.
        retry_after: Option<Duration>,
    },
    /// No answer; for a changing call, because no connection was made.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A changing call was sent and may have been executed. Look; never repeat it blindly.
    #[error("a changing call may have been executed: {0}")]
    Unknown(#[source] Box<Error>),
    /// An answer that is not what the contract says, and what it should have been.
    #[error("the answer holds no valid {what}")]
    InvalidAnswer {
        /// What was expected.
        what: &'static str,
    },
    /// No API key could be had. Nothing was sent.
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
    /// Whether the upstream failed: 5xx, timeout, transport. A 404 or a 429 is no failure.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Upstream { status, .. } => *status >= 500,
            Self::Unknown(cause) => cause.is_failure(),
            _ => false,
        }
    }

    /// How long the upstream asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Upstream { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the request was surely not executed, and may be if it is sent again.
    pub(super) fn was_not_executed(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Transport(TransportError::Connect)
        )
    }

    /// Whether the request may have been executed although no success came back.
    pub(super) fn may_have_been_executed(&self) -> bool {
        match self {
            Self::Transport(cause) => {
                !matches!(cause, TransportError::Connect | TransportError::Request)
            }
            // 408 too: a proxy in between says it of an upstream that goes on.
            Self::Upstream { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }
}
