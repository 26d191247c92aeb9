//! One conflict, from where it is to where it ends.

use std::time::Duration;

use shared::clock::now_millis;
use shared::conflicts::{Conflict, MAX_ATTEMPTS, Reason, Remedy, State, TableError};
use shared::email::EmailKey;
use shared::sunshine::{Error, LookupExternalId, User, UserId};

use crate::archive::{Archive, Copy, CopyError, Tools};
use crate::decision::{self, Verdict};
use crate::remedy;
use crate::run::Run;

/// How often what came of a call is looked at before a person must.
const MAX_LOOKS: u32 = 6;

/// What becomes of a conflict after this run.
pub enum Step {
    /// It ends, or is planned.
    End(State, Option<Reason>),
    /// It is tried again later: something failed that may pass.
    Retry,
    /// It is looked at again by the next run: a call was answered, and takes effect later.
    Wait,
    /// It is left as it was: the run is over before it was.
    Leave,
}

impl Step {
    fn review(reason: Reason) -> Self {
        Self::End(State::NeedsReview, Some(reason))
    }
}

/// A step that is not the one that was hoped for.
pub type Work<T> = Result<T, Step>;

/// Works on a conflict, and answers its record as it is then; `None` where somebody else has it.
pub async fn work(run: &Run<'_>, mut conflict: Conflict) -> Result<Option<Conflict>, TableError> {
    let before = conflict.clone();
    if before.has_ended() {
        return Ok(None);
    }
    let was_sent = conflict.sent_at.is_some();
    let step = if conflict.attempts >= MAX_ATTEMPTS {
        if was_sent {
            Step::review(Reason::OutcomeUnknown)
        } else {
            Step::End(State::Failed, Some(Reason::TooManyAttempts))
        }
    } else {
        // Counted before the work, so that work that kills its worker ends too.
        conflict.attempts += 1;
        conflict.state = if was_sent {
            State::Confirming
        } else {
            State::InProgress
        };
        conflict.due_at = Some(run.ends_at);
        match run.table.write(&mut conflict).await {
            Ok(()) => {}
            Err(TableError::Changed) => return Ok(None),
            Err(error) => return Err(error),
        }
        let worked = if was_sent {
            confirm(run, &mut conflict).await
        } else {
            resolve(run, &mut conflict).await
        };
        match worked {
            Ok(step) | Err(step) => step,
        }
    };
    settle(&mut conflict, &before, &step);
    save(run, &mut conflict, &before, &step).await?;
    Ok(Some(conflict))
}

/// Writes into the record what becomes of the conflict.
fn settle(conflict: &mut Conflict, before: &Conflict, step: &Step) {
    let now = now_millis();
    let was_sent = conflict.sent_at.is_some();
    match step {
        // What we may have changed was a conflict.
        Step::End(State::NotAConflict, _) if was_sent => conflict.end(State::Resolved, None, now),
        Step::End(state, reason) => conflict.end(*state, *reason, now),
        Step::Retry | Step::Wait | Step::Leave => {
            conflict.state = if was_sent {
                State::Confirming
            } else {
                State::Pending
            };
            conflict.due_at = Some(now);
        }
    }
    match step {
        Step::Retry => {
            conflict.due_at = Some(now + millis(backoff(conflict.attempts)));
        }
        Step::Leave if !was_sent => {
            conflict.state = if before.state == State::Planned {
                State::Planned
            } else {
                State::Pending
            };
            conflict.attempts = before.attempts;
            conflict.due_at = before.due_at;
        }
        Step::Leave => conflict.attempts = before.attempts,
        Step::Wait | Step::End(..) => {}
    }
    let goes_on = conflict.reason == Some(Reason::ApprovalInterrupted);
    if conflict.has_ended() && !goes_on {
        conflict.archive_progress = None;
    }
    if conflict.has_ended() {
        conflict.approved_user_id = None;
    }
}

