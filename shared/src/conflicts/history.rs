//! What webhooks told of external ids: which became which.
//!
//! The changes from and to an external id are one item, `external-id#` and a hash of the id, `sk`
//! `changes`. They are a set in the order of their signed times, so neither the order nor the
//! number of deliveries matters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::Scope;
use super::lineage::{Lineage, Source};
use super::table::{Table, TableError};
use crate::identity::external_id::ExternalId;
use crate::lambda::clock::now_millis;

/// How long a change is kept: as long as it can count.
pub(super) const KEPT_FOR: Duration = Duration::from_hours(90 * 24);
/// How many changes of one external id are kept. More than two prove nothing already.
const MAX_CHANGES: usize = 50;
/// How many changes are followed.
pub(super) const MAX_HOPS: usize = 10;

/// That an external id became another. `previous` is empty where a user had none before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    time: u64,
    previous: String,
    current: String,
}

/// The changes from and to one external id, the latest last.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    version: u64,
    changes: Vec<Change>,
    expires_at: u64,
}

/// What the changes say of two external ids.
pub enum Told {
    /// That the one became the other.
    Became(Lineage),
    /// Nothing.
    Nothing,
    /// Something else: the one became another or was given to somebody again, the other is no
    /// longer current, or a circle.
    Otherwise,
}

impl Table {
    /// Records that the external id `previous` became `current` at `time`; or, without `previous`,
    /// that `current` was given to somebody who had none.
    pub async fn record_change(
        &self,
        scope: &Scope,
        previous: Option<&ExternalId>,
        current: &ExternalId,
        time: u64,
    ) -> Result<(), TableError> {
        let change = Change {
            time,
            previous: previous
                .map(ExternalId::as_str)
                .unwrap_or_default()
                .to_owned(),
            current: current.as_str().to_owned(),
        };
        let of_previous = async {
            match previous {
                Some(previous) => self.add_change(scope, previous, &change).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(of_previous, self.add_change(scope, current, &change))?;
        Ok(())
    }

    async fn add_change(
        &self,
        scope: &Scope,
        id: &ExternalId,
        change: &Change,
    ) -> Result<(), TableError> {
        loop {
            let mut history = self.history(scope, id.as_str()).await?;
            if history.changes.contains(change) {
                return Ok(());
            }
            history.add(change.clone(), id);
            let (pk, version) = (key(scope, id.as_str()), history.version);
            if self
                .put_greater(&pk, "changes", &history, "version", version)
                .await?
            {
                return Ok(());
            }
        }
    }

    async fn history(&self, scope: &Scope, id: &str) -> Result<History, TableError> {
        let history = self.read(&key(scope, id), "changes").await?;
        Ok(history.unwrap_or_default())
    }

    /// What the changes say of `previous` and `current`, whatever lies between.
    pub async fn told_of(
        &self,
        scope: &Scope,
        previous: &str,
        current: &str,
    ) -> Result<Told, TableError> {
        let of_previous = self.history(scope, previous).await?;
        let otherwise = if of_previous.changes.iter().any(|it| it.previous == previous) {
            Told::Otherwise
        } else {
            Told::Nothing
        };
        // From the current one back, because that is the one whose user asks.
        let of_current = self.history(scope, current).await?;
        let mut arrival = arrival_of(&of_current.changes, current);
        for _ in 0..MAX_HOPS {
            let Some(change) = arrival.filter(|it| !it.previous.is_empty()) else {
                break;
            };
            if change.previous == previous {
                return Ok(if of_previous.is_only_left_by(&change) {
                    Told::Became(Lineage {
                        previous: previous.to_owned(),
                        current: current.to_owned(),
                        source: Source::Webhook,
                        // Who signed up with the previous id after this is somebody else.
                        time: change.time,
                    })
                } else {
                    otherwise
                });
            }
            let between = self.history(scope, &change.previous).await?;
            arrival = arrival_of(between.until(&change), &change.previous);
        }
        Ok(otherwise)
    }

    /// What became of `external_id` after `time`.
    pub(super) async fn became_since(
        &self,
        scope: &Scope,
        external_id: &ExternalId,
        time: u64,
    ) -> Result<String, TableError> {
        let (mut reached, mut time) = (external_id.as_str().to_owned(), time);
        for _ in 0..MAX_HOPS {
            let history = self.history(scope, &reached).await?;
            let is_later = |it: &Change| it.previous == reached && it.time > time;
            match history.changes.into_iter().find(is_later) {
                Some(later) => (reached, time) = (later.current, later.time),
                None => break,
            }
        }
        Ok(reached)
    }
}

impl History {
    fn add(&mut self, change: Change, id: &ExternalId) {
        self.version += 1;
        let now = now_millis().max(change.time);
        self.expires_at = self.expires_at.max(expiry(now, KEPT_FOR));
        self.changes.push(change);
        // An id that came and went in the same moment came first.
        self.changes
            .sort_by_key(|it| (it.time, it.previous == id.as_str()));
        let surplus = self.changes.len().saturating_sub(MAX_CHANGES);
        self.changes.drain(..surplus);
    }

    /// Whether the external id's only other change is the one by which it came to be. Had it been
    /// left twice, or given to somebody again, nobody could tell its holders apart.
    fn is_only_left_by(&self, change: &Change) -> bool {
        match self.changes.as_slice() {
            [left] => left == change,
            [came, left] => left == change && came.current == change.previous,
            _ => false,
        }
    }

    /// The changes before `change`.
    fn until(&self, change: &Change) -> &[Change] {
        let end = self.changes.iter().position(|it| it == change);
        end.and_then(|end| self.changes.get(..end))
            .unwrap_or_default()
    }
}

/// The last of `changes`, where by it the external id `id` came to be. None where it is the other
/// way round, or where it had come to be already and was not left in between.
fn arrival_of(changes: &[Change], id: &str) -> Option<Change> {
    let (last, before) = changes.split_last()?;
    let was_free = before.last().is_none_or(|it| it.previous == id);
    (last.current == id && was_free).then(|| last.clone())
}

/// The partition of what is kept of an external id, under a hash of it.
pub fn key(scope: &Scope, external_id: &str) -> String {
    format!(
        "external-id#{}",
        scope.hash(&format!("external-id:{external_id}"))
    )
}

/// When something that is kept so long after `time` expires, in seconds since 1970.
pub(super) fn expiry(time: u64, kept_for: Duration) -> u64 {
    Duration::from_millis(time)
        .saturating_add(kept_for)
        .as_secs()
}
