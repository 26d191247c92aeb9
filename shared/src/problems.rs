//! Turns the errors of this crate into problems, and so into statuses.

#[cfg(feature = "puzzel")]
use std::time::Duration;

#[cfg(feature = "secrets")]
use crate::aws::secrets::SecretError;
#[cfg(feature = "conflicts")]
use crate::conflicts::TableError;
#[cfg(feature = "puzzel")]
use crate::http::client::TransportError;
#[cfg(feature = "caller")]
use crate::identity::caller::IdentityError;
#[cfg(feature = "caller")]
use crate::identity::oidc::REFETCH_FLOOR;
#[cfg(feature = "caller")]
use crate::lambda::http::unauthenticated;
use crate::lambda::problem::{Code, Problem};
#[cfg(feature = "puzzel")]
use crate::puzzel::{Cause, Operation, PuzzelError};

#[cfg(feature = "caller")]
impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match &error {
            IdentityError::Unproven(_) | IdentityError::NoSubject => {
                return unauthenticated(error);
            }
            IdentityError::NotJson => Self::new(
                Code::UnsupportedMediaType,
                "send the request as application/json, also without a body",
            ),
            IdentityError::InvalidExternalId(why) => Self::new(
                Code::InvalidExternalId,
                format!(
                    "this user's external id cannot be used: {why}; it must have 1 to 255 characters, none of them a control character, and not be a dot segment"
                ),
            ),
            IdentityError::EmailNotVerified => Self::new(
                Code::EmailNotVerified,
                "verify your email address with your login, then log in again",
            ),
            IdentityError::KeysUnavailable(_) => Self::new(
                Code::KeysUnavailable,
                "tokens cannot be verified at the moment; try again",
            )
            .retry_after(REFETCH_FLOOR.as_secs()),
        }
        .because(error)
    }
}

#[cfg(feature = "secrets")]
impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        Self::new(
            Code::KeysUnavailable,
            "the keys cannot be read at the moment; try again",
        )
        .because(error)
    }
}

#[cfg(feature = "conflicts")]
impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        Self::new(
            Code::UpstreamBusy,
            "this cannot be recorded at the moment; try again",
        )
        .because(error)
    }
}

#[cfg(feature = "puzzel")]
impl From<PuzzelError> for Problem {
    fn from(error: PuzzelError) -> Self {
        let problem = match (error.cause, error.call) {
            (Cause::Rejected(_), Operation::Authenticate) => Self::new(
                Code::IdentityRejected,
                "Puzzel refused the token: log in again, and check the Visitor Idp in Puzzel's organisation settings",
            ),
            (Cause::Rejected(_), Operation::StartChat | Operation::SetIdentity) => Self::new(
                Code::IdentityRejected,
                "Puzzel refused the identity for this chat: check conversation, queue and visitor token",
            ),
            (Cause::Busy(wait), _) => {
                let problem = Self::new(Code::UpstreamBusy, "Puzzel is busy; try again later");
                match wait {
                    Some(wait) => problem.retry_after(whole_seconds(wait)),
                    None => problem,
                }
            }
            (Cause::Transport(TransportError::Timeout), _) => Self::new(
                Code::UpstreamTimeout,
                "Puzzel did not respond in time; it may have carried out the request",
            ),
            (Cause::Status(_) | Cause::NoUserInfoId | Cause::Path(_) | Cause::Transport(_), _) => {
                Self::new(
                    Code::UpstreamError,
                    "Puzzel did not respond as expected; try again later",
                )
            }
        };
        problem.because(error)
    }
}

/// Rounded up, because a client that waits for less retries too early.
#[cfg(feature = "puzzel")]
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
