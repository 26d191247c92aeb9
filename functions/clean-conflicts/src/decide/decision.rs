//! Decisions.

use shared::conflicts::Remedy;
use shared::sunshine::UserPatch;

use crate::outcome::Outcome;
use crate::plan::Plan;

/// The next step for a conflict.
#[derive(Clone, PartialEq)]
pub enum Decision {
    /// Nothing more: the conflict ends or is planned.
    Done(Outcome),
    /// Wait for the effect of the call that was sent.
    AwaitEffect,
    /// Apply this remedy, but not before a time (in milliseconds since 1970): decide again then.
    Postpone {
        /// The remedy.
        remedy: Remedy,
        /// The time at which to decide again.
        until: u64,
    },
    /// Restore the fields that a release cleared by side effect.
    Restore(UserPatch),
    /// Archive, read the evidence again, and apply this remedy.
    Apply(Plan),
}
