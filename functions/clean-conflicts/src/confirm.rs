//! What came of a remedy: nothing is resolved before it was seen.

use std::time::Duration;

use shared::conflicts::{Conflict, Reason, Remedy, State};
use shared::identity::email::EmailKey;
use shared::lambda::clock::now_millis;
use shared::sunshine::{Error, User, UserId};

use crate::decision;
use crate::evidence::{Found, evidence, found, unread};
use crate::remedy::{archive_to_write, send, take};
use crate::restore::restore;
use crate::run::Run;
use crate::worker::{Step, Work};

/// How long a delete that was answered may take.
const DELETED_WITHIN: Duration = Duration::from_hours(24);

/// What a look tells.
enum Look {
    /// What becomes of the conflict.
    Tells(Step),
    /// The remedy had no effect, and may be taken again or followed by another one.
    NoEffect(Remedy),
}

/// A changing call may have been sent: looks what came of it, restores what a release took too
/// much, and takes the remedy again where it surely was not carried out.
pub async fn confirm(run: &Run<'_>, conflict: &mut Conflict) -> Work<Step> {
    let remedy = match look(run, conflict).await? {
        Look::Tells(step) => return Ok(step),
        Look::NoEffect(remedy) => remedy,
    };
    if let Some(step) = again(run, conflict, remedy).await? {
        return Ok(step);
    }
    Ok(match look(run, conflict).await? {
        Look::Tells(step) => step,
        Look::NoEffect(_) => Step::Wait,
    })
}

async fn look(run: &Run<'_>, conflict: &mut Conflict) -> Work<Look> {
    let (Some(remedy), Some(id)) = (conflict.remedy, target(conflict)) else {
        return Ok(Look::Tells(Step::review(Reason::OutcomeUnknown)));
    };
    conflict.looks += 1;
    let user = if remedy == Remedy::ReleaseEmail || conflict.email.is_none() {
        found(run, run.sunshine.user(&id, run.deadline).await)?
    } else {
        None
    };
    // Where nothing may be written any more, what came of it is looked at all the same.
    if remedy == Remedy::ReleaseEmail
        && let Some(user) = &user
        && let Ok(archive) = archive_to_write(run)
    {
        let manifest = conflict.archive.as_deref();
        let manifest = manifest.ok_or(Step::review(Reason::OutcomeUnknown))?;
        restore(run, archive, manifest, user).await?;
    }
    if is_free(run, conflict, &id, user.is_some()).await? {
        if remedy == Remedy::Merge && !caller_is_whole(run, conflict).await? {
            return Ok(Look::Tells(Step::review(Reason::OtherUserChanged)));
        }
        return Ok(Look::Tells(Step::End(State::Resolved, None)));
    }
    Ok(if run.rules.named.is_some_and(|named| named != remedy) {
        // An operator who could see what it came to names what to do now.
        Look::NoEffect(remedy)
    } else if conflict.answered {
        // Only a delete takes effect later. For anything else one look may be one too early.
        let may_be_early = if remedy == Remedy::Delete {
            let since = now_millis().saturating_sub(conflict.sent_at.unwrap_or_default());
            Duration::from_millis(since) < DELETED_WITHIN
        } else {
            conflict.looks < 2
        };
        Look::Tells(if may_be_early {
            Step::Wait
        } else {
            Step::review(Reason::EmailStillHeld)
        })
    } else if conflict.looks < 2 {
        // A call whose answer was lost may take effect later, too.
        Look::Tells(Step::Wait)
    } else {
        Look::NoEffect(remedy)
    })
}

/// Takes a remedy again that was sent, was not answered, and had no effect; or the one that an
/// operator names after that one. With all the evidence, and on another user only a release, where an
/// operator approved that one: after a delete somebody new may have the external id and the email.
/// Answers what becomes of the conflict where nothing was sent.
async fn again(run: &Run<'_>, conflict: &mut Conflict, remedy: Remedy) -> Work<Option<Step>> {
    let named = run.rules.named;
    let found = evidence(run, conflict).await?;
    let is_same_user = conflict.user_id.is_none() || conflict.user_id == conflict.sent_to;
    let unsure = Ok(Some(Step::review(if is_same_user {
        Reason::OutcomeUnknown
    } else {
        Reason::HolderChanged
    })));
    let (user, next) = match found {
        Found::Ended(step @ Step::End(State::NotAConflict, _)) => return Ok(Some(step)),
        // What a drain would do in its place is no matter.
        _ if remedy == Remedy::Delete && named.is_none() => return unsure,
        Found::Ended(step) => return Ok(Some(step)),
        Found::Act { user, remedy } => (user, remedy),
    };
    let may_be_taken = if is_same_user {
        next == remedy || named == Some(next)
    } else {
        // Nobody's history is given away or deleted in another's place.
        next == Remedy::ReleaseEmail
            && named == Some(next)
            && conflict.approved_user_id.as_deref() == Some(user.id.as_str())
    };
    if !may_be_taken || next > run.rules.allowed {
        return unsure;
    }
    if !run.take_action() {
        return Ok(Some(Step::Leave));
    }
    if is_same_user && next == remedy && next != Remedy::Delete {
        // What the first time may have taken is in the first archive, and in no later one.
        send(run, conflict, &user, next, None).await?;
    } else {
        take(run, conflict, &user, next).await?;
    }
    Ok(None)
}

/// The user that a remedy was sent to.
fn target(conflict: &Conflict) -> Option<UserId> {
    conflict.sent_to.as_deref().and_then(|id| id.parse().ok())
}

/// Whether the email is free, or the caller's; for a user without one, whether it is gone.
async fn is_free(run: &Run<'_>, conflict: &Conflict, id: &UserId, exists: bool) -> Work<bool> {
    let Some(email) = &conflict.email else {
        return Ok(!exists);
    };
    let listed = run
        .sunshine
        .list_users_by_email(email, run.deadline)
        .await
        .map_err(|error| unread(run, &error))?;
    let key = EmailKey::from(email.as_str());
    let is_the_callers = |user: &User| {
        user.external_id
            .as_ref()
            .is_some_and(|id| conflict.claimants.contains(id))
    };
    Ok(listed
        .iter()
        .filter(|user| user.id == *id || decision::emails(user).contains(&key))
        .all(is_the_callers))
}

/// Whether the user that the caller had before, if any, was merged away or still has its
/// external id.
async fn caller_is_whole(run: &Run<'_>, conflict: &Conflict) -> Work<bool> {
    let Some(id) = conflict.own_user_id.as_deref() else {
        return Ok(true);
    };
    let id: UserId = id
        .parse()
        .map_err(|_| Step::review(Reason::OtherUserChanged))?;
    Ok(match run.sunshine.user(&id, run.deadline).await {
        // The one that it was merged into may answer in its place.
        Err(Error::NotFound | Error::InvalidAnswer { .. }) => true,
        read => found(run, read)?.is_some_and(|own| {
            let id = own.external_id.as_ref();
            id.is_some_and(|id| conflict.claimants.contains(id))
        }),
    })
}
