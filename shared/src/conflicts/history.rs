//! What webhooks told: which external id became which, which user was merged into which, and which
//! events were taken already.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | what an external id became | `external-id#` and a hash of it | `became` |
//! | what an external id was before | `external-id#` and a hash of it | `was` |
//! | what a Zendesk user was merged into | `zendesk-id#` and a hash of it | `merged` |
//! | an event that was taken | `event#` and a hash of its id | `seen` |
//!
//! Each is written only over an older one, by the signed time of the event.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{Scope, hash};
use super::lineage::{Lineage, Source};
use super::table::{Table, TableError};
use crate::clock::now_millis;
use crate::external_id::ExternalId;

/// How long an event is known again.
const SEEN_FOR: Duration = Duration::from_hours(24);
/// How long a change is kept: as long as it can count.
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);
/// How many changes are followed back.
const MAX_HOPS: usize = 10;

/// That something became something else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    previous: String,
    current: String,
    time: u64,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    time: u64,
    expires_at: u64,
}

/// What the changes say of two external ids.
pub enum Told {
    /// That the one became the other.
    Became(Lineage),
    /// Nothing.
    Nothing,
    /// Something else: the one became another, the other is no longer current, or a circle.
    Otherwise,
}

impl Table {
    /// Records that the external id `previous` became `current` at `time`.
    pub async fn record_change(
        &self,
        scope: &Scope,
        previous: &ExternalId,
        current: &ExternalId,
        time: u64,
    ) -> Result<(), TableError> {
        let change = change(previous.as_str(), current.as_str(), time);
        let (from, to) = (key(scope, previous.as_str()), key(scope, current.as_str()));
        self.put_newest(&from, "became", &change, time).await?;
        self.put_newest(&to, "was", &change, time).await
    }

    /// What the changes say of `previous` and `current`, whatever lies between.
    pub async fn told_of(
        &self,
        scope: &Scope,
        previous: &str,
        current: &str,
    ) -> Result<Told, TableError> {
        let became = self.change(scope, previous, "became").await?;
        // From the current one back, because that is the one whose user asks.
        let mut path = Vec::new();
        let mut seen = HashSet::from([current.to_owned()]);
        let mut reached = current.to_owned();
        while reached != previous && path.len() < MAX_HOPS {
            let Some(change) = self.change(scope, &reached, "was").await? else {
                break;
            };
            let is_in_order = path
                .last()
                .is_none_or(|later: &Change| change.time <= later.time);
            if !is_in_order {
                break;
            }
            if !seen.insert(change.previous.clone()) {
                return Ok(Told::Otherwise);
            }
            reached.clone_from(&change.previous);
            path.push(change);
        }
        let Some((first, last)) = path
            .last()
            .zip(path.first())
            .filter(|_| reached == previous)
        else {
            // Nothing leads from the one to the other. That the one became a third says more.
            return Ok(became.map_or(Told::Nothing, |_| Told::Otherwise));
        };
        if became.is_some_and(|became| became.current != first.current) {
            return Ok(Told::Otherwise);
        }
        let gone_on = self.change(scope, current, "became").await?;
        if gone_on.is_some_and(|later| later.time > last.time) {
            return Ok(Told::Otherwise);
        }
        Ok(Told::Became(Lineage {
            previous: previous.to_owned(),
            current: current.to_owned(),
            source: Source::Webhook,
            // The first change: who signed up with the previous id after it is somebody else.
            time: first.time,
        }))
    }

    /// Records that the Zendesk user `gone` was merged into `surviving` at `time`.
    pub async fn record_merge(
        &self,
        gone: &str,
        surviving: &str,
        time: u64,
    ) -> Result<(), TableError> {
        let change = change(gone, surviving, time);
        self.put_newest(&zendesk_key(gone), "merged", &change, time)
            .await
    }

    /// The Zendesk user that `id` was merged into, if it was.
    pub async fn merged_into(&self, id: &str) -> Result<Option<String>, TableError> {
        let change: Option<Change> = self.read(&zendesk_key(id), "merged").await?;
        Ok(change.map(|change| change.current))
    }

    /// Whether an event was taken in the last 24 hours.
    pub async fn has_seen(&self, event_id: &str) -> Result<bool, TableError> {
        let seen: Option<Seen> = self.read(&event_key(event_id), "seen").await?;
        // DynamoDB takes days to remove what has expired.
        Ok(seen.is_some_and(|seen| now_millis().saturating_sub(seen.time) < millis(SEEN_FOR)))
    }

    /// Notes that an event was taken.
    pub async fn mark_seen(&self, event_id: &str) -> Result<(), TableError> {
        let time = now_millis();
        let seen = Seen {
            time,
            expires_at: expiry(time, SEEN_FOR),
        };
        self.put_newest(&event_key(event_id), "seen", &seen, time)
            .await
    }

    async fn change(
        &self,
        scope: &Scope,
        external_id: &str,
        sk: &str,
    ) -> Result<Option<Change>, TableError> {
        self.read(&key(scope, external_id), sk).await
    }
}

fn change(previous: &str, current: &str, time: u64) -> Change {
    Change {
        previous: previous.to_owned(),
        current: current.to_owned(),
        time,
        expires_at: expiry(time.max(now_millis()), KEPT_FOR),
    }
}

fn key(scope: &Scope, external_id: &str) -> String {
    format!(
        "external-id#{}",
        scope.hash(&format!("external-id:{external_id}"))
    )
}

fn zendesk_key(id: &str) -> String {
    format!("zendesk-id#{}", hash(&["zendesk-id", id]))
}

fn event_key(id: &str) -> String {
    format!("event#{}", hash(&["event", id]))
}

fn expiry(time: u64, kept_for: Duration) -> u64 {
    Duration::from_millis(time)
        .saturating_add(kept_for)
        .as_secs()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
