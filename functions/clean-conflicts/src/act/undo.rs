//! The changing calls of an undo.

use shared::conflicts::{Conflict, Remedy, Withdrawal};
use shared::lambda::clock::now_millis;
use shared::sunshine::{User, UserId, UserPatch};

use super::archive;
use crate::context::Context;
use crate::interrupted::Interrupted;

/// Takes the email off `holder`, by the call of a release. The record first gets the user and the
/// archive, so that the rest of the profile can be restored whatever happens next.
pub async fn withdraw_email(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
    holder: &User,
) -> Result<(), Interrupted> {
    let archived = archive(ctx, &mut conflict.clone(), holder, Remedy::ReleaseEmail).await?;
    conflict.record_withdrawal(Withdrawal {
        user_id: holder.id.to_string(),
        archive: archived.manifest().to_owned(),
        at: now_millis(),
    });
    if let Err(error) = ctx.table.write(conflict).await {
        tracing::warn!(%error, "could not record a withdrawal, so it was not sent");
        return Err(Interrupted::Left);
    }
    let call = ctx
        .sunshine
        .delete_personal_information(&holder.id, ctx.deadlines.calls);
    Ok(call.await?)
}

/// Writes the fields of a patch, if it has any.
pub async fn update(
    ctx: &Context<'_>,
    user: &UserId,
    patch: &UserPatch,
) -> Result<(), Interrupted> {
    if *patch != UserPatch::default() {
        ctx.sunshine
            .update_user(user, patch, ctx.deadlines.calls)
            .await?;
    }
    Ok(())
}
