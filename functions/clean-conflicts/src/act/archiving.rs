//! Archives a user before a remedy.

use shared::conflicts::{Conflict, Remedy};
use shared::sunshine::User;

use crate::archive::{CopyError, Tools, UserCopy};
use crate::context::Context;
use crate::interrupted::Interrupted;

/// A user that has been archived, and can be archived again if it changes.
pub struct Archived<'a> {
    tools: Tools<'a>,
    copy: UserCopy,
    manifest: String,
}

/// Archives `user`, and for a delete all its conversations too. If the run is too short for that,
/// the record keeps the progress of the archive.
pub async fn archive<'a>(
    ctx: &'a Context<'_>,
    conflict: &mut Conflict,
    user: &User,
    remedy: Remedy,
) -> Result<Archived<'a>, Interrupted> {
    let tools = Tools {
        sunshine: &ctx.sunshine,
        archive: ctx.archive.ok_or(Interrupted::Left)?,
        deadline: ctx.deadlines.calls,
    };
    let mut copy = UserCopy::resume_or_start(&tools, conflict, &user.id, remedy).await?;
    match copy.complete(&tools, conflict, remedy, user).await {
        Ok(manifest) => Ok(Archived {
            tools,
            copy,
            manifest,
        }),
        Err(error) => Err(keep_progress(&mut copy, &tools, conflict, error).await),
    }
}

impl Archived<'_> {
    /// Archives new messages, and `user` if it has changed. Returns whether anything was new.
    pub async fn catch_up(
        &mut self,
        conflict: &mut Conflict,
        user: &User,
    ) -> Result<bool, Interrupted> {
        match self.copy.catch_up(&self.tools, conflict, user).await {
            Ok(None) => Ok(false),
            Ok(Some(manifest)) => {
                self.manifest = manifest;
                Ok(true)
            }
            Err(error) => Err(keep_progress(&mut self.copy, &self.tools, conflict, error).await),
        }
    }

    /// The key of the manifest.
    pub fn manifest(&self) -> &str {
        &self.manifest
    }
}

async fn keep_progress(
    copy: &mut UserCopy,
    tools: &Tools<'_>,
    conflict: &mut Conflict,
    error: CopyError,
) -> Interrupted {
    let progress = copy.progress(tools, conflict).await;
    conflict.note_archive_progress(progress);
    error.into()
}
