//! The state of a Zendesk Support user, from events: its external id, its primary email, and its
//! merges.
//!
//! A merge by `sync` writes Support's external id and primary email into the messaging user,
//! whatever they are, and takes them from any third user, so a drain needs to know both. `pk` is
//! `zendesk-id#` and a hash of the id, `sk` is `user`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::draft::{Draft, Key};
use super::history::{KEPT_FOR, expiry};
use super::id::hash;
use super::table::{Table, TableError};
use crate::identity::email::EmailKey;

/// The time after a merge in which neither user is changed: Support's merge is not atomic, and for
/// some seconds the survivor lacks the other user's emails.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// The state of a Support user, from events. Times are in milliseconds since 1970. It has no
/// `Debug`, so it is never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportUser {
    /// The external id, if the latest event states one.
    external_id: Option<String>,
    /// The primary email of the latest event that stated an external id, if it stated an email. An
    /// event that makes the external id unknown does not clear it.
    email: Option<String>,
    /// The time of the latest event.
    time: u64,
    /// The time of the latest merge that the user was in.
    merged_at: Option<u64>,
    expires_at: u64,
}

impl SupportUser {
    /// The user's current external id, if the latest event states one.
    pub fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }

    /// The user's primary email as it is compared, from the latest event that stated an external
    /// id.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The time of the latest event about it, in milliseconds since 1970.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Whether the user was merged so recently that it must be left alone.
    pub fn is_settling(&self, now: u64) -> bool {
        self.merged_at.is_some_and(|merged_at| {
            Duration::from_millis(now.saturating_sub(merged_at)) < SETTLES_WITHIN
        })
    }
}

impl Table {
    /// The state of the Support user `zendesk_id`, if events state any.
    pub async fn support_user(&self, zendesk_id: &str) -> Result<Option<SupportUser>, TableError> {
        self.transact(|draft| draft.get(&key(zendesk_id))).await
    }
}

/// Records that at `time` the Support user had this external id and primary email.
pub(super) fn record_external_id(
    draft: &mut Draft<'_>,
    zendesk_id: &str,
    (external_id, email): (&str, Option<&EmailKey>),
    time: u64,
    now: u64,
) -> Result<(), TableError> {
    update(draft, zendesk_id, time, now, |user| {
        user.external_id = Some(external_id.to_owned());
        user.email = email.map(|email| email.as_str().to_owned());
    })
}

/// Records that at `time` the external id of the Support user became unknown. Writes nothing about
/// an unknown user.
pub(super) fn forget_external_id(
    draft: &mut Draft<'_>,
    zendesk_id: &str,
    time: u64,
    now: u64,
) -> Result<(), TableError> {
    if draft.get::<SupportUser>(&key(zendesk_id))?.is_none() {
        return Ok(());
    }
    update(draft, zendesk_id, time, now, |user| user.external_id = None)
}

/// Records that the Support user was merged at `time`. Its external id is then unknown until an
/// event states it, because no source says which of the two users is gone.
pub(super) fn record_merge(
    draft: &mut Draft<'_>,
    zendesk_id: &str,
    time: u64,
    now: u64,
) -> Result<(), TableError> {
    let key = key(zendesk_id);
    let mut user: SupportUser = draft.get(&key)?.unwrap_or_default();
    if user.merged_at.is_none_or(|merged_at| merged_at < time) {
        user.merged_at = Some(time);
        user.keep(time, now);
        draft.put(key, &user)?;
    }
    update(draft, zendesk_id, time, now, |user| user.external_id = None)
}

/// Changes the state of a Support user, unless a later event is known. If two events of the same
/// moment differ, the external id becomes unknown.
fn update(
    draft: &mut Draft<'_>,
    zendesk_id: &str,
    time: u64,
    now: u64,
    change: impl FnOnce(&mut SupportUser),
) -> Result<(), TableError> {
    let key = key(zendesk_id);
    let known: SupportUser = draft.get(&key)?.unwrap_or_default();
    let mut user = known.clone();
    change(&mut user);
    if time < known.time || user == known && time == known.time {
        return Ok(());
    }
    if time == known.time {
        user.external_id = None;
    }
    user.time = time;
    user.keep(time, now);
    draft.put(key, &user)
}

impl SupportUser {
    fn keep(&mut self, time: u64, now: u64) {
        self.expires_at = self.expires_at.max(expiry(time.max(now), KEPT_FOR));
    }
}

fn key(zendesk_id: &str) -> Key {
    let hash = hash(&["zendesk-id", zendesk_id]);
    (format!("zendesk-id#{hash}"), "user")
}
