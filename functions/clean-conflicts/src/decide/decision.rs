//! Decisions, and the outcomes of a conflict.

use shared::conflicts::{Reason, Remedy, State};
use shared::sunshine::UserPatch;

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

/// The end of a conflict, or of the work that is possible now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The email is free, or the caller's.
    Resolved,
    /// There is nothing to resolve.
    NotAConflict,
    /// This remedy would be applied, but is not allowed or requested yet.
    Planned(Remedy, Option<Reason>),
    /// A person must review it.
    NeedsReview(Reason),
    /// It cannot be done.
    Failed(Reason),
}

impl Outcome {
    /// The state and the reason of a record with this outcome.
    pub fn end(self) -> (State, Option<Reason>) {
        match self {
            Self::Resolved => (State::Resolved, None),
            Self::NotAConflict => (State::NotAConflict, None),
            Self::Planned(_, reason) => (State::Planned, reason),
            Self::NeedsReview(reason) => (State::NeedsReview, Some(reason)),
            Self::Failed(reason) => (State::Failed, Some(reason)),
        }
    }
}
