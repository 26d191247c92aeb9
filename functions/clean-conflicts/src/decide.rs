//! The rules: what is to be done about a conflict. Pure functions of the record, the facts and what
//! is allowed.

mod after_send;
mod restore;
mod rules;
#[cfg(test)]
mod tests;

use shared::conflicts::{Conflict, Reason, Remedy, State};
use shared::sunshine::UserPatch;

use crate::evidence::{Facts, Policy};
use crate::plan::Plan;

pub use restore::patch;
pub use rules::emails;

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

/// Decides. `now` is in milliseconds since 1970.
pub fn next(conflict: &Conflict, facts: &Facts, policy: &Policy, now: u64) -> Decision {
    if let Some(sent) = conflict.sent() {
        return after_send::decide(conflict, sent, facts, policy, now);
    }
    if conflict.approved_user_id().is_some() && policy.named.is_none() {
        // An operator named a remedy, and the worker died or ran out of time before it was sent.
        // No drain may take it, or put another in its place.
        return Decision::Done(Outcome::NeedsReview(Reason::ApprovalInterrupted));
    }
    rules::judge(conflict, facts, policy, now)
}
