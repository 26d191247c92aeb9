//! From evidence to what is done: pure rules, all of which must hold.

use std::collections::BTreeSet;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use shared::conflicts::{Conflict, Lineage, Reason, Remedy, Target, Told};
use shared::identity::email::EmailKey;
use shared::sunshine::{BrandId, User, ZendeskId};

/// What is to be done.
pub enum Verdict {
    /// There is nothing to resolve.
    NotAConflict,
    /// A person must look.
    NeedsReview(Reason),
    /// Take this remedy on that user.
    Act(Remedy),
}

/// What may be done.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The strongest remedy that is allowed.
    pub allowed: Remedy,
    /// The remedy that an operator named.
    pub named: Option<Remedy>,
    /// The brand, where users are kept apart by brand.
    pub brand: Option<&'a BrandId>,
}

/// The external ids that say an email is theirs.
pub type Claimants = BTreeSet<String>;

/// The user that holds `email`, out of what a listing by it gave; a verdict where it is not one
/// user that a remedy could be for.
pub fn holder<'a>(
    listed: &'a [User],
    email: &EmailKey,
    claimants: &Claimants,
) -> Result<&'a User, Verdict> {
    let user = match listed {
        [] => return Err(Verdict::NotAConflict),
        [user] => user,
        _ => return Err(Verdict::NeedsReview(Reason::SeveralUsers)),
    };
    if user
        .external_id
        .as_ref()
        .is_some_and(|id| claimants.contains(id))
    {
        return Err(Verdict::NotAConflict);
    }
    // The upstream's filter is not trusted with what may be deleted.
    if !emails(user).contains(email) {
        return Err(Verdict::NeedsReview(Reason::EmailNotAnIdentity));
    }
    Ok(user)
}

/// The emails that are identities of `user`.
pub fn emails(user: &User) -> Vec<EmailKey> {
    let mut emails: Vec<EmailKey> = Vec::new();
    for identity in user.identities.iter().filter(|it| it.kind == "email") {
        let email = EmailKey::from(identity.value.as_str());
        if !emails.contains(&email) {
            emails.push(email);
        }
    }
    emails
}

/// What is to be done about `user`, which holds what the claimant `caller` says is its own; `own`
/// is the user found under the caller's external id, and `told` what webhooks said of the two ids.
pub fn decide(
    conflict: &Conflict,
    told: &Told,
    user: &User,
    caller: &str,
    own: Option<&User>,
    now: u64,
    rules: Rules<'_>,
) -> Verdict {
    let review = Verdict::NeedsReview;
    let Some(external_id) = user.external_id.as_deref().filter(|id| !id.is_empty()) else {
        return review(Reason::NoExternalId);
    };
    // Whether external ids are case-sensitive nobody says.
    if external_id.to_lowercase() == caller.to_lowercase() {
        return review(Reason::CaseDifference);
    }
    if own.is_some_and(|own| own.id == user.id) {
        return review(Reason::OwnUser);
    }
    if rules
        .brand
        .is_some_and(|brand| user.brand_id.as_ref() != Some(brand))
    {
        return review(Reason::OtherBrand);
    }
    let approved = conflict.approved_user_id.as_deref();
    if approved.is_some_and(|approved| approved != user.id.as_str()) {
        return review(Reason::HolderChanged);
    }

    let mut lineages: Vec<_> = conflict.lineages.iter().collect();
    let lineage = match told {
        Told::Otherwise => Err(Reason::ContradictedLineage),
        Told::Nothing => lineage(user, external_id, caller, &lineages, now),
        Told::Became(webhooks) => {
            lineages.push(webhooks);
            lineage(user, external_id, caller, &lineages, now)
        }
    };
    let mergeable = || mergeable(user, caller, own);
    match rules.named {
        Some(Remedy::Delete) => match lineage {
            Err(reason) => review(reason),
            Ok(()) if user.to_be_retained => review(Reason::ToBeRetained),
            Ok(()) => Verdict::Act(Remedy::Delete),
        },
        Some(Remedy::Merge) => match lineage.and_then(|()| mergeable().map(drop)) {
            Err(reason) => review(reason),
            Ok(()) => Verdict::Act(Remedy::Merge),
        },
        Some(Remedy::ReleaseEmail | Remedy::Plan) => Verdict::Act(Remedy::ReleaseEmail),
        None => match (lineage, mergeable()) {
            (Err(Reason::ContradictedLineage), _) => review(Reason::ContradictedLineage),
            (Ok(()), Ok(_)) if rules.allowed == Remedy::Plan => Verdict::Act(Remedy::Merge),
            // The history is the caller's own, so it is not left behind where a merge is allowed.
            (Ok(()), mergeable) if rules.allowed >= Remedy::Merge => match mergeable {
                Ok(_) => Verdict::Act(Remedy::Merge),
                Err(reason) => review(reason),
            },
            _ => Verdict::Act(Remedy::ReleaseEmail),
        },
    }
}

/// Whether `external_id` became `caller`'s, and nothing says otherwise.
fn lineage(
    user: &User,
    external_id: &str,
    caller: &str,
    lineages: &[&Lineage],
    now: u64,
) -> Result<(), Reason> {
    let target = target(user, external_id);
    let proof = lineages.iter().find(|it| it.proves(&target, caller, now));
    // It became somebody else's too, or was given to somebody again since. So it was where the
    // same was said before of another user, and this one has not been there since before that.
    let contradicts = |it: &&Lineage| {
        let became_anothers = it.previous == external_id && it.current != caller;
        let was_reissued =
            it.current == external_id && proof.is_some_and(|proof| it.time >= proof.time);
        let was_of_another =
            it.previous == external_id && it.current == caller && it.is_of_another(&target);
        became_anothers || was_reissued || was_of_another
    };
    if lineages.iter().any(contradicts) {
        Err(Reason::ContradictedLineage)
    } else {
        proof.map(drop).ok_or(Reason::NoLineage)
    }
}

/// What a lineage must fit: `user`, by the external id that it has.
pub fn target<'a>(user: &'a User, external_id: &'a str) -> Target<'a> {
    Target {
        id: user.id.as_str(),
        external_id,
        signed_up_at: user.signed_up_at.as_deref().and_then(millis),
    }
}

/// Milliseconds since 1970 of a time as the API writes it (ISO 8601).
fn millis(time: &str) -> Option<u64> {
    let time = DateTime::from_str(time, DateTimeFormat::DateTimeWithOffset).ok()?;
    u64::try_from(time.to_millis().ok()?).ok()
}

/// The Zendesk id to merge by. A sync takes identifiers away from a user that is linked itself.
/// Where another user comes back for the caller's external id, nobody knows whether it is.
pub fn mergeable<'a>(
    user: &'a User,
    caller: &str,
    own: Option<&User>,
) -> Result<&'a ZendeskId, Reason> {
    let may_be_linked = |own: &User| own.is_linked || own.external_id.as_deref() != Some(caller);
    if own.is_some_and(may_be_linked) {
        return Err(Reason::CallerLinked);
    }
    user.zendesk_id.as_ref().ok_or(Reason::NoZendeskId)
}
