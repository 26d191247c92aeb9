//! The changes of external ids, from events: which id became which.
//!
//! The changes from and to an external id are one item: `pk` is `external-id#` and a hash of the
//! id, `sk` is `changes`. They are a set in the order of their signed times, so neither the order
//! nor the number of deliveries matters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::draft::{Draft, Key};
use super::id::Scope;
use super::lineage::{Lineage, Source};
use super::table::{Table, TableError};
use crate::identity::external_id::ExternalId;

/// The time for which a change is kept: as long as it can count.
pub(super) const KEPT_FOR: Duration = Duration::from_hours(90 * 24);
/// Maximum changes of one external id. More than two already prove nothing.
const MAX_CHANGES: usize = 50;
/// Maximum changes that are followed in a chain.
const MAX_HOPS: usize = 10;

/// An external id became another. `previous` is empty if the user had none before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdChange {
    time: u64,
    previous: String,
    current: String,
}

/// The changes from and to one external id, the latest last.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    version: u64,
    changes: Vec<IdChange>,
    expires_at: u64,
}

/// The result of following the changes between two external ids.
#[derive(Clone, PartialEq, Eq)]
pub enum IdChanges {
    /// The first id became the second.
    Became(Lineage),
    /// No change leads from one to the other, and none contradicts.
    Nothing,
    /// No change leads from one to the other, but this one assigned the first id to a user. It
    /// contradicts what was stated before it.
    Assigned(Lineage),
    /// A contradiction: the first id became another one or was assigned to a user again, the second
    /// id is no longer current, or the changes form a circle.
    Contradicted,
}

impl Table {
    /// Follows the changes from `previous` to `current`, through any ids in between.
    pub async fn changes_between(
        &self,
        scope: &Scope,
        previous: &str,
        current: &str,
    ) -> Result<IdChanges, TableError> {
        self.transact(|draft| changes_between(draft, scope, previous, current))
            .await
    }
}

/// Records that the external id `previous` became `current` at `time`; or, without `previous`, that
/// a user who had none got `current`.
pub(super) fn record_change(
    draft: &mut Draft<'_>,
    scope: &Scope,
    previous: Option<&ExternalId>,
    current: &ExternalId,
    time: u64,
    now: u64,
) -> Result<(), TableError> {
    let change = IdChange {
        time,
        previous: previous
            .map(|id| id.as_str().to_owned())
            .unwrap_or_default(),
        current: current.as_str().to_owned(),
    };
    for id in previous.into_iter().chain([current]) {
        let mut history = history(draft, scope, id.as_str())?;
        if !history.changes.contains(&change) {
            history.add(change.clone(), id, now);
            draft.put(changes_key(scope, id.as_str()), &history)?;
        }
    }
    Ok(())
}

/// Follows the changes from `previous` to `current`, through any ids in between.
pub(super) fn changes_between(
    draft: &mut Draft<'_>,
    scope: &Scope,
    previous: &str,
    current: &str,
) -> Result<IdChanges, TableError> {
    let of_previous = history(draft, scope, previous)?;
    let otherwise = if of_previous.changes.iter().any(|it| it.previous == previous) {
        IdChanges::Contradicted
    } else if let Some(assigned) = of_previous.changes.last() {
        IdChanges::Assigned(Lineage::new(
            assigned.previous.as_str(),
            assigned.current.as_str(),
            Source::Webhook,
            assigned.time,
        ))
    } else {
        IdChanges::Nothing
    };
    // Go backwards from the current id, because its user is the one with the conflict.
    let of_current = history(draft, scope, current)?;
    let mut arrival = arrival_of(&of_current.changes, current);
    for _ in 0..MAX_HOPS {
        let Some(change) = arrival.filter(|it| !it.previous.is_empty()) else {
            break;
        };
        if change.previous == previous {
            return Ok(if of_previous.is_only_left_by(&change) {
                IdChanges::Became(Lineage::new(
                    previous,
                    current,
                    Source::Webhook,
                    // A user who signed up with the previous id after this time is another person.
                    change.time,
                ))
            } else {
                otherwise
            });
        }
        let between = history(draft, scope, &change.previous)?;
        arrival = arrival_of(between.until(&change), &change.previous);
    }
    Ok(otherwise)
}

/// The external id that `external_id` became after `time`.
pub(super) fn successor(
    draft: &mut Draft<'_>,
    scope: &Scope,
    external_id: &ExternalId,
    time: u64,
) -> Result<String, TableError> {
    let (mut reached, mut time) = (external_id.as_str().to_owned(), time);
    for _ in 0..MAX_HOPS {
        let history = history(draft, scope, &reached)?;
        let is_later = |it: &IdChange| it.previous == reached && it.time > time;
        match history.changes.into_iter().find(is_later) {
            Some(later) => (reached, time) = (later.current, later.time),
            None => break,
        }
    }
    Ok(reached)
}

fn history(draft: &mut Draft<'_>, scope: &Scope, id: &str) -> Result<History, TableError> {
    Ok(draft.get(&changes_key(scope, id))?.unwrap_or_default())
}

fn changes_key(scope: &Scope, id: &str) -> Key {
    (partition(scope, id), "changes")
}

impl History {
    fn add(&mut self, change: IdChange, id: &ExternalId, now: u64) {
        self.version += 1;
        self.expires_at = self.expires_at.max(expiry(now.max(change.time), KEPT_FOR));
        self.changes.push(change);
        // An id that was assigned and left in the same moment was assigned first.
        self.changes
            .sort_by_key(|it| (it.time, it.previous == id.as_str()));
        let surplus = self.changes.len().saturating_sub(MAX_CHANGES);
        self.changes.drain(..surplus);
    }

    /// Whether the external id's only other change is the one that assigned it. If it was left
    /// twice, or assigned to another user again, its holders could not be distinguished.
    fn is_only_left_by(&self, change: &IdChange) -> bool {
        match self.changes.as_slice() {
            [left] => left == change,
            [came, left] => left == change && came.current == change.previous,
            _ => false,
        }
    }

    /// The changes before `change`.
    fn until(&self, change: &IdChange) -> &[IdChange] {
        let end = self.changes.iter().position(|it| it == change);
        end.and_then(|end| self.changes.get(..end))
            .unwrap_or_default()
    }
}

/// The latest change, if it assigned `id` while `id` was free.
fn arrival_of(changes: &[IdChange], id: &str) -> Option<IdChange> {
    let (last, before) = changes.split_last()?;
    let was_free = before.last().is_none_or(|it| it.previous == id);
    (last.current == id && was_free).then(|| last.clone())
}

/// The partition of everything that is stored about an external id.
pub fn partition(scope: &Scope, external_id: &str) -> String {
    format!(
        "external-id#{}",
        scope.hash(&format!("external-id:{external_id}"))
    )
}

/// The expiry of an item that is kept for `kept_for` after `time`, in seconds since 1970.
pub(super) fn expiry(time: u64, kept_for: Duration) -> u64 {
    Duration::from_millis(time)
        .saturating_add(kept_for)
        .as_secs()
}

#[cfg(test)]
mod tests;