/// Writes the record. A report that came meanwhile is taken in: its claimant makes two.
async fn save(
    run: &Run<'_>,
    conflict: &mut Conflict,
    before: &Conflict,
    step: &Step,
) -> Result<(), TableError> {
    loop {
        match run.table.write(conflict).await {
            Err(TableError::Changed) => {}
            outcome => return outcome,
        }
        let Some(now) = run.table.get(&conflict.conflict_id).await? else {
            return Err(TableError::Changed);
        };
        if now.due_at != Some(run.ends_at) {
            return Err(TableError::Changed);
        }
        conflict.version = now.version;
        conflict.lineages = now.lineages;
        conflict.claimants = now.claimants;
        let is_disputed = conflict.claimants.len() > before.claimants.len();
        if is_disputed && conflict.sent_at.is_none() && matches!(step, Step::End(..)) {
            conflict.end(
                State::NeedsReview,
                Some(Reason::SeveralCallers),
                now_millis(),
            );
        }
    }
}

/// Reads the evidence, decides, and acts.
async fn resolve(run: &Run<'_>, conflict: &mut Conflict) -> Work<Step> {
    // Which remedy an operator named is known to the run that was told, and to no other.
    if conflict.approved_user_id.is_some() && run.rules.named.is_none() {
        return Ok(Step::review(Reason::ApprovalInterrupted));
    }
    let (user, remedy) = match evidence(run, conflict).await? {
        Found::Ended(step) => return Ok(step),
        Found::Act { user, remedy } => (user, remedy),
    };
    if conflict.sent_at.is_none() {
        conflict.remedy = Some(remedy);
    }
    if run.rules.allowed == Remedy::Plan {
        return Ok(Step::End(State::Planned, None));
    }
    if !run.take_action() {
        return Ok(Step::Leave);
    }
    if let Err(step) = act(run, conflict, &user, remedy).await {
        run.give_action_back();
        return Ok(step);
    }
    confirm_remedy(run, conflict, remedy).await
}

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

