//! What an operator asks for: to list, to resolve, to approve.

use std::collections::BTreeSet;

use lambda_runtime::Error;
use shared::conflicts::{Conflict, Lineage, Reason, Scope, Source, State, Table, TableError};
use shared::lambda::clock::now_millis;
use shared::sunshine::User;

use crate::action::{Approve, List, Resolve};
use crate::decision;
use crate::evidence::{self, Found};
use crate::report::{Listed, Report};
use crate::run::Run;
use crate::worker::Step;

/// The conflicts in a state, the latest changed first.
pub async fn list(table: &Table, list: &List) -> Result<Report, TableError> {
    let (conflicts, _) = table.in_state(list.state, list.limit, None).await?;
    let report = Report {
        conflicts: conflicts.iter().map(Listed::to_operator).collect(),
        ..Report::default()
    };
    Ok(report)
}

/// Clears what holds the email of the user that had the previous external id.
pub async fn resolve(run: &Run<'_>, resolve: &Resolve) -> Result<(), Error> {
    let previous = &resolve.previous_external_id;
    let read = run
        .sunshine
        .user_by_external_id(previous, run.deadline)
        .await;
    let user = match evidence::found(run, read) {
        // The path takes user ids too, so who is found need not be who was meant.
        Ok(user) => user.filter(|user| user.external_id.as_deref() == Some(previous.as_str())),
        Err(_step) => {
            run.stop("upstream_error");
            run.report.borrow_mut().deferred += 1;
            return Ok(());
        }
    };
    let Some(user) = user else {
        let mut report = run.report.borrow_mut();
        report.examined += 1;
        report.not_a_conflict += 1;
        return Ok(());
    };
    let lineage = lineage(resolve, &user);
    let mut said = run.table.said_of(run.scope, &lineage.previous).await?;
    if !resolve.dry_run {
        run.table.record_said(run.scope, &lineage).await?;
    }
    // Of a user who had this external id before: this one is another person.
    let target = decision::target(&user, previous.as_str());
    said.retain(|it| it.is_of_another(&target));
    said.push(lineage);
    let conflict = asked(run.scope, resolve, &user, said);
    if resolve.dry_run {
        return dry_run(run, conflict).await;
    }
    let conflict = open(run.table, conflict).await?;
    if conflict.has_ended() {
        run.report.borrow_mut().add(&conflict);
        return Ok(());
    }
    run.one(conflict).await;
    Ok(())
}

/// The lineage that the operator is.
fn lineage(resolve: &Resolve, user: &User) -> Lineage {
    Lineage {
        previous: resolve.previous_external_id.as_str().to_owned(),
        current: resolve.current_external_id.as_str().to_owned(),
        source: Source::Operator {
            user_id: user.id.to_string(),
        },
        time: now_millis(),
    }
}

/// The conflict that an operator asks to resolve, with what operators said of it.
fn asked(scope: &Scope, resolve: &Resolve, user: &User, said: Vec<Lineage>) -> Conflict {
    let now = now_millis();
    let current = resolve.current_external_id.as_str();
    let mut conflict = match decision::emails(user).as_slice() {
        [email] => Conflict::over_email(scope, email, current, now),
        [] => Conflict::over_user(scope, user.id.as_str(), current, now),
        _ => {
            let mut conflict = Conflict::over_user(scope, user.id.as_str(), current, now);
            conflict.end(State::NeedsReview, Some(Reason::SeveralEmails), now);
            conflict
        }
    };
    // A remedy that was named is for this user, and no drain puts another in its place.
    conflict.approved_user_id = resolve.remedy.map(|_| user.id.to_string());
    conflict.lineages = said;
    conflict
}

/// Says what would be done, and writes nothing.
async fn dry_run(run: &Run<'_>, mut conflict: Conflict) -> Result<(), Error> {
    let known = run.table.get(&conflict.conflict_id).await?;
    if let Some(known) = known {
        if !is_over(known.state) {
            conflict.claimants.extend(known.claimants);
        }
        conflict.lineages.extend(known.lineages);
        conflict.drop_earlier_claimants();
    }
    if !conflict.has_ended() {
        let now = now_millis();
        match evidence::evidence(run, &mut conflict).await {
            Ok(Found::Act { remedy, .. }) => {
                conflict.remedy = Some(remedy);
                conflict.end(State::Planned, None, now);
            }
            Ok(Found::Ended(Step::End(state, reason))) | Err(Step::End(state, reason)) => {
                conflict.end(state, reason, now);
            }
            Ok(Found::Ended(_)) | Err(_) => {}
        }
    }
    run.report.borrow_mut().add(&conflict);
    Ok(())
}

/// Whether what comes after this state is another conflict.
fn is_over(state: State) -> bool {
    matches!(state, State::Resolved | State::NotAConflict)
}

/// Opens a conflict, also one that had ended.
async fn open(table: &Table, asked: Conflict) -> Result<Conflict, TableError> {
    let mut conflict = table.report(&asked).await?;
    let known = conflict.clone();
    let now = now_millis();
    match conflict.state {
        state if is_over(state) => {
            // It is over, and what was said of it is not forgotten.
            let mut again = Conflict {
                version: conflict.version,
                ..asked.clone()
            };
            again.lineages.extend(conflict.lineages);
            conflict = again;
        }
        _ if asked.has_ended() => return Ok(conflict),
        State::NeedsReview | State::Failed | State::Planned => {
            let lineages: BTreeSet<_> = conflict.lineages.iter().map(|it| it.time).collect();
            conflict.lineages.extend(
                asked
                    .lineages
                    .into_iter()
                    .filter(|it| !lineages.contains(&it.time)),
            );
            conflict.reopen(now);
        }
        _ => {}
    }
    conflict.approved_user_id = asked.approved_user_id;
    if conflict != known {
        table.write(&mut conflict).await?;
    }
    Ok(conflict)
}

/// Lets a conflict go on, with exactly the user and version that were shown.
pub async fn approve(run: &Run<'_>, approve: &Approve) -> Result<(), Error> {
    let mut conflict = run
        .table
        .get(&approve.conflict_id)
        .await?
        .ok_or("there is no conflict with this id")?;
    if conflict.version != approve.version {
        return Err("the conflict was changed since it was listed; list it again, and look".into());
    }
    let can_go_on = matches!(
        conflict.state,
        State::NeedsReview | State::Planned | State::Failed
    );
    if !can_go_on {
        return Err("only a conflict that needs review, is planned or failed is approved".into());
    }
    // Where no single user holds the email any more, what came of a call is looked at all the same.
    let approved = conflict.user_id.as_ref().or(conflict.sent_to.as_ref());
    let approved =
        approved.ok_or("no single user is known that a remedy could be for; see its reason")?;
    conflict.approved_user_id = Some(approved.clone());
    conflict.reopen(now_millis());
    run.table.write(&mut conflict).await?;
    run.one(conflict).await;
    Ok(())
}
