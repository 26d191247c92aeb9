//! The reasons why a run stops before all due work is done.

use std::fmt;

use serde::{Deserialize, Serialize};
use shared::sunshine::Halt;
use strum::IntoStaticStr;

/// Why a run stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StopReason {
    /// Another run holds the lease.
    AnotherRun,
    /// Too little time is left to begin anything.
    OutOfTime,
    /// The run applied its maximum of remedies.
    MaxActions,
    /// The API key was refused, even after it was read again.
    Unauthorized,
    /// The API key does not allow what every run needs.
    Forbidden,
    /// More than 20 % of the last 20 calls failed.
    TooManyFailures,
    /// Sunshine still responds with 429 after all retries, or asks for a longer wait than the run has.
    RateLimited,
    /// The API key cannot be read.
    KeysUnavailable,
    /// The archive cannot be written or read.
    ArchiveUnavailable,
    /// Sunshine does not respond.
    SunshineUnavailable,
    /// Sunshine's response or behaviour was unexpected.
    UpstreamError,
}

impl From<Halt> for StopReason {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Unauthorized => Self::Unauthorized,
            Halt::Forbidden => Self::Forbidden,
            Halt::TooManyFailures => Self::TooManyFailures,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