/// Reads the evidence, all of it, and decides. Notes whom it is about: that is the user that an
/// operator is shown, also where a person must look.
pub async fn evidence(run: &Run<'_>, conflict: &mut Conflict) -> Work<Found> {
    let rules = run.rules;
    let holder = holder(run, conflict).await?;
    if conflict.email.is_some() && conflict.sent_at.is_none() {
        conflict.user_id = holder.as_ref().ok().map(|user| user.id.to_string());
    }
    let mut claimants = conflict.claimants.iter();
    let (Some(caller), other) = (claimants.next(), claimants.next()) else {
        return Err(Step::review(Reason::SeveralCallers));
    };
    // Whose an email is need not be known to take it off somebody whose it is not.
    let may_be_disputed = rules.named == Some(Remedy::ReleaseEmail);
    if other.is_some() && !may_be_disputed {
        return Ok(Found::Ended(Step::review(Reason::SeveralCallers)));
    }

    let user = match holder {
        Ok(user) => user,
        Err(verdict) => return Ok(Found::Ended(ended(&verdict))),
    };
    let caller_lookup = LookupExternalId::try_from(caller.clone())
        .map_err(|_| Step::review(Reason::SeveralCallers))?;
    let own = found(
        run,
        run.sunshine
            .user_by_external_id(&caller_lookup, run.deadline)
            .await,
    )?;
    let verdict = decision::decide(conflict, &user, caller, own.as_ref(), now_millis(), rules);
    let is_known_by_id = conflict.email.is_none();
    Ok(match verdict {
        Verdict::Act(remedy) if is_known_by_id && remedy != Remedy::Delete => {
            Found::Ended(Step::review(Reason::NoEmail))
        }
        Verdict::Act(remedy) => Found::Act {
            user: Box::new(user),
            remedy,
        },
        verdict => Found::Ended(ended(&verdict)),
    })
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

/// Archives, looks once more, records what is about to be sent, and sends it.
async fn act(run: &Run<'_>, conflict: &mut Conflict, user: &User, remedy: Remedy) -> Work<()> {
    let archive = writing(run)?;
    let tools = Tools {
        sunshine: &run.sunshine,
        archive,
        deadline: run.deadline,
    };
    let mut copy = Copy::of(conflict, &user.id, remedy);
    let mut manifest = match copy.complete(&tools, conflict, remedy, user).await {
        Ok(manifest) => manifest,
        Err(error) => {
            conflict.archive_progress = copy.progress();
            return Err(not_archived(run, &error));
        }
    };

    let user = match evidence(run, conflict).await? {
        Found::Act {
            user: again,
            remedy: same,
        } if again.id == user.id && same == remedy => again,
        Found::Act { .. } => return Err(Step::Retry),
        Found::Ended(step) => return Err(step),
    };
    if remedy == Remedy::Delete {
        match copy.catch_up(&tools, conflict, &user).await {
            Ok(None) => {}
            Ok(Some(newer)) => manifest = newer,
            Err(error) => {
                conflict.archive_progress = copy.progress();
                return Err(not_archived(run, &error));
            }
        }
    }
    conflict.archive_progress = None;
    send(run, conflict, &user, remedy, Some(manifest)).await
}

/// Records what is about to be sent, to whom, and where it was archived (as before, where that is
/// none); and sends it.
async fn send(
    run: &Run<'_>,
    conflict: &mut Conflict,
    user: &User,
    remedy: Remedy,
    manifest: Option<String>,
) -> Work<()> {
    let before = conflict.clone();
    conflict.user_id = Some(user.id.to_string());
    conflict.remedy = Some(remedy);
    conflict.archive = manifest.or(conflict.archive.take());
    conflict.state = State::Confirming;
    conflict.sent_at = Some(now_millis());
    conflict.answered = false;
    conflict.looks = 0;
    if let Err(error) = run.table.write(conflict).await {
        // Nothing was sent. Where the record could not be written, or was written by somebody
        // who knows more, the next run reads it again.
        tracing::warn!(%error, "a remedy was not recorded, so it was not taken");
        *conflict = before;
        return Err(Step::Leave);
    }
    conflict.answered = match remedy::send(run, user, remedy).await {
        // Gone already is what a delete was to achieve, and leaves a release nothing to do.
        Ok(()) | Err(Error::NotFound) => true,
        Err(error) => {
            tracing::warn!(%error, "a remedy's answer is not known");
            false
        }
    };
    Ok(())
}

/// A changing call may have been sent by an earlier worker: look what came of it.
async fn confirm(run: &Run<'_>, conflict: &mut Conflict) -> Work<Step> {
    let remedy = conflict
        .remedy
        .ok_or(Step::review(Reason::OutcomeUnknown))?;
    let step = confirm_remedy(run, conflict, remedy).await?;
    let may_still_work = matches!(step, Step::Wait) && run.rules.named == Some(remedy);
    let is_resolved = matches!(step, Step::End(State::Resolved, _));
    if run.rules.named.is_none() || may_still_work || is_resolved {
        return Ok(step);
    }
    // It did not resolve, and an operator who could see that names what to do now.
    resolve(run, conflict).await
}

/// Looks what came of a remedy, restores what a release took too much, and takes the remedy again
/// where it surely was not carried out.
async fn confirm_remedy(run: &Run<'_>, conflict: &mut Conflict, remedy: Remedy) -> Work<Step> {
    let id: UserId = conflict
        .user_id
        .as_deref()
        .and_then(|id| id.parse().ok())
        .ok_or(Step::review(Reason::OutcomeUnknown))?;
    conflict.looks += 1;
    let user = found(run, run.sunshine.user(&id, run.deadline).await)?;
    if remedy == Remedy::ReleaseEmail
        && let Some(user) = &user
    {
        let archive = writing(run)?;
        let manifest = conflict.archive.as_deref().ok_or(Step::Leave)?;
        remedy::restore(run, archive, manifest, user).await?;
    }
    if is_free(run, conflict, &id, user.is_some()).await? {
        if remedy == Remedy::Merge && !caller_is_whole(run, conflict).await? {
            return Ok(Step::review(Reason::OtherUserChanged));
        }
        return Ok(Step::End(State::Resolved, None));
    }
    if conflict.looks >= MAX_LOOKS {
        let reason = if conflict.answered {
            Reason::EmailStillHeld
        } else {
            Reason::OutcomeUnknown
        };
        return Ok(Step::review(reason));
    }
    if conflict.answered && remedy != Remedy::Delete {
        // Nothing is promised to happen later, and one look may be one too early.
        return Ok(if conflict.looks < 2 {
            Step::Wait
        } else {
            Step::review(Reason::EmailStillHeld)
        });
    }
    // A delete takes effect later; a call whose answer was lost may too.
    if conflict.answered || conflict.looks < 2 {
        return Ok(Step::Wait);
    }
    again(run, conflict, remedy).await
}

/// Takes a remedy again that was sent, was not answered, and had no effect: with all the evidence,
/// and with what was archived before the first time.
async fn again(run: &Run<'_>, conflict: &mut Conflict, remedy: Remedy) -> Work<Step> {
    if remedy == Remedy::Delete && run.rules.named != Some(Remedy::Delete) {
        return Ok(Step::review(Reason::OutcomeUnknown));
    }
    match evidence(run, conflict).await? {
        Found::Act { user, remedy: same }
            if same == remedy && Some(user.id.as_str()) == conflict.user_id.as_deref() =>
        {
            if remedy > run.rules.allowed || !run.take_action() {
                return Ok(Step::Leave);
            }
            if remedy == Remedy::Delete {
                // Nothing of the user was lost so far, and there may be more of it by now.
                act(run, conflict, &user, remedy).await?;
            } else {
                send(run, conflict, &user, remedy, None).await?;
            }
            Ok(Step::Wait)
        }
        Found::Act { .. } => Ok(Step::review(Reason::OutcomeUnknown)),
        Found::Ended(step) => Ok(step),
    }
}

/// The archive, where the configuration allows to write anything outside.
fn writing<'a>(run: &'a Run<'_>) -> Work<&'a Archive> {
    run.archive
        .filter(|_| run.rules.allowed > Remedy::Plan)
        .ok_or(Step::Leave)
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

/// Whether the caller's own user, if there was one, still is found under its external id.
async fn caller_is_whole(run: &Run<'_>, conflict: &Conflict) -> Work<bool> {
    let Some(caller) = conflict.claimants.first() else {
        return Ok(false);
    };
    let lookup = LookupExternalId::try_from(caller.clone())
        .map_err(|_| Step::review(Reason::OtherUserChanged))?;
    let own = found(
        run,
        run.sunshine
            .user_by_external_id(&lookup, run.deadline)
            .await,
    )?;
    Ok(own.is_some_and(|own| own.external_id.as_ref() == Some(caller)))
}

/// What was found: 404 is an answer.
pub fn found(run: &Run<'_>, read: Result<User, Error>) -> Work<Option<User>> {
    match read {
        Ok(user) => Ok(Some(user)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(unread(run, &error)),
    }
}

/// What becomes of a conflict whose evidence could not be read.
pub fn unread(run: &Run<'_>, error: &Error) -> Step {
    match error {
        _ if run.is_out_of_time() => Step::Leave,
        Error::Key(_) => {
            run.stop("keys_unavailable");
            Step::Leave
        }
        Error::OutOfTime(_) => {
            run.stop("out_of_time");
            Step::Leave
        }
        Error::Unauthorized | Error::Forbidden | Error::Stopped(_) => {
            run.must_stop();
            Step::Leave
        }
        error => {
            tracing::warn!(%error, "a conflict is tried again later");
            Step::Retry
        }
    }
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

/// The wait before the next attempt: it grows fourfold, up to an hour.
fn backoff(attempts: u32) -> Duration {
    let seconds = 4_u64.saturating_pow(attempts.saturating_sub(1));
    Duration::from_secs(seconds).min(Duration::from_hours(1))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
