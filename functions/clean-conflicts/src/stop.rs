//! The reasons why a run stops before everything that is due was done.

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
    /// The run took as many remedies as it may.
    MaxActions,
    /// The API key was refused, also after it was read again.
    Unauthorized,
    /// The API key does not allow what every run needs.
    Forbidden,
    /// More than 20 % of the last 20 calls failed.
    TooManyFailures,
    /// Sunshine asks to wait for longer than the run may.
    RateLimited,
    /// The API key cannot be read.
    KeysUnavailable,
    /// The archive cannot be written or read.
    ArchiveUnavailable,
    /// Sunshine does not answer.
    SunshineUnavailable,
    /// Sunshine answered or did something else than it should.
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
