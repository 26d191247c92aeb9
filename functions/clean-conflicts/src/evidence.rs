//! The inputs of a decision: the evidence, and the policy from the configuration and the operator.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use shared::conflicts::{Conflict, IdChanges, Lineage, Proof, Remedy, Sent, Target, weigh};
use shared::identity::email::EmailKey;
use shared::lambda::clock::{millis, parse_millis};
use shared::sunshine::{BrandId, User};
use strum::{EnumString, VariantNames};

/// The call that merges two users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum MergeCall {
    /// `POST /v2/…/users/{zendeskId}/sync`: makes the user match Support's user.
    #[default]
    Sync,
    /// `POST /v1.1/…/appusers/merge`: names both users, and affects no third one.
    AppusersMerge,
}

/// The policy: the allowed actions.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The strongest remedy that is allowed.
    pub allowed: Remedy,
    /// The remedy that an operator named.
    pub named: Option<Remedy>,
    /// The brand, if users are separated by brand.
    pub brand: Option<BrandId>,
    /// The wait after the first report before a remedy that lineage does not fully prove: a release
    /// without lineage, or any remedy with a claim that has no time.
    pub release_after: Duration,
    /// The call that merges.
    pub merge_call: MergeCall,
    /// Whether events about changed external ids count as lineage.
    pub trusts_events: bool,
}

/// The last activity of the user that holds the email.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastSeen {
    /// It was not read, because no decision depends on it yet.
    #[default]
    NotRead,
    /// No client was ever seen.
    Never,
    /// A client was seen at this time, in milliseconds since 1970.
    At(u64),
    /// A client was seen at a time that cannot be read.
    Unknown,
}

impl LastSeen {
    /// The last activity of one client, from its `lastSeen` in ISO 8601.
    pub fn of_client(last_seen: Option<&str>) -> Self {
        match last_seen.map(parse_millis) {
            None => Self::Never,
            Some(None) => Self::Unknown,
            Some(Some(time)) => Self::At(time),
        }
    }

    /// The later one of two. An unknown time may be any.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::At(one), Self::At(other)) => Self::At(one.max(other)),
            (Self::At(time), _) | (_, Self::At(time)) => Self::At(time),
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::NotRead, Self::NotRead) => Self::NotRead,
        }
    }
}

/// Everything that was read about a conflict.
#[derive(Default)]
pub struct Facts {
    /// The users found by the email in dispute; or the one user that the conflict is over.
    pub holders: Vec<User>,
    /// The lineage from events between the holder's external id and each claimant's.
    pub id_changes: BTreeMap<String, IdChanges>,
    /// The trusted lineage between claimants that events state.
    pub changes: Vec<Lineage>,
    /// The user found under each claimant's external id.
    pub own: BTreeMap<String, User>,
    /// The holder's last activity.
    pub last_seen: LastSeen,
    /// The current external id of the Support user that the holder is linked to, if an event stated
    /// it.
    pub support_external_id: Option<String>,
    /// The current primary email of that Support user, if an event stated it.
    pub support_email: Option<String>,
    /// Whether a third user has that email. A sync would take it from that user.
    pub support_email_is_anothers: bool,
    /// Whether Support merged the holder or a caller so recently that they must be left alone.
    pub is_settling: bool,
    /// The user that a remedy was sent to, as it is now.
    pub target: Option<User>,
    /// The user that the caller had before a merge, as it is now.
    pub own_before: Option<User>,
    /// The versions of `target` in the archives of its release, the newest first. They are read
    /// only while fields may still have to be restored.
    pub archived: Vec<Value>,
}

impl Facts {
    /// The only user that holds the email; `None` if there is no user or more than one.
    pub fn holder(&self) -> Option<&User> {
        match self.holders.as_slice() {
            [user] => Some(user),
            _ => None,
        }
    }

    /// Whether the holder is one of the people who claim the email.
    pub fn is_held_by(&self, people: &BTreeSet<&str>) -> bool {
        self.holder()
            .and_then(|user| user.external_id.as_deref())
            .is_some_and(|id| people.contains(id))
    }

