//! The evidence: who holds the email, and what that allows. Read again before anything is sent.

use shared::conflicts::{Conflict, Reason, Remedy, State, TableError};
use shared::identity::email::EmailKey;
use shared::lambda::clock::now_millis;
use shared::sunshine::{Error, LookupExternalId, User, UserId};

use crate::decision::{self, Verdict};
use crate::run::Run;
use crate::worker::{Step, Work};

/// What the evidence says.
pub enum Found {
    /// There is nothing to do.
    Ended(Step),
    /// Take this remedy on this user.
    Act {
        /// The user that holds the email.
        user: Box<User>,
        /// The remedy.
        remedy: Remedy,
    },
}

/// Reads the evidence, all of it, and decides. The user that holds the email is noted in the
/// record, for an operator to see.
pub async fn evidence(run: &Run<'_>, conflict: &mut Conflict) -> Work<Found> {
    let rules = run.rules;
    let holder = holder(run, conflict).await?;
    if conflict.email.is_some() {
        conflict.user_id = holder.as_ref().ok().map(|user| user.id.to_string());
    }
    // Whose an email is need not be known to take it off somebody whose it is not.
    let is_disputed = conflict.claimants.len() != 1;
    if is_disputed && rules.named != Some(Remedy::ReleaseEmail) {
        return Ok(Found::Ended(Step::review(Reason::SeveralCallers)));
    }
    let user = match holder {
        Ok(user) => user,
        Err(verdict) => return Ok(Found::Ended(ended(&verdict))),
    };
    let (mut found_remedy, mut own_user_id) = (None, None);
    for claimant in &conflict.claimants {
        let own = user_of(run, claimant).await?;
        let external_id = user.external_id.as_deref().unwrap_or_default();
        let told = run.table.told_of(run.scope, external_id, claimant).await;
        let told = told.map_err(|error| unrecorded(&error))?;
        let (own, now) = (own.as_ref(), now_millis());
        own_user_id = own
            .filter(|own| own.external_id.as_ref() == Some(claimant))
            .map(|own| own.id.to_string());
        match decision::decide(conflict, &told, &user, claimant, own, now, rules) {
            Verdict::Act(remedy) => found_remedy = Some(remedy),
            verdict => return Ok(Found::Ended(ended(&verdict))),
        }
    }
    // What the caller had before a call is what is looked for after it.
    if conflict.sent_to.as_deref() != Some(user.id.as_str()) {
        conflict.own_user_id = own_user_id;
    }
    let is_known_by_id = conflict.email.is_none();
    Ok(Found::Ended(match found_remedy {
        None => Step::review(Reason::SeveralCallers),
        Some(remedy) if is_known_by_id && remedy != Remedy::Delete => Step::review(Reason::NoEmail),
        Some(remedy) => {
            let user = Box::new(user);
            return Ok(Found::Act { user, remedy });
        }
    }))
}

/// The user that is found under a claimant's external id; or, since the path takes user ids too,
/// one with this id.
pub async fn user_of(run: &Run<'_>, claimant: &str) -> Work<Option<User>> {
    let lookup = LookupExternalId::try_from(claimant.to_owned())
        .map_err(|_| Step::review(Reason::NoExternalId))?;
    let read = run.sunshine.user_by_external_id(&lookup, run.deadline);
    found(run, read.await)
}

/// The one user that the conflict is over, or what there is in its place.
async fn holder(run: &Run<'_>, conflict: &Conflict) -> Work<Result<User, Verdict>> {
    if let Some(email) = &conflict.email {
        let listed = run
            .sunshine
            .list_users_by_email(email, run.deadline)
            .await
            .map_err(|error| unread(run, &error))?;
        let email = EmailKey::from(email.as_str());
        return Ok(decision::holder(&listed, &email, &conflict.claimants).cloned());
    }
    let id: UserId = conflict
        .user_id
        .as_deref()
        .and_then(|id| id.parse().ok())
        .ok_or(Step::review(Reason::NoEmail))?;
    let user = found(run, run.sunshine.user(&id, run.deadline).await)?;
    Ok(match user {
        None => Err(Verdict::NotAConflict),
        Some(user) if decision::emails(&user).is_empty() => Ok(user),
        Some(_) => Err(Verdict::NeedsReview(Reason::SeveralEmails)),
    })
}

fn ended(verdict: &Verdict) -> Step {
    match verdict {
        Verdict::NeedsReview(reason) => Step::review(*reason),
        Verdict::NotAConflict | Verdict::Act(_) => Step::End(State::NotAConflict, None),
    }
}

/// What was found: 404 is an answer.
pub fn found(run: &Run<'_>, read: Result<User, Error>) -> Work<Option<User>> {
    match read {
        Ok(user) => Ok(Some(user)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(unread(run, &error)),
    }
}

/// What becomes of a conflict where the table could not be read.
pub fn unrecorded(error: &TableError) -> Step {
    tracing::warn!(%error, "a conflict is tried again later");
    Step::Retry
}

/// What becomes of a conflict after a call that surely had no effect.
pub fn unread(run: &Run<'_>, error: &Error) -> Step {
    match error {
        Error::Key(_) => run.stop("keys_unavailable"),
        Error::OutOfTime(_) => run.stop("out_of_time"),
        // They ask for more patience than this run has, whoever it works on.
        Error::RateLimited { .. } => run.stop("rate_limited"),
        _ => {}
    }
    run.is_out_of_time();
    run.must_stop_for_calls();
    if run.stopped.get().is_some() {
        // It is not this conflict that failed.
        return Step::Leave;
    }
    tracing::warn!(%error, "a conflict is tried again later");
    Step::Retry
}
