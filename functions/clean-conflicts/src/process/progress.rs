//! The progress of an attempt.

use shared::conflicts::Remedy;

use crate::outcome::Outcome;

/// The progress of an attempt.
pub enum AttemptProgress {
    /// The conflict ends, or is planned.
    Done(Outcome),
    /// A call was sent, and its effect has not been observed.
    Waiting,
    /// The remedy must not be applied before this time.
    Postponed(Remedy, u64),
}
