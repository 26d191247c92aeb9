//! The action `undo`.

use shared::conflicts::{Conflict, Remedy, Sent};
use shared::lambda::clock::now_millis;
use shared::lambda::invoke::OperatorError;
use shared::sunshine::{Error, User, UserId};

use super::Run;
use super::moves::invalid;
use crate::act;
use crate::archive::archived_user;
use crate::context::Context;
use crate::decide::{self, UndoRefusal};
use crate::event::Undo;
use crate::interrupted::Interrupted;
use crate::stop::StopReason;

impl Run<'_> {
    /// Takes a release back. The API cannot write an email identity, so the email is only taken off
    /// the user who got it, and comes back with the old user's next login.
    pub async fn undo(&self, undo: &Undo) -> Result<(), OperatorError> {
        let mut conflict = self.at_version(&undo.conflict_id, undo.version).await?;
        let before = conflict.state();
        let sent = conflict
            .sent()
            .filter(|sent| sent.remedy == Remedy::ReleaseEmail);
        let Some(sent) = sent.cloned().filter(|_| conflict.has_ended()) else {
            return Err(invalid("only a release that is over can be taken back"));
        };
        // Write a new version, which gives a second undo a folder of its own in the archive.
        conflict.note_operator(Some(&undo.by));
        self.write(&mut conflict).await?;
        match self.put_back(&mut conflict, &sent).await {
            Ok(None) => {}
            Ok(Some(refusal)) => return Err(invalid(&refusal.to_string())),
            Err(interrupted) => {
                if let Interrupted::Retry | Interrupted::Forbidden =
                    self.ctx.diagnose(interrupted).await
                {
                    self.ctx.stop(StopReason::UpstreamError);
                }
                self.report.borrow_mut().deferred += 1;
                return Ok(());
            }
        }
        conflict.note_undone(&undo.by, now_millis());
        self.write(&mut conflict).await?;
        self.ctx.log_change(Some(before), &conflict);
        self.report.borrow_mut().add(&conflict);
        Ok(())
    }

    /// Takes the email off the user who got it, and restores the old user's profile. Returns the
    /// reason why the release must not be taken back, if there is one.
    async fn put_back(
        &self,
        conflict: &mut Conflict,
        sent: &Sent,
    ) -> Result<Option<UndoRefusal>, Interrupted> {
        let ctx = &self.ctx;
        let archive = ctx.archive.ok_or(Interrupted::Left)?;
        // An earlier undo may have been interrupted between the withdrawal and this.
        restore_after_withdrawal(ctx, conflict).await?;
        let mut archived = Vec::new();
        for manifest in &sent.archives {
            archived.push(archived_user(archive, manifest).await?);
        }
        let old: UserId = sent.to.parse().map_err(|_| Interrupted::Retry)?;
        let Some(old) = user(ctx, &old).await? else {
            return Ok(Some(UndoRefusal::OldUserGone));
        };
        if let Some(email) = conflict.email() {
            let holders = ctx
                .sunshine
                .list_users_by_email(email, ctx.deadlines.calls)
                .await?;
            match decide::user_to_take_off(conflict, &old.id, &holders) {
                Err(refusal) => return Ok(Some(refusal)),
                Ok(None) => {}
                Ok(Some(holder)) => {
                    act::withdraw_email(ctx, conflict, holder).await?;
                    restore_after_withdrawal(ctx, conflict).await?;
                }
            }
        }
        let patch = decide::patch_with_email(&archived, &old);
        act::update(ctx, &old.id, &patch).await?;
        Ok(None)
    }
}

/// Restores what the last withdrawal took by side effect, unless that is long ago.
async fn restore_after_withdrawal(
    ctx: &Context<'_>,
    conflict: &Conflict,
) -> Result<(), Interrupted> {
    let withdrawal = conflict.withdrawal();
    let Some(withdrawal) = withdrawal.filter(|it| it.is_restorable(now_millis())) else {
        return Ok(());
    };
    let archive = ctx.archive.ok_or(Interrupted::Left)?;
    let archived = archived_user(archive, &withdrawal.archive).await?;
    let id: UserId = withdrawal.user_id.parse().map_err(|_| Interrupted::Retry)?;
    if let Some(now) = user(ctx, &id).await? {
        act::update(ctx, &id, &decide::patch(&[archived], &now)).await?;
    }
    Ok(())
}

async fn user(ctx: &Context<'_>, id: &UserId) -> Result<Option<User>, Interrupted> {
    match ctx.sunshine.user(id, ctx.deadlines.calls).await {
        Ok(user) => Ok(Some(user)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
