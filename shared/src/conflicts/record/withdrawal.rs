//! A withdrawal of the email that a release let another user have.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sent::RESTORED_WITHIN;

/// A call by which an undo takes the email off a user, and by side effect the rest of its profile.
/// It is recorded before it is sent, so that an undo that is sent again can restore the rest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    /// The id of the user.
    pub user_id: String,
    /// The key of the manifest of its archive.
    pub archive: String,
    /// The time at which it was sent, in milliseconds since 1970.
    pub at: u64,
}

impl Withdrawal {
    /// Whether the rest of the profile may still be restored at `now`: within a day. Later, a
    /// person may have erased it.
    pub fn is_restorable(&self, now: u64) -> bool {
        Duration::from_millis(now.saturating_sub(self.at)) < RESTORED_WITHIN
    }
}
