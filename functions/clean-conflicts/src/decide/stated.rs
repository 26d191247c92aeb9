//! The work that follows from an operator's statement that one external id became another.

use shared::conflicts::{
    Claim, ClaimSource, Conflict, Lineage, PairRef, Remedy, Report, Scope, Source, State, Target,
};
use shared::identity::external_id::ExternalId;
use shared::sunshine::{LookupExternalId, User};

use crate::evidence::{emails, target};

/// An external id that became another, as an operator states it.
pub struct StatedChange<'a> {
    /// The external id before.
    pub previous: &'a LookupExternalId,
    /// The external id now.
    pub current: &'a ExternalId,
    /// The remedy that the operator names.
    pub remedy: Option<Remedy>,
    /// The operator.
    pub by: Option<&'a str>,
    /// The import pair that states it.
    pub pair: Option<PairRef>,
    /// The time from which an import's list is true: a user who signed up later is another person.
    pub true_since: Option<u64>,
}

/// Everything that was read about a change.
#[derive(Default)]
pub struct StatedFacts {
    /// The user that the previous external id leads to. The path takes user ids too, so this need
    /// not be the one that was meant.
    pub found: Option<User>,
    /// Operators' earlier statements about the previous external id.
    pub statements: Vec<Lineage>,
    /// The conflict that was last opened for the same change.
    pub opened: Option<Conflict>,
}

/// The work that a change causes.
pub enum StatedWork {
    /// No user has the previous external id.
    NoUser,
    /// It was done before, with this conflict.
    Done(Box<Conflict>),
    /// An operator stated another change of the same external id before, or the external id has had
    /// a new holder since.
    Contradicted,
    /// A report to open a conflict with.
    Report {
        /// The operator's claim.
        report: Box<Report>,
        /// The user that a named remedy is for; no drain may replace that remedy by another one.
        limited_to: Option<String>,
        /// The operator's statement, which is to be recorded.
        statement: Lineage,
    },
}

/// Decides which work a change causes. `now` is in milliseconds since 1970.
pub fn stated_work(
    change: &StatedChange<'_>,
    facts: StatedFacts,
    scope: &Scope,
    now: u64,
) -> StatedWork {
    let (previous, current) = (change.previous.as_str(), change.current.as_str());
    let is_meant = |user: &User| user.external_id.as_deref() == Some(previous);
    let user = facts.found.filter(is_meant);
    if let Some(conflict) = facts.opened
        && is_done(&conflict, user.as_ref(), change.remedy)
    {
        return StatedWork::Done(Box::new(conflict));
    }
    let Some(user) = user else {
        return StatedWork::NoUser;
    };
    let target = target(&user, previous);
    if is_contradicted(change, &facts.statements, &target) {
        return StatedWork::Contradicted;
    }
    let lineage = lineage(change, &user, now);
    // Keep statements about a user who had this external id before: they show that this user may be
    // another person.
    let mut stated = facts.statements;
    stated.retain(|it| it.is_of_another(&target));
    stated.push(lineage.clone());
    let report = report(scope, current, &user, now).with_lineages(stated);
    StatedWork::Report {
        report: Box::new(report),
        limited_to: change.remedy.map(|_| user.id.to_string()),
        statement: lineage,
    }
}

/// Whether a change that was stated before is done: its conflict is resolved, the user does not
/// hold the email again, and no stronger remedy is named than the one that was applied.
fn is_done(conflict: &Conflict, user: Option<&User>, named: Option<Remedy>) -> bool {
    let holds_it_again = user.is_some_and(|user| {
        let email = conflict.email();
        emails(user).iter().any(|it| Some(it.as_str()) == email)
    });
    conflict.state() == State::Resolved && !holds_it_again && named <= conflict.remedy()
}

/// Whether a pair must not be worked on: an operator stated another change of the same external id,
/// or the user signed up after the list was true. An operator who sends one change decides alone.
fn is_contradicted(change: &StatedChange<'_>, statements: &[Lineage], target: &Target<'_>) -> bool {
    let (previous, current) = (change.previous.as_str(), change.current.as_str());
    let is_another = |it: &Lineage| it.previous == previous && it.current != current;
    let signed_up_after = |time| target.signed_up_at.is_some_and(|at| at > time);
    (change.pair.is_some() && statements.iter().any(is_another))
        || change.true_since.is_some_and(signed_up_after)
}

/// The lineage that the operator states, about the user that is there now. A pair was stated when
/// its list was true, so later events may contradict it.
fn lineage(change: &StatedChange<'_>, user: &User, now: u64) -> Lineage {
    let source = Source::Operator {
        user_id: user.id.to_string(),
    };
    Lineage::new(
        change.previous.as_str(),
        change.current.as_str(),
        source,
        change.true_since.unwrap_or(now),
    )
}

/// The operator's claim, over the email of the user if it has exactly one.
fn report(scope: &Scope, current: &str, user: &User, now: u64) -> Report {
    let claim = Claim::new(current, ClaimSource::Operator, now);
    let emails: Vec<_> = emails(user).into_iter().collect();
    match emails.as_slice() {
        [email] => Report::over_email(scope, &email.as_str().into(), claim),
        _ => Report::over_user(scope, user.id.as_str(), claim),
    }
}
