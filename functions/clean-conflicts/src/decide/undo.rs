//! Whether a release may be taken back.

use shared::conflicts::Conflict;
use shared::sunshine::{User, UserId};

use crate::evidence::emails;

/// The reason why a release must not be taken back. Nothing was changed at Zendesk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UndoRefusal {
    /// The user whose email was released is gone.
    #[error("the user of the release no longer exists")]
    OldUserGone,
    /// More than one user holds the email.
    #[error("several users hold the email; remove the surplus in Zendesk first")]
    SeveralHolders,
    /// The holder of the email did not ask for it.
    #[error("another user than the one who asked for it holds the email now")]
    OtherHolder,
    /// Taking the email off the holder would remove another identity.
    #[error(
        "the user who holds the email has another identity too, which would be lost; clear it in Zendesk"
    )]
    OtherIdentity,
}

/// The user to take the email off: the one among its `holders` who got it by the release. `None` if
/// only `old`, or nobody, holds it.
pub fn user_to_take_off<'a>(
    conflict: &Conflict,
    old: &UserId,
    holders: &'a [User],
) -> Result<Option<&'a User>, UndoRefusal> {
    let holder = match holders {
        [] => return Ok(None),
        [holder] if holder.id == *old => return Ok(None),
        [holder] => holder,
        _ => return Err(UndoRefusal::SeveralHolders),
    };
    let external_id = holder.external_id.as_deref().unwrap_or_default();
    if conflict.claims().of(external_id).next().is_none() {
        return Err(UndoRefusal::OtherHolder);
    }
    if emails(holder).len() != 1 || holder.identities.len() != 1 {
        return Err(UndoRefusal::OtherIdentity);
    }
    Ok(Some(holder))
}
