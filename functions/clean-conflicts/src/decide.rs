//! The rules for conflicts: pure functions of the record, the facts and the policy.

mod after_send;
mod attempted;
mod decision;
mod restore;
mod rules;
mod stated;
#[cfg(test)]
mod tests;
mod undo;

use shared::conflicts::{Conflict, Reason};

use crate::evidence::{Facts, Policy};
use crate::outcome::Outcome;

pub use attempted::{
    AttemptProgress, after_interruption, after_refusal, ends_the_run, foresee, give_up, settle,
    take_in_reports,
};
pub use decision::Decision;
pub use restore::{patch, patch_with_email};
pub use stated::{StatedChange, StatedFacts, StatedWork, stated_work};
pub use undo::{UndoRefusal, user_to_take_off};

/// Decides the next step for a conflict. `now` is in milliseconds since 1970.
pub fn next(conflict: &Conflict, facts: &Facts, policy: &Policy, now: u64) -> Decision {
    if let Some(sent) = conflict.sent() {
        return after_send::decide(conflict, sent, facts, policy, now);
    }
    if conflict.approved_user_id().is_some() && policy.named.is_none() {
        // An operator named a remedy, and the worker died or ran out of time before it was sent. No
        // drain may apply it, or replace it by another.
        return Decision::Done(Outcome::NeedsReview(Reason::ApprovalInterrupted));
    }
    rules::judge(conflict, facts, policy, now)
}
