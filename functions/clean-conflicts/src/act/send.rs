//! Sends changing calls. Before a remedy is sent, the record gets the call, its target and the
//! archive. Creating a survivor and restoring fields are not recorded: repeating them harms no one.

use shared::conflicts::{Conflict, Remedy, Sent};
use shared::lambda::clock::now_millis;
use shared::sunshine::{Error, LookupExternalId, User, UserId, UserPatch};

use crate::context::Context;
use crate::interrupted::Interrupted;
use crate::plan::{Call, Plan};

/// Creates the user that is to survive a merge, with the caller's external id and nothing else.
pub async fn make_survivor(ctx: &Context<'_>, external_id: &str) -> Result<UserId, Interrupted> {
    let lookup = LookupExternalId::try_from(external_id.to_owned());
    let lookup = lookup.map_err(|_| Interrupted::Retry)?;
    let made = ctx.sunshine.create_user(&lookup, ctx.deadlines.calls);
    Ok(made.await?.id)
}

/// The result of sending a remedy.
pub enum SendResult {
    /// It was executed, or may have been.
    Sent,
    /// It was certainly not executed.
    NotExecuted(Error),
}

/// Records the remedy and sends it.
pub async fn send(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
    plan: &Plan,
    user: &User,
    manifest: &str,
) -> Result<SendResult, Interrupted> {
    let before = conflict.clone();
    let mut sent = Sent::new(
        plan.call.remedy(),
        plan.user.as_str(),
        manifest,
        now_millis(),
    );
    sent.external_id.clone_from(&user.external_id);
    sent.own_user_id = plan.own_user_id.as_ref().map(ToString::to_string);
    sent.emails = (plan.call.remedy() == Remedy::Merge).then_some(plan.emails);
    sent.instead_because = plan.instead_because;
    conflict.record_sent(sent);
    if let Err(error) = ctx.table.write(conflict).await {
        // Nothing was sent. It does not matter whether the record was written after all.
        tracing::warn!(%error, "could not record a remedy, so it was not sent");
        *conflict = before;
        return Err(Interrupted::Left);
    }
    match call(ctx, plan).await {
        // After a 404 a delete is done, and a release has nothing left to do.
        Ok(()) | Err(Error::NotFound) => {
            conflict.note_accepted();
            Ok(SendResult::Sent)
        }
        Err(error @ Error::Unknown(_)) => {
            tracing::warn!(%error, "the outcome of a remedy is unknown");
            Ok(SendResult::Sent)
        }
        Err(error) => {
            conflict.undo_send(&before);
            Ok(SendResult::NotExecuted(error))
        }
    }
}

/// Sends the call of a plan. It uses the user's own id, or for a sync the Support user's id that
/// was just read from that user; never an external id.
async fn call(ctx: &Context<'_>, plan: &Plan) -> Result<(), Error> {
    let (sunshine, deadline) = (&ctx.sunshine, ctx.deadlines.calls);
    match &plan.call {
        Call::Release => {
            sunshine
                .delete_personal_information(&plan.user, deadline)
                .await
        }
        Call::Sync(id) => sunshine.sync_user(id, deadline).await,
        Call::Merge {
            survivor: Some(survivor),
            ..
        } => sunshine.merge_users(survivor, &plan.user, deadline).await,
        Call::Merge { survivor: None, .. } => Err(Error::NotFound),
        Call::Delete => sunshine.delete_user(&plan.user, deadline).await,
    }
}

/// Restores fields of the user that a remedy was sent to.
pub async fn restore(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
    patch: &UserPatch,
) -> Result<(), Interrupted> {
    let target = conflict.sent().and_then(|sent| sent.to.parse().ok());
    let target: UserId = target.ok_or(Interrupted::Retry)?;
    match ctx
        .sunshine
        .update_user(&target, patch, ctx.deadlines.calls)
        .await
    {
        Ok(()) | Err(Error::NotFound) => {
            conflict.note_restored();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
