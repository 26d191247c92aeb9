//! The outcome of the work on a conflict.

use shared::conflicts::{Reason, Remedy, State};

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
