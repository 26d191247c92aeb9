//! A plan: the one change that a decision asks for.

use shared::conflicts::{Reason, Remedy};
use shared::sunshine::{UserId, ZendeskId};

/// One changing call, and the user that it is for. Has no printing `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// The user that the remedy is for.
    pub user: UserId,
    /// The call.
    pub call: Call,
    /// The user that the caller has now.
    pub own_user_id: Option<UserId>,
    /// Why it is this remedy, and not a merge.
    pub instead_because: Option<Reason>,
}

/// A changing call. Each goes to an id of the user that was just read.
#[derive(Clone, PartialEq, Eq)]
pub enum Call {
    /// Take the user's personal information, its email included.
    Release,
    /// Make the user what Support's user is.
    Sync(ZendeskId),
    /// Merge the user into the one that has the caller's external id.
    Merge {
        /// The caller's user; none if it must be made first.
        survivor: Option<UserId>,
        /// The caller's external id.
        external_id: String,
    },
    /// Delete the user.
    Delete,
}

impl Call {
    /// The remedy that the call is.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Release => Remedy::ReleaseEmail,
            Self::Sync(_) | Self::Merge { .. } => Remedy::Merge,
            Self::Delete => Remedy::Delete,
        }
    }
}
