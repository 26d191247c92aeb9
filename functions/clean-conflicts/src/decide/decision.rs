//! Decisions, and the outcomes of a conflict.

use shared::conflicts::{Reason, Remedy, State};
use shared::sunshine::UserPatch;

use crate::plan::Plan;

/// What is to be done.
#[derive(Clone, PartialEq)]
pub enum Decision {
    /// Nothing more: the conflict ends or is planned.
    Done(Outcome),
    /// Wait for the effect of the call that was sent.
    AwaitEffect,
    /// Take this remedy, but not before a time (in milliseconds since 1970): decide again then.
    Postpone {
        /// The remedy.
        remedy: Remedy,
        /// When to decide again.
        until: u64,
    },
    /// Write back what a release took beside the email.
    Restore(UserPatch),
    /// Archive, read the evidence again, and take this remedy.
    Apply(Plan),
}

/// The end of a conflict, or of what may be done about it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The email is free, or the caller's.
    Resolved,
    /// There is nothing to resolve.
    NotAConflict,
    /// This remedy would be taken, and is not allowed or asked for yet.
    Planned(Remedy, Option<Reason>),
    /// A person must look.
    NeedsReview(Reason),
    /// It cannot be done.
    Failed(Reason),
}

impl Outcome {
    /// The state and the reason of a record that ends so.
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