    /// The people who claim the email, each once.
    pub fn people<'a>(&'a self, conflict: &'a Conflict, now: u64) -> BTreeSet<&'a str> {
        conflict.people(&self.changes, now)
    }

    /// The people whose claim is more than an event without lineage.
    pub fn callers<'a>(
        &'a self,
        conflict: &'a Conflict,
        policy: &Policy,
        now: u64,
    ) -> BTreeSet<&'a str> {
        let became = |id: &str| matches!(self.id_changes.get(id), Some(IdChanges::Became(_)));
        conflict.callers(&self.changes, now, |id| policy.trusts_events && became(id))
    }

    /// Whether the holder's external id became `caller`'s.
    pub fn proof(&self, conflict: &Conflict, policy: &Policy, caller: &str, now: u64) -> Proof {
        let Some(user) = self.holder() else {
            return Proof::Missing;
        };
        let mut lineages: Vec<_> = conflict.lineages().iter().collect();
        match self.id_changes.get(caller) {
            Some(IdChanges::Contradicted) => return Proof::Contradicted,
            Some(IdChanges::Became(change)) if policy.trusts_events => lineages.push(change),
            // It proves nothing, but may contradict.
            Some(IdChanges::Assigned(change)) => lineages.push(change),
            _ => {}
        }
        let external_id = user.external_id.as_deref().unwrap_or_default();
        weigh(&target(user, external_id), caller, &lineages, now)
    }

    /// The end of that wait for this conflict.
    pub fn waits_until(conflict: &Conflict, policy: &Policy) -> u64 {
        first_report(conflict).saturating_add(millis(policy.release_after))
    }
}

/// Whether fields that a release cleared by side effect may still be restored.
pub fn is_restorable(sent: &Sent, now: u64) -> bool {
    sent.remedy == Remedy::ReleaseEmail && sent.is_restorable(now)
}

/// The time of the first report, or of the opening if it was never reported.
pub fn first_report(conflict: &Conflict) -> u64 {
    conflict.first_report().unwrap_or(conflict.created_at())
}

/// The emails that are identities of `user`.
pub fn emails(user: &User) -> BTreeSet<String> {
    let emails = user.identities.iter().filter(|it| it.kind == "email");
    emails
        .map(|it| EmailKey::from(it.value.as_str()).as_str().to_owned())
        .collect()
}

/// `user` as the target of lineage, with the external id that it has.
pub fn target<'a>(user: &'a User, external_id: &'a str) -> Target<'a> {
    Target {
        id: user.id.as_str(),
        external_id,
        signed_up_at: user.signed_up_at.as_deref().and_then(parse_millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_of_a_merge_is_named_like_its_endpoint() {
        for (name, call) in [
            ("sync", MergeCall::Sync),
            ("appusers-merge", MergeCall::AppusersMerge),
        ] {
            assert_eq!(name.parse::<MergeCall>().ok(), Some(call));
        }
        assert!("".parse::<MergeCall>().is_err());
    }

    #[test]
    fn a_client_that_was_seen_at_a_time_that_cannot_be_read_may_have_been_seen_now() {
        let seen = |times: &[Option<&str>]| {
            let each = times.iter().map(|it| LastSeen::of_client(*it));
            each.fold(LastSeen::NotRead, LastSeen::later)
        };
        let (early, late) = ("1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z");
        assert_eq!(seen(&[]), LastSeen::NotRead);
        assert_eq!(seen(&[None, None]), LastSeen::Never);
        assert_eq!(seen(&[None, Some(early), None]), LastSeen::At(1000));
        assert_eq!(seen(&[Some(late), Some(early)]), LastSeen::At(2000));
        assert_eq!(seen(&[Some(early), Some(late)]), LastSeen::At(2000));
        assert_eq!(seen(&[Some(early), Some("")]), LastSeen::Unknown);
        assert_eq!(seen(&[Some("yesterday"), None]), LastSeen::Unknown);
    }
}
