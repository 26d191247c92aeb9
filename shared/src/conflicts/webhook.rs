//! What webhooks ask for and tell, but for the changes of external ids (see `history.rs`).
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | which email was last told to be an external id's | `external-id#` and a hash of it | `email` |
//! | what a Zendesk user was merged into | `zendesk-id#` and a hash of it | `merged` |
//! | an event that was taken | `event#` and a hash of its id | `seen` |

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::history::{KEPT_FOR, MAX_HOPS, Told, expiry, key};
use super::id::{ConflictId, Scope, hash};
use super::record::Conflict;
use super::table::{Table, TableError};
use crate::identity::email::EmailKey;
use crate::identity::external_id::ExternalId;
use crate::lambda::clock::now_millis;

/// How long an event is known again.
const SEEN_FOR: Duration = Duration::from_hours(24);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Merged {
    into: String,
    time: u64,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Email {
    /// Of the email: what the conflict over it is called.
    conflict_id: ConflictId,
    time: u64,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    time: u64,
    expires_at: u64,
}

impl Table {
    /// Asks for a check of `email`, which at `time` was that of the user whose external id was
    /// `external_id` then. No check where a later event told of another email of that user: this
    /// one may be somebody else's by now.
    ///
    /// The claimant is what became of that id since. Who claimed the email by an earlier id of the
    /// same user is that user, and no second claimant.
    pub async fn ask_for_a_check(
        &self,
        scope: &Scope,
        email: &EmailKey,
        external_id: &ExternalId,
        time: u64,
    ) -> Result<(), TableError> {
        let claimant = self.became_since(scope, external_id, time).await?;
        let report = Conflict::over_email(scope, email, &claimant, now_millis());
        let id = &report.conflict_id;
        let has_it_still = self.has_email_still(scope, &claimant, id, time).await?;
        if has_it_still && self.open(&report).await?.is_none() {
            return Ok(());
        }
        // What the event tells of external ids is true of who claimed the email before, too.
        self.rename_claimants(scope, id, &claimant).await?;
        if !has_it_still {
            return Ok(());
        }
        let conflict = self.report(&report).await?;
        if conflict.claimants.len() > 1 {
            // The event of an earlier change may have been taken meanwhile.
            self.rename_claimants(scope, id, &claimant).await?;
        }
        Ok(())
    }

    /// Notes that at `time` the email of `external_id` was the one of the conflict `email`, unless
    /// something was told of a later time. Answers false where that is another one.
    async fn has_email_still(
        &self,
        scope: &Scope,
        external_id: &str,
        email: &ConflictId,
        time: u64,
    ) -> Result<bool, TableError> {
        let pk = key(scope, external_id);
        let told = Email {
            conflict_id: email.clone(),
            time,
            expires_at: expiry(time.max(now_millis()), KEPT_FOR),
        };
        if self.put_greater(&pk, "email", &told, "time", time).await? {
            return Ok(true);
        }
        let known: Option<Email> = self.read(&pk, "email").await?;
        Ok(known.is_none_or(|known| known.time <= time || known.conflict_id == *email))
    }

    /// Puts `claimant` in the place of every claimant that became it.
    async fn rename_claimants(
        &self,
        scope: &Scope,
        id: &ConflictId,
        claimant: &str,
    ) -> Result<(), TableError> {
        loop {
            let Some(mut conflict) = self.get(id).await? else {
                return Ok(());
            };
            let mut claimants = BTreeSet::new();
            for known in &conflict.claimants {
                let told = self.told_of(scope, known, claimant).await?;
                let is_earlier = known != claimant && matches!(told, Told::Became(_));
                claimants.insert(if is_earlier { claimant } else { known }.to_owned());
            }
            if claimants == conflict.claimants {
                return Ok(());
            }
            conflict.rename(claimants, now_millis());
            match self.write(&mut conflict).await {
                Err(TableError::Changed) => {}
                outcome => return outcome,
            }
        }
    }

    /// Records that the Zendesk user `gone` was merged into `surviving` at `time`.
    pub async fn record_merge(
        &self,
        gone: &str,
        surviving: &str,
        time: u64,
    ) -> Result<(), TableError> {
        let merged = Merged {
            into: surviving.to_owned(),
            time,
            expires_at: expiry(time.max(now_millis()), KEPT_FOR),
        };
        self.put_greater(&zendesk_key(gone), "merged", &merged, "time", time)
            .await
            .map(drop)
    }

    /// The Zendesk user that `id` was merged into, if it was: the last one, where that one was
    /// merged itself. None where they go round in a circle.
    pub async fn merged_into(&self, id: &str) -> Result<Option<String>, TableError> {
        let mut surviving = None;
        for _ in 0..MAX_HOPS {
            let reached = surviving.as_deref().unwrap_or(id);
            let merged: Option<Merged> = self.read(&zendesk_key(reached), "merged").await?;
            match merged {
                Some(merged) => surviving = Some(merged.into),
                None => return Ok(surviving),
            }
        }
        Ok(None)
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
        self.put_greater(&event_key(event_id), "seen", &seen, "time", time)
            .await
            .map(drop)
    }
}

fn zendesk_key(id: &str) -> String {
    format!("zendesk-id#{}", hash(&["zendesk-id", id]))
}

fn event_key(id: &str) -> String {
    format!("event#{}", hash(&["event", id]))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
