//! A remedy that may have been sent.

use std::time::Duration;

use crate::conflicts::state::{Reason, Remedy};

/// The time after a call during which the fields that it cleared may be restored.
pub(super) const RESTORED_WITHIN: Duration = Duration::from_hours(24);

/// A changing call that may have been sent. It is recorded before it is sent. Times are in
/// milliseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// The remedy.
    pub remedy: Remedy,
    /// The id of the user that it was for, who need not be the current holder of the email.
    pub to: String,
    /// The external id of that user before.
    pub external_id: Option<String>,
    /// The id of the user that the caller had before.
    pub own_user_id: Option<String>,
    /// Maximum emails of the survivor of a merge. It has more only if the merge took one from a
    /// third user.
    pub emails: Option<usize>,
    /// The reason for this remedy instead of a merge.
    pub instead_because: Option<Reason>,
    /// The keys of the manifests of its archives, the newest first. A call that is sent again is
    /// archived again.
    pub archives: Vec<String>,
    /// The time at which it was last sent.
    pub at: u64,
    /// Whether Zendesk accepted the call: 2xx, or 404. False after a 5xx or a lost response.
    pub accepted: bool,
    /// The number of checks of its effect.
    pub checks: u32,
    /// Whether the fields that a release cleared by side effect were restored.
    pub restored: bool,
}

impl Sent {
    /// A call that is about to be sent at `now`.
    pub fn new(
        remedy: Remedy,
        to: impl Into<String>,
        archive: impl Into<String>,
        now: u64,
    ) -> Self {
        Self {
            remedy,
            to: to.into(),
            external_id: None,
            own_user_id: None,
            emails: None,
            instead_because: None,
            archives: vec![archive.into()],
            at: now,
            accepted: false,
            checks: 0,
            restored: false,
        }
    }

    /// Whether fields that the call cleared may still be restored at `now`: once, and within a day.
    /// Later, a person may have erased them.
    pub fn is_restorable(&self, now: u64) -> bool {
        let since = Duration::from_millis(now.saturating_sub(self.at));
        !self.restored && since < RESTORED_WITHIN
    }

    /// The key of the newest archive's manifest.
    pub fn archive(&self) -> Option<&str> {
        self.archives.first().map(String::as_str)
    }
}
