//! Taking a remedy: archived, looked at once more, recorded, and only then sent.

use std::time::{Duration, Instant};

use shared::conflicts::{Conflict, Remedy, State};
use shared::lambda::clock::now_millis;
use shared::sunshine::{Error, User, ZendeskId};

use crate::archive::{Archive, Copy, CopyError, Tools};
use crate::evidence::{Found, evidence, unread, unrecorded};
use crate::run::Run;
use crate::worker::{Step, Work};

/// How old the evidence may be when a delete is sent: to read each conversation once more may take
/// long.
const EVIDENCE_IS_FRESH_FOR: Duration = Duration::from_secs(2);

/// Archives, looks once more, records what is about to be sent, and sends it.
pub async fn take(run: &Run<'_>, conflict: &mut Conflict, user: &User, remedy: Remedy) -> Work<()> {
    let archive = archive_to_write(run)?;
    let tools = Tools {
        sunshine: &run.sunshine,
        archive,
        deadline: run.deadline,
    };
    let copy = Copy::of(&tools, conflict, &user.id, remedy).await;
    let mut copy = copy.map_err(|error| not_archived(run, &error.into()))?;
    let mut manifest = match copy.complete(&tools, conflict, remedy, user).await {
        Ok(manifest) => manifest,
        Err(error) => {
            conflict.archive_progress = copy.progress(&tools, conflict).await;
            return Err(not_archived(run, &error));
        }
    };

    let mut user = same_evidence(run, conflict, user, remedy).await?;
    if remedy == Remedy::Delete {
        let read_at = Instant::now();
        let caught_up = match copy.catch_up(&tools, conflict, &user).await {
            Ok(caught_up) => caught_up,
            Err(error) => {
                conflict.archive_progress = copy.progress(&tools, conflict).await;
                return Err(not_archived(run, &error));
            }
        };
        if caught_up.is_some() || read_at.elapsed() > EVIDENCE_IS_FRESH_FOR {
            user = same_evidence(run, conflict, &user, remedy).await?;
        }
        manifest = caught_up.unwrap_or(manifest);
    }
    conflict.archive_progress = None;
    send(run, conflict, &user, remedy, Some(manifest)).await
}

/// Reads the evidence once more, which must still say the same.
async fn same_evidence(
    run: &Run<'_>,
    conflict: &mut Conflict,
    user: &User,
    remedy: Remedy,
) -> Work<Box<User>> {
    match evidence(run, conflict).await? {
        Found::Act {
            user: again,
            remedy: same,
        } if again.id == user.id && same == remedy => Ok(again),
        Found::Act { .. } => Err(Step::Retry),
        Found::Ended(step) => Err(step),
    }
}

/// Records what is about to be sent, to whom, and where it was archived (as before, where that is
/// none); and sends it.
pub async fn send(
    run: &Run<'_>,
    conflict: &mut Conflict,
    user: &User,
    remedy: Remedy,
    manifest: Option<String>,
) -> Work<()> {
    let surviving = match &user.zendesk_id {
        Some(id) if remedy == Remedy::Merge => surviving(run, id).await?,
        _ => None,
    };
    let before = conflict.clone();
    conflict.user_id = Some(user.id.to_string());
    conflict.sent_to = Some(user.id.to_string());
    conflict.remedy = Some(remedy);
    conflict.archive = manifest.or(conflict.archive.take());
    conflict.state = State::Confirming;
    conflict.sent_at = Some(now_millis());
    conflict.answered = false;
    conflict.looks = 0;
    if let Err(error) = run.table.write(conflict).await {
        // Whatever was written, nothing was sent.
        tracing::warn!(%error, "a remedy was not recorded, so it was not taken");
        *conflict = before;
        return Err(Step::Leave);
    }
    match call(run, user, remedy, surviving.as_ref()).await {
        // Gone already is what a delete was to achieve, and leaves a release nothing to do.
        Ok(()) | Err(Error::NotFound) => conflict.answered = true,
        Err(error @ Error::Unknown(_)) => {
            tracing::warn!(%error, "what came of a remedy is not known");
        }
        Err(error) => {
            // Surely not executed, so that it was never sent.
            *conflict = Conflict {
                version: conflict.version,
                ..before
            };
            return Err(unread(run, &error));
        }
    }
    Ok(())
}

/// The call of a remedy. It goes to the user's own id, or for a merge to the Zendesk id that was just
/// read from that user; never to an external id.
async fn call(
    run: &Run<'_>,
    user: &User,
    remedy: Remedy,
    surviving: Option<&ZendeskId>,
) -> Result<(), Error> {
    match remedy {
        Remedy::Plan => Ok(()),
        Remedy::ReleaseEmail => {
            run.sunshine
                .delete_personal_information(&user.id, run.deadline)
                .await
        }
        Remedy::Merge => match &user.zendesk_id {
            Some(zendesk_id) => {
                run.sunshine
                    .sync_user(zendesk_id, surviving, run.deadline)
                    .await
            }
            None => Err(Error::NotFound),
        },
        Remedy::Delete => run.sunshine.delete_user(&user.id, run.deadline).await,
    }
}

/// The Zendesk user that this one was itself merged into, where a webhook said so.
async fn surviving(run: &Run<'_>, id: &ZendeskId) -> Work<Option<ZendeskId>> {
    let told = run.table.merged_into(id.as_str()).await;
    let surviving = told.map_err(|error| unrecorded(&error))?;
    Ok(surviving.and_then(|id| id.parse().ok()))
}

/// The archive, where the configuration allows to write anything outside.
pub fn archive_to_write<'a>(run: &'a Run<'_>) -> Work<&'a Archive> {
    run.archive
        .filter(|_| run.rules.allowed > Remedy::Plan)
        .ok_or(Step::Leave)
}

fn not_archived(run: &Run<'_>, error: &CopyError) -> Step {
    match error {
        CopyError::Sunshine(error) => unread(run, error),
        CopyError::Archive(_) if run.is_out_of_time() => Step::Leave,
        CopyError::Archive(error) => {
            tracing::error!(%error, "not archived, so nothing was touched");
            Step::Retry
        }
    }
}
