//! A plan: the change that a decision asks for.

use shared::conflicts::{Reason, Remedy};
use shared::sunshine::{UserId, ZendeskId};

/// One changing call, and the user that it is for. It has no `Debug`, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// The user that the remedy is for.
    pub user: UserId,
    /// The call.
    pub call: Call,
    /// The user that the caller has now.
    pub own_user_id: Option<UserId>,
    /// The number of different emails of both users and of Support's user: the survivor of a merge
    /// must not have more.
    pub emails: usize,
    /// The reason for this remedy instead of a merge.
    pub instead_because: Option<Reason>,
}

/// A changing call. Each uses an id of the user that was just read.
#[derive(Clone, PartialEq, Eq)]
pub enum Call {
    /// Remove the user's personal information, its email included.
    Release,
    /// Make the user match Support's user.
    Sync(ZendeskId),
    /// Merge the user into the one that has the caller's external id.
    Merge {
        /// The caller's user; `None` if it must be created first.
        survivor: Option<UserId>,
        /// The caller's external id.
        external_id: String,
    },
    /// Delete the user.
    Delete,
}

impl Call {
    /// The remedy of the call.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Release => Remedy::ReleaseEmail,
            Self::Sync(_) | Self::Merge { .. } => Remedy::Merge,
            Self::Delete => Remedy::Delete,
        }
    }
}
