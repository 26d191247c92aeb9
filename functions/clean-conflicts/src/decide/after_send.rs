//! After a remedy was sent: a conflict is resolved only once the effect has been observed.
//!
//! | what is observed | Zendesk accepted the call | decision |
//! | --- | --- | --- |
//! | a release cleared other fields | either | restore them |
//! | a merge reached or changed another user | either | `other_user_changed` |
//! | the email is free, or the callers' | either | resolved |
//! | no effect, and an operator named another remedy | either | that remedy |
//! | no effect yet: the first check, a delete up to 24 h | yes | wait |
//! | no effect | yes | `email_still_held` |
//! | no effect at the first check | no | wait |
//! | no effect | no | the remedy again, as [`repeat`] allows |

use std::time::Duration;

use shared::conflicts::{Conflict, Reason, Remedy, Sent};
use shared::sunshine::{User, UserPatch};

use super::decision::Decision;
use super::restore::patch;
use super::rules::judge;
use crate::evidence::{Facts, Policy, emails, is_restorable};
use crate::outcome::Outcome;

/// Maximum time that an accepted delete may take.
const DELETED_WITHIN: Duration = Duration::from_hours(24);

/// Checks the effect, restores the fields that a release cleared by side effect, and repeats the
/// remedy if it definitely had no effect.
pub fn decide(
    conflict: &Conflict,
    sent: &Sent,
    facts: &Facts,
    policy: &Policy,
    now: u64,
) -> Decision {
    let review = |reason| Decision::Done(Outcome::NeedsReview(reason));
    if let Some(patch) = restorable(sent, facts, now) {
        return Decision::Restore(patch);
    }
    let callers = facts.people(conflict, now);
    let is_callers = |user: &User| {
        let id = user.external_id.as_deref();
        id.is_some_and(|id| callers.contains(id))
    };
    if sent.remedy == Remedy::Merge {
        let survivors = callers.iter().filter_map(|id| facts.own.get(*id));
        if has_reached_another(sent, facts, is_callers) || has_more_emails(sent, survivors) {
            return review(Reason::OtherUserChanged);
        }
    }
    if is_free(conflict, sent, facts, is_callers) {
        let survives = |id: &&str| facts.own.get(*id).is_some_and(is_callers);
        return if sent.remedy == Remedy::Merge && !callers.iter().any(survives) {
            review(Reason::OtherUserChanged)
        } else {
            Decision::Done(Outcome::Resolved)
        };
    }
    if policy.named.is_some_and(|named| named != sent.remedy) {
        // The operator has named another remedy, because this one had no effect.
        return repeat(conflict, sent, facts, policy, now);
    }
    // One check may come too early, even for a call whose response was lost.
    let is_first_check = sent.checks == 0;
    let since = Duration::from_millis(now.saturating_sub(sent.at));
    if sent.accepted {
        let may_be_early = match sent.remedy {
            Remedy::Delete => since < DELETED_WITHIN,
            _ => is_first_check,
        };
        return if may_be_early {
            Decision::AwaitEffect
        } else {
            review(Reason::EmailStillHeld)
        };
    }
    if is_first_check {
        return Decision::AwaitEffect;
    }
    repeat(conflict, sent, facts, policy, now)
}

/// The fields that a release cleared by side effect and that are still empty, if they may be
/// restored: once, and not long after.
fn restorable(sent: &Sent, facts: &Facts, now: u64) -> Option<UserPatch> {
    let target = facts.target.as_ref().filter(|_| is_restorable(sent, now))?;
    let patch = patch(&facts.archived, target);
    (patch != UserPatch::default()).then_some(patch)
}

/// Whether a merge reached another user than the caller's: the merged user now has a third external
/// id, or the caller's former user lost its own.
fn has_reached_another(sent: &Sent, facts: &Facts, is_callers: impl Fn(&User) -> bool) -> bool {
    let is_third = |user: &User| {
        let is_unchanged = sent.external_id.is_some() && user.external_id == sent.external_id;
        // Earlier versions did not record the external id.
        !is_unchanged && sent.external_id.is_some() && !is_callers(user)
    };
    facts.target.as_ref().is_some_and(is_third)
        || facts
            .own_before
            .as_ref()
            .is_some_and(|own| !is_callers(own))
}

/// Whether a survivor of a merge has more emails than both users and Support had together before.
/// The merge may have taken an email from a third user.
fn has_more_emails<'a>(sent: &Sent, mut survivors: impl Iterator<Item = &'a User>) -> bool {
    // Earlier versions did not record the emails.
    let before = sent.emails.unwrap_or(usize::MAX);
    survivors.any(|user| emails(user).len() > before)
}

/// Whether the email is free, or the caller's. If the conflict is over a user without an email:
/// whether that user is gone, or the caller's.
fn is_free(
    conflict: &Conflict,
    sent: &Sent,
    facts: &Facts,
    is_callers: impl Fn(&User) -> bool,
) -> bool {
    let Some(email) = conflict.email() else {
        return facts.target.as_ref().is_none_or(is_callers);
    };
    facts
        .holders
        .iter()
        .filter(|user| user.id.as_str() == sent.to || emails(user).contains(email))
        .all(is_callers)
}

/// Repeats a remedy that was not accepted and had no effect, or applies the one that an operator named next. It
/// requires full evidence. On a different user only an approved release is allowed: after a delete,
/// a new person may hold the external id and the email.
fn repeat(conflict: &Conflict, sent: &Sent, facts: &Facts, policy: &Policy, now: u64) -> Decision {
    let holder = facts.holder().map(|user| user.id.as_str());
    let is_same_user = holder.is_none_or(|id| id == sent.to);
    let unsure = Decision::Done(Outcome::NeedsReview(if is_same_user {
        Reason::OutcomeUnknown
    } else {
        Reason::HolderChanged
    }));
    let plan = match judge(conflict, facts, policy, now) {
        none @ Decision::Done(Outcome::NotAConflict) => return none,
        // A drain never repeats a delete, whatever the evidence says.
        _ if sent.remedy == Remedy::Delete && policy.named.is_none() => return unsure,
        Decision::Apply(plan) => plan,
        Decision::Done(Outcome::Planned(..)) => return unsure,
        other => return other,
    };
    let remedy = plan.call.remedy();
    let is_named = policy.named == Some(remedy);
    let may_be_taken = if is_same_user {
        remedy == sent.remedy || is_named
    } else {
        // The history of a different user is never merged or deleted in its place.
        let is_approved = conflict.approved_user_id() == Some(plan.user.as_str());
        remedy == Remedy::ReleaseEmail && is_named && is_approved
    };
    if may_be_taken && remedy <= policy.allowed {
        Decision::Apply(plan)
    } else {
        unsure
    }
}
