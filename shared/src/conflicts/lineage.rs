//! Lineage: proof that one external id became another.
//!
//! A recycled email (a new person got an old address) looks exactly like a changed external id.
//! Only lineage distinguishes them, so nothing that affects a history happens without it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time for which a lineage counts, after it was first stated.
const VALID_FOR: Duration = Duration::from_hours(90 * 24);
/// Minimum interval between records of the same statement.
const RENEWED_EVERY: Duration = Duration::from_hours(24);

/// The source of a lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Source {
    /// A signed webhook of Zendesk.
    Webhook,
    /// A claim of the company's identity provider.
    Claim {
        /// The time of the change, in milliseconds since 1970, if another claim states it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changed_at: Option<u64>,
    },
    /// An operator, whose statement is about one user.
    Operator {
        /// The user's id.
        user_id: String,
    },
}

/// The external id `previous` became `current`. Times are in milliseconds since 1970. It has no
/// `Debug`, so it is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The external id before.
    pub previous: String,
    /// The external id after.
    pub current: String,
    /// The source.
    pub source: Source,
    /// The time at which it was first stated.
    pub time: u64,
    /// The time at which it was last repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_again_at: Option<u64>,
}

/// The user whose external id may have been changed.
pub struct Target<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The external id it has now.
    pub external_id: &'a str,
    /// The time of its sign-up, in milliseconds since 1970, if known.
    pub signed_up_at: Option<u64>,
}

/// The result of weighing all lineages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing proves the change.
    Missing,
    /// Another statement contradicts it, so a person must find out.
    Contradicted,
    /// The change is proven once the target has shown no activity for a while. A claim without
    /// a time looks the same if the external id was assigned to a new person, but that person is
    /// active.
    OnceQuiet,
    /// The change is proven.
    Given,
}

/// Weighs whether `target`'s external id became `caller`'s.
pub fn weigh(target: &Target<'_>, caller: &str, lineages: &[&Lineage], now: u64) -> Proof {
    let became_anothers = |it: &Lineage| it.previous == target.external_id && it.current != caller;
    let was_of_another = |it: &Lineage| {
        it.previous == target.external_id && it.current == caller && it.is_of_another(target)
    };
    let contradicts = |it: &&Lineage| became_anothers(it) || was_of_another(it);
    if lineages.iter().any(contradicts) {
        return Proof::Contradicted;
    }
    let mut strongest = Proof::Missing;
    for proof in lineages.iter().filter(|it| it.proves(target, caller, now)) {
        // The external id was assigned to a user again, so its holder may be another person.
        let was_reassigned = lineages
            .iter()
            .any(|it| it.current == target.external_id && it.true_since() >= proof.true_since());
        if was_reassigned {
            return Proof::Contradicted;
        }
        strongest = match (strongest, &proof.source) {
            (Proof::Given, _) => Proof::Given,
            (_, Source::Claim { changed_at: None }) => Proof::OnceQuiet,
            _ => Proof::Given,
        };
    }
    strongest
}

/// The person behind each of `ids`: the id itself, or the last of them that it became. The latest
/// statement takes precedence, so if an id changed there and back, the way back counts.
pub fn successors<'a>(
    ids: &BTreeSet<&'a str>,
    lineages: &[&Lineage],
    now: u64,
) -> BTreeMap<&'a str, &'a str> {
    let mut latest: Vec<_> = lineages.iter().filter(|it| it.is_current(now)).collect();
    latest.sort_by_key(|it| Reverse(it.last_stated_at()));
    let mut became = BTreeMap::new();
    for lineage in latest {
        let previous = lineage.previous.as_str();
        let mut current = lineage.current.as_str();
        while let Some(next) = became.get(current) {
            current = *next;
        }
        // A statement that would close a circle is the earlier half of a way there and back.
        if current != previous && !became.contains_key(previous) {
            became.insert(previous, current);
        }
    }
    let last = |id: &&'a str| {
        let (mut last, mut current) = (*id, *id);
        while let Some(next) = became.get(current) {
            current = *next;
            last = ids.get(current).copied().unwrap_or(last);
        }
        last
    };
    ids.iter().map(|id| (*id, last(id))).collect()
}

