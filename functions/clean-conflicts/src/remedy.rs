//! Taking a remedy: archived, looked at once more, recorded, and only then sent.

use shared::clock::now_millis;
use shared::conflicts::{Conflict, Remedy, State};
use shared::sunshine::{Error, User};

use crate::archive::{Archive, Copy, CopyError, Tools};
use crate::evidence::{Found, evidence, unread};
use crate::run::Run;
use crate::worker::{Step, Work};

/// Archives, looks once more, records what is about to be sent, and sends it.
pub async fn take(run: &Run<'_>, conflict: &mut Conflict, user: &User, remedy: Remedy) -> Work<()> {
    let archive = archive_to_write(run)?;
    let tools = Tools {
        sunshine: &run.sunshine,
        archive,
        deadline: run.deadline,
    };
    let mut copy = Copy::of(conflict, &user.id);
    let copied = copy.complete(&tools, conflict, remedy, user).await;
    let manifest = match copied {
        Ok(manifest) => manifest,
        Err(error) => {
            conflict.archive_progress = copy.progress();
            return Err(not_archived(run, &error));
        }
    };
    conflict.archive = Some(manifest);
    conflict.archive_progress = None;

    let user = match evidence(run, conflict).await? {
        Found::Act {
            user: again,
            remedy: same,
        } if again.id == user.id && same == remedy => again,
        Found::Act { .. } => return Err(Step::Retry),
        Found::Ended(step) => return Err(step),
    };
    if remedy == Remedy::Delete {
        let caught_up = copy.catch_up(&tools, conflict).await;
        if let Some(manifest) = caught_up.map_err(|error| not_archived(run, &error))? {
            conflict.archive = Some(manifest);
        }
    }
    send(run, conflict, &user, remedy).await
}

/// Records that the call is about to be sent, and sends it.
pub async fn send(run: &Run<'_>, conflict: &mut Conflict, user: &User, remedy: Remedy) -> Work<()> {
    let before = (conflict.state, conflict.sent_at, conflict.answered);
    let looks = conflict.looks;
    let take_back = |conflict: &mut Conflict| {
        (conflict.state, conflict.sent_at, conflict.answered) = before;
        conflict.looks = looks;
    };
    conflict.remedy = Some(remedy);
    conflict.state = State::Confirming;
    conflict.sent_at = Some(now_millis());
    conflict.answered = false;
    conflict.looks = 0;
    if let Err(error) = run.table.write(conflict).await {
        // Whatever was written, nothing was sent.
        tracing::warn!(%error, "a remedy was not recorded, so it was not taken");
        take_back(conflict);
        return Err(Step::Leave);
    }
    match call(run, user, remedy).await {
        // Gone already is what a delete was to achieve, and leaves a release nothing to do.
        Ok(()) | Err(Error::NotFound) => conflict.answered = true,
        Err(error @ Error::Unknown(_)) => {
            tracing::warn!(%error, "what came of a remedy is not known");
        }
        Err(error) => {
            take_back(conflict);
            return Err(unread(run, &error));
        }
    }
    Ok(())
}

/// The call of a remedy. It goes to the user's own id, or for a merge to the Zendesk id that was just
/// read from that user; never to an external id.
async fn call(run: &Run<'_>, user: &User, remedy: Remedy) -> Result<(), Error> {
    match remedy {
        Remedy::Plan => Ok(()),
        Remedy::ReleaseEmail => {
            run.sunshine
                .delete_personal_information(&user.id, run.deadline)
                .await
        }
        Remedy::Merge => match &user.zendesk_id {
            Some(zendesk_id) => run.sunshine.sync_user(zendesk_id, None, run.deadline).await,
            None => Err(Error::NotFound),
        },
        Remedy::Delete => run.sunshine.delete_user(&user.id, run.deadline).await,
    }
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
        CopyError::Archive(error) => {
            tracing::error!(%error, "not archived, so nothing was touched");
            Step::Retry
        }
    }
}
