//! Events of Zendesk, and how they are recorded: each once, in one transaction.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | an event that was recorded | `event#` and a hash of its id | `seen` |
//! | the email that an external id had last | `external-id#` and a hash of it | `email` |
//! | the changes of an external id | see `history.rs` | |
//! | the state of a Support user | see `support_user.rs` | |

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::claim::{Claim, ClaimSource};
use super::draft::{Draft, Key};
use super::history::{self, IdChanges, KEPT_FOR, expiry, partition};
use super::id::{ConflictId, Scope, hash};
use super::record::Conflict;
use super::record::report::Report;
use super::support_user;
use super::table::{Table, TableError, conflict_item, conflict_key};
use crate::identity::email::EmailKey;
use crate::identity::external_id::ExternalId;
use crate::lambda::clock::now_millis;

/// The time for which the id of an event is remembered.
const SEEN_FOR: Duration = Duration::from_hours(24);

/// A signed event of Zendesk. It has no `Debug`, so it is never printed.
pub struct Event {
    /// Its id, which is signed, unlike the one in the headers.
    pub id: String,
    /// The time at which it happened, in milliseconds since 1970.
    pub time: u64,
    /// The id of the Support user that it is about.
    pub zendesk_id: Option<String>,
    /// The change that it reports.
    pub change: Change,
}

/// The change that an event reports, as far as it matters here.
pub enum Change {
    /// An end user's external id was changed.
    ExternalId {
        /// The one before, if there was one.
        previous: Option<ExternalId>,
        /// The one now.
        current: ExternalId,
        /// The user's email.
        email: Option<EmailKey>,
    },
    /// An end user has another primary email, or the first one.
    Email {
        /// The user's external id.
        external_id: ExternalId,
        /// The email now.
        email: EmailKey,
    },
    /// Two users were merged: the event's and this one. Which of them is gone is not documented.
    Merged {
        /// The Zendesk id of the other user.
        with: String,
    },
    /// A change after which the user's external id is unknown.
    Unknown,
    /// A change that does not matter here.
    Other,
}

/// The result of recording an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is newly recorded.
    New,
    /// It was already recorded.
    Replayed,
    /// It does not matter here, or only makes an external id unknown.
    Ignored,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Email {
    /// The id of the conflict over the email, because the email itself is not stored here.
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
    /// Records an event: everything that it states, and the fact that it was recorded, or nothing
    /// at all.
    pub async fn record_event(&self, scope: &Scope, event: &Event) -> Result<Recorded, TableError> {
        let now = now_millis();
        self.transact(|draft| record(draft, scope, event, now))
            .await
    }
}

fn record(
    draft: &mut Draft<'_>,
    scope: &Scope,
    event: &Event,
    now: u64,
) -> Result<Recorded, TableError> {
    let (time, zendesk_id) = (event.time, event.zendesk_id.as_deref());
    match &event.change {
        // Recording these twice changes nothing, so their ids need not be remembered.
        Change::Other => return Ok(Recorded::Ignored),
        Change::Unknown => {
            if let Some(id) = zendesk_id {
                support_user::forget_external_id(draft, id, time, now)?;
            }
            return Ok(Recorded::Ignored);
        }
        Change::ExternalId { .. } | Change::Email { .. } | Change::Merged { .. } => {}
    }
    let seen_key = (format!("event#{}", hash(&["event", &event.id])), "seen");
    let seen: Option<Seen> = draft.get(&seen_key)?;
    // DynamoDB takes days to remove an item that has expired.
    let is_recent = |seen: Seen| Duration::from_millis(now.saturating_sub(seen.time)) < SEEN_FOR;
    if seen.is_some_and(is_recent) {
        return Ok(Recorded::Replayed);
    }
    let seen = Seen {
        time: now,
        expires_at: expiry(now, SEEN_FOR),
    };
    draft.put(seen_key, &seen)?;

    let states = |draft: &mut Draft<'_>, external_id: &ExternalId, email: Option<&EmailKey>| {
        let stated = (external_id.as_str(), email);
        match zendesk_id {
            Some(id) => support_user::record_external_id(draft, id, stated, time, now),
            None => Ok(()),
        }
    };
    match &event.change {
        Change::ExternalId {
            previous,
            current,
            email,
        } => {
            states(draft, current, email.as_ref())?;
            if previous.as_ref() != Some(current) {
                history::record_change(draft, scope, previous.as_ref(), current, time, now)?;
            }
            if let Some(email) = email {
                request_check(draft, scope, email, current, time, now)?;
            }
        }
        Change::Email { external_id, email } => {
            states(draft, external_id, Some(email))?;
            request_check(draft, scope, email, external_id, time, now)?;
        }
        Change::Merged { with } => {
            for id in zendesk_id.into_iter().chain([with.as_str()]) {
                support_user::record_merge(draft, id, time, now)?;
            }
        }
        Change::Unknown | Change::Other => {}
    }
    Ok(Recorded::New)
}

/// Asks for a check of `email`, which at `time` belonged to the user with the external id
/// `external_id`. No check is requested if a later event states another email of that user: this
/// email may belong to another person by now.
///
/// The claimant is the id's current successor; earlier ids of the same Support user are folded into
/// it instead of counting as a second claimant.
fn request_check(
    draft: &mut Draft<'_>,
    scope: &Scope,
    email: &EmailKey,
    external_id: &ExternalId,
    time: u64,
    now: u64,
) -> Result<(), TableError> {
    let claimant = history::successor(draft, scope, external_id, time)?;
    let claim = Claim::new(claimant.as_str(), ClaimSource::Event, now);
    let report = Report::over_email(scope, email, claim);
    let key = (conflict_key(report.conflict_id()), "conflict");
    let is_current = note_email(draft, scope, &claimant, report.conflict_id(), time, now)?;
    let Some(known) = draft.get::<Conflict>(&key)? else {
        if is_current {
            draft.put_item(key, conflict_item(&Conflict::open(&report))?);
        }
        return Ok(());
    };
    let mut changed = known.clone();
    for other in known.claims().external_ids() {
        let between = history::changes_between(draft, scope, other, &claimant)?;
        if other != claimant && matches!(between, IdChanges::Became(_)) {
            changed.rename_in_events(other, &claimant, now);
        }
    }
    if is_current {
        changed = changed.reported_again(&report, now).unwrap_or(changed);
    }
    if changed != known {
        changed.count_write(now);
        draft.put_item(key, conflict_item(&changed)?);
    }
    Ok(())
}

/// Records that at `time` the email of `external_id` was the one of this conflict, unless a
/// later event is known. Returns false only if that one stated another email.
fn note_email(
    draft: &mut Draft<'_>,
    scope: &Scope,
    external_id: &str,
    conflict_id: &ConflictId,
    time: u64,
    now: u64,
) -> Result<bool, TableError> {
    let key: Key = (partition(scope, external_id), "email");
    let known: Option<Email> = draft.get(&key)?;
    if let Some(known) = known.filter(|known| known.time >= time) {
        return Ok(known.time == time || known.conflict_id == *conflict_id);
    }
    let email = Email {
        conflict_id: conflict_id.clone(),
        time,
        expires_at: expiry(time.max(now), KEPT_FOR),
    };
    draft.put(key, &email)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