impl Lineage {
    /// A lineage that is stated at `time`.
    pub fn new(
        previous: impl Into<String>,
        current: impl Into<String>,
        source: Source,
        time: u64,
    ) -> Self {
        Self {
            previous: previous.into(),
            current: current.into(),
            source,
            time,
            stated_again_at: None,
        }
    }

    /// The time at which it was last stated.
    fn last_stated_at(&self) -> u64 {
        self.stated_again_at.unwrap_or(self.time)
    }

    /// The time at which it became true, as far as we know.
    fn true_since(&self) -> u64 {
        match self.source {
            Source::Claim {
                changed_at: Some(changed_at),
            } => changed_at,
            Source::Webhook | Source::Claim { changed_at: None } | Source::Operator { .. } => {
                self.time
            }
        }
    }

    /// Whether it is neither too old nor in the future. The time of the statement counts: a person
    /// may come back long after the change.
    fn is_current(&self, now: u64) -> bool {
        let age = Duration::from_millis(now.saturating_sub(self.time));
        self.time <= now && self.true_since() <= now && age < VALID_FOR
    }

    /// Whether this proves that `target`'s external id became `caller`'s, if nothing contradicts.
    ///
    /// An external id may be assigned to a new person. So the target must have signed up before the
    /// change; the new holder did not.
    fn proves(&self, target: &Target<'_>, caller: &str, now: u64) -> bool {
        let was_there = match &self.source {
            Source::Operator { user_id } => user_id == target.id,
            Source::Webhook | Source::Claim { .. } => target
                .signed_up_at
                .is_some_and(|signed_up| latest(signed_up) < self.true_since()),
        };
        !self.previous.is_empty()
            && !self.current.is_empty()
            && self.previous == target.external_id
            && self.current == caller
            && self.is_current(now)
            && was_there
    }

    /// Whether `other` states the same, at any time.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let is_same_source = match (&self.source, &other.source) {
            (Source::Webhook, Source::Webhook) | (Source::Claim { .. }, Source::Claim { .. }) => {
                true
            }
            (Source::Operator { user_id }, Source::Operator { user_id: other }) => user_id == other,
            _ => false,
        };
        self.previous == other.previous && self.current == other.current && is_same_source
    }

    /// Records that the same was stated again. `is_latest` says that nothing else was stated about
    /// the two external ids since.
    pub(super) fn state_again(&mut self, again: &Self, is_latest: bool) {
        let since = Duration::from_millis(again.time.saturating_sub(self.last_stated_at()));
        if since >= RENEWED_EVERY || (!is_latest && again.time > self.last_stated_at()) {
            self.stated_again_at = Some(again.time);
        }
        // The identity provider may learn the time later; the earliest time is the safest.
        if let (Source::Claim { changed_at: known }, Source::Claim { changed_at: new }) =
            (&mut self.source, &again.source)
        {
            *known = match (*known, *new) {
                (Some(known), Some(new)) => Some(known.min(new)),
                (known, new) => known.or(new),
            };
        }
    }

    /// Whether `other` was stated after this, and is about one of its external ids.
    pub(super) fn is_followed_by(&self, other: &Self) -> bool {
        let ids = [&self.previous, &self.current];
        (ids.contains(&&other.previous) || ids.contains(&&other.current))
            && other.last_stated_at() > self.last_stated_at()
    }

    /// Whether an operator stated this about another user than `target`: a repeated command must
    /// not reach the new holder of an external id, whatever the sign-up time of that user.
    pub fn is_of_another(&self, target: &Target<'_>) -> bool {
        match &self.source {
            Source::Operator { user_id } => user_id != target.id,
            Source::Webhook | Source::Claim { .. } => false,
        }
    }
}

/// The latest moment that a time may mean: some times are written in whole seconds.
fn latest(time: u64) -> u64 {
    if time.is_multiple_of(1000) {
        time + 999
    } else {
        time
    }
}

#[cfg(test)]
mod tests;
