//! The actions `recheck`, `close` and `undo`.

use futures_util::StreamExt;
use futures_util::stream;
use shared::conflicts::{Conflict, ConflictId, Remedy, State, TableError};
use shared::lambda::clock::now_millis;
use shared::lambda::invoke::OperatorError;
use shared::sunshine::{Error, User, UserId};

use super::{Run, table_error};
use crate::act;
use crate::archive::archived_user;
use crate::context::Context;
use crate::decide;
use crate::event::{Close, Recheck, Undo};
use crate::evidence::emails;
use crate::interrupted::Interrupted;
use crate::stop::StopReason;

/// Maximum records of one page of the index.
const PAGE: usize = 100;

impl Run<'_> {
    /// Works again on a conflict, or on all in a state, as a drain would, but at once and whether
    /// or not they are due.
    pub async fn recheck(&self, recheck: &Recheck, at_once: usize) -> Result<(), OperatorError> {
        let ids = match recheck {
            Recheck::Conflict(id) => {
                known(self.ctx.table.get(id).await)?;
                vec![id.clone()]
            }
            Recheck::State(state, reason) => {
                // Read all ids first: a conflict that returns to the state must not be worked on
                // again.
                let (mut ids, mut start) = (Vec::new(), None);
                loop {
                    let page = self.ctx.table.list(*state, *reason, PAGE, start).await;
                    let (conflicts, next) = page.map_err(table_error)?;
                    ids.extend(conflicts.iter().map(|conflict| conflict.id().clone()));
                    match next {
                        Some(next) => start = Some(next),
                        None => break ids,
                    }
                }
            }
        };
        stream::iter(ids)
            .for_each_concurrent(at_once, async |id| {
                if self.ctx.must_stop() {
                    self.report.borrow_mut().deferred += 1;
                    return;
                }
                if let Err(error) = self.look_again(&id).await {
                    tracing::warn!(conflictId = %id, %error, "could not recheck a conflict");
                    self.report.borrow_mut().deferred += 1;
                }
            })
            .await;
        Ok(())
    }

    async fn look_again(&self, id: &ConflictId) -> Result<(), TableError> {
        let Some(mut conflict) = self.ctx.table.get(id).await? else {
            return Ok(());
        };
        match conflict.state() {
            // It is over. Only a new report or a `resolve` opens it again.
            State::Resolved | State::NotAConflict => {
                self.report.borrow_mut().add(&conflict);
                return Ok(());
            }
            State::NeedsReview | State::Failed | State::Planned => {
                conflict.reopen(now_millis());
                self.ctx.table.write(&mut conflict).await?;
            }
            State::Pending | State::InProgress | State::Confirming => {}
        }
        self.work_on(conflict, None).await;
        Ok(())
    }

    /// Ends a conflict, because a person knows that there is nothing to do.
    pub async fn close(&self, close: &Close) -> Result<(), OperatorError> {
        let mut conflict = self.at_version(&close.conflict_id, close.version).await?;
        let before = conflict.state();
        match before {
            State::Pending | State::Planned | State::NeedsReview | State::Failed => {}
            State::InProgress | State::Confirming => {
                return Err(invalid("a run works on this conflict; wait for its end"));
            }
            State::Resolved | State::NotAConflict => {
                return Err(invalid("this conflict is over"));
            }
        }
        conflict.close(&close.by, &close.note, now_millis());
        self.write(&mut conflict).await?;
        self.ctx.log_change(Some(before), &conflict);
        self.report.borrow_mut().add(&conflict);
        Ok(())
    }

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
        let undone = self.put_back(&conflict, &sent.to, &sent.archives).await;
        match undone {
            Ok(Undone::Done) => {}
            Ok(Undone::Refused(reason)) => return Err(invalid(reason)),
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

    async fn put_back(
        &self,
        conflict: &Conflict,
        to: &str,
        archives: &[String],
    ) -> Result<Undone, Interrupted> {
        let ctx = &self.ctx;
        let archive = ctx.archive.ok_or(Interrupted::Left)?;
        let mut users = Vec::new();
        for manifest in archives {
            users.push(archived_user(archive, manifest).await?);
        }
        let to: UserId = to.parse().map_err(|_| Interrupted::Retry)?;
        let Some(old) = user(ctx, &to).await? else {
            return Ok(Undone::Refused("the user of the release no longer exists"));
        };
        if let Some(refusal) = self.take_off(conflict, &to).await? {
            return Ok(Undone::Refused(refusal));
        }
        let mut patch = decide::patch(&users, &old);
        if old.profile.email.as_deref().is_none_or(str::is_empty) {
            let emails = users
                .iter()
                .filter_map(|user| user.pointer("/profile/email")?.as_str());
            let mut emails = emails.filter(|email| !email.is_empty());
            patch.profile.email = emails.next().map(ToOwned::to_owned);
        }
        if patch != shared::sunshine::UserPatch::default() {
            ctx.sunshine
                .update_user(&to, &patch, ctx.deadlines.calls)
                .await?;
        }
        Ok(Undone::Done)
    }

    /// Takes the email off the user who got it by the release, if that user still holds it. Returns
    /// the reason why the email must not be taken, if there is one.
    async fn take_off(
        &self,
        conflict: &Conflict,
        old: &UserId,
    ) -> Result<Option<&'static str>, Interrupted> {
        let ctx = &self.ctx;
        let Some(email) = conflict.email() else {
            return Ok(None);
        };
        let holders = ctx
            .sunshine
            .list_users_by_email(email, ctx.deadlines.calls)
            .await?;
        let holder = match holders.as_slice() {
            [] => return Ok(None),
            [holder] if holder.id == *old => return Ok(None),
            [holder] => holder,
            _ => {
                return Ok(Some(
                    "several users hold the email; remove the surplus in Zendesk first",
                ));
            }
        };
        let external_id = holder.external_id.as_deref().unwrap_or_default();
        if conflict.claims().of(external_id).next().is_none() {
            return Ok(Some(
                "another user than the one who asked for it holds the email now",
            ));
        }
        if emails(holder).len() != 1 || holder.identities.len() != 1 {
            return Ok(Some(
                "the user who holds the email has another identity too, which would be lost; clear it in Zendesk",
            ));
        }
        let mut copy = conflict.clone();
        let archived = act::archive(ctx, &mut copy, holder, Remedy::ReleaseEmail).await?;
        let copied =
            vec![archived_user(ctx.archive.ok_or(Interrupted::Left)?, archived.manifest()).await?];
        ctx.sunshine
            .delete_personal_information(&holder.id, ctx.deadlines.calls)
            .await?;
        if let Some(now) = user(ctx, &holder.id).await? {
            let patch = decide::patch(&copied, &now);
            ctx.sunshine
                .update_user(&holder.id, &patch, ctx.deadlines.calls)
                .await?;
        }
        Ok(None)
    }

    /// The record, if it has the version that was shown.
    pub(super) async fn at_version(
        &self,
        id: &ConflictId,
        version: u64,
    ) -> Result<Conflict, OperatorError> {
        let conflict = known(self.ctx.table.get(id).await)?;
        if conflict.version() == version {
            Ok(conflict)
        } else {
            Err(changed())
        }
    }

    /// Writes the record; an error if another writer has changed it in the meantime.
    pub(super) async fn write(&self, conflict: &mut Conflict) -> Result<(), OperatorError> {
        match self.ctx.table.write(conflict).await {
            Err(TableError::Changed) => Err(changed()),
            outcome => outcome.map_err(table_error),
        }
    }
}

/// The result of taking a release back.
enum Undone {
    Done,
    /// The release must not be taken back, for this reason. Nothing was changed at Zendesk.
    Refused(&'static str),
}

async fn user(ctx: &Context<'_>, id: &UserId) -> Result<Option<User>, Interrupted> {
    match ctx.sunshine.user(id, ctx.deadlines.calls).await {
        Ok(user) => Ok(Some(user)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn known(read: Result<Option<Conflict>, TableError>) -> Result<Conflict, OperatorError> {
    let conflict = read.map_err(table_error)?;
    conflict.ok_or_else(|| invalid("there is no conflict with this id"))
}

fn changed() -> OperatorError {
    OperatorError::Changed(
        "version: the conflict has changed since it was shown; show it again first".to_owned(),
    )
}

/// A refusal that is about the conflict.
pub(super) fn invalid(reason: &str) -> OperatorError {
    OperatorError::InvalidRequest(format!("conflictId: {reason}"))
}
