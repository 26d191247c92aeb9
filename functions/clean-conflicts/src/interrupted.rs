//! Interruptions: the errors of an attempt on a conflict.

use shared::conflicts::TableError;
use shared::sunshine::Error;

use crate::archive::{ArchiveError, CopyError};
use crate::stop::StopReason;

/// The reason why the work on a conflict was interrupted. No remedy was executed after the last one
/// in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// It will be tried again later, and this counts as an attempt.
    #[error("it will be tried again")]
    Retry,
    /// A call to Sunshine failed. Another call shows whether that is about this conflict.
    #[error("a call failed")]
    CallFailed,
    /// Sunshine forbade a call. Another call shows whether that is about this conflict.
    #[error("a call was forbidden")]
    Forbidden,
    /// A service that the work needs is unavailable, so the run is over. This does not count as an
    /// attempt.
    #[error("not available: {0}")]
    Unavailable(StopReason),
    /// This run can do nothing more for this conflict, which stays unchanged: the run has no time
    /// or action left, an earlier merge is unconfirmed, no archive is configured, or the record of
    /// a remedy could not be written.
    #[error("this run cannot continue with this conflict")]
    Left,
    /// The run is over. The conflict stays unchanged.
    #[error("the run is over: {0}")]
    RunOver(StopReason),
}

impl From<Error> for Interrupted {
    fn from(error: Error) -> Self {
        match error {
            Error::Key(_) => Self::Unavailable(StopReason::KeysUnavailable),
            Error::OutOfTime(_) => Self::RunOver(StopReason::OutOfTime),
            // Sunshine still responds with 429 after all retries, or asks for a longer wait than
            // this run has: that holds for any conflict.
            Error::RateLimited { .. } => Self::RunOver(StopReason::RateLimited),
            Error::Unauthorized => Self::RunOver(StopReason::Unauthorized),
            Error::Stopped(halt) => Self::RunOver(halt.into()),
            Error::Forbidden => Self::Forbidden,
            error => {
                tracing::warn!(%error, "a call to Sunshine failed");
                Self::CallFailed
            }
        }
    }
}

impl From<TableError> for Interrupted {
    fn from(error: TableError) -> Self {
        tracing::warn!(%error, "a read of the table failed");
        Self::Retry
    }
}

impl From<ArchiveError> for Interrupted {
    fn from(error: ArchiveError) -> Self {
        tracing::error!(%error, "the archive failed");
        match error {
            ArchiveError::Unavailable(_) => Self::Unavailable(StopReason::ArchiveUnavailable),
            ArchiveError::Differs | ArchiveError::Malformed => Self::Retry,
        }
    }
}

impl From<CopyError> for Interrupted {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Archive(error) => error.into(),
            CopyError::Sunshine(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::sunshine::Halt;

    use super::*;

    #[test]
    fn each_error_interrupts_in_its_own_way() {
        let upstream = |status| Error::Upstream {
            status,
            retry_after: None,
        };
        let limited = Error::RateLimited { retry_after: None };
        let over = |reason| Interrupted::RunOver(reason);
        for (error, expected) in [
            (upstream(503), Interrupted::CallFailed),
            (
                Error::Unknown(Box::new(upstream(503))),
                Interrupted::CallFailed,
            ),
            (Error::NotFound, Interrupted::CallFailed),
            (Error::Forbidden, Interrupted::Forbidden),
            (limited, over(StopReason::RateLimited)),
            (Error::Unauthorized, over(StopReason::Unauthorized)),
            (Error::Stopped(Halt::Forbidden), over(StopReason::Forbidden)),
            (
                Error::Stopped(Halt::TooManyFailures),
                over(StopReason::TooManyFailures),
            ),
        ] {
            assert_eq!(Interrupted::from(error), expected);
        }
        let unavailable = ArchiveError::Unavailable("AccessDenied".to_owned());
        let expected = Interrupted::Unavailable(StopReason::ArchiveUnavailable);
        assert_eq!(Interrupted::from(CopyError::Archive(unavailable)), expected);
        assert_eq!(Interrupted::from(ArchiveError::Differs), Interrupted::Retry);
        assert_eq!(Interrupted::from(TableError::Changed), Interrupted::Retry);
    }
}
