//! Resolves and approves conflicts, as an operator asks.

use shared::conflicts::{Claim, ClaimSource, Conflict, Lineage, Report, Source, State, TableError};
use shared::lambda::clock::now_millis;
use shared::sunshine::{Error, User};

use super::Run;
use crate::decide::{self, Decision, emails};
use crate::error::OperatorError;
use crate::event::{Approve, Resolve};
use crate::evidence::target;
use crate::facts;
use crate::interrupted::Interrupted;
use crate::stop::StopReason;

impl Run<'_> {
    /// Clears what holds the email of the user that had the previous external id.
    pub async fn resolve(&self, resolve: &Resolve) -> Result<(), OperatorError> {
        let user = match self.previous_user(resolve).await {
            Ok(user) => user,
            Err(interrupted) => {
                self.ctx.diagnose(interrupted).await;
                self.ctx.stop(StopReason::UpstreamError);
                self.report.borrow_mut().deferred += 1;
                return Ok(());
            }
        };
        let Some(user) = user else {
            self.report.borrow_mut().add_no_conflict();
            return Ok(());
        };
        let (table, scope) = (self.ctx.table, self.ctx.scope);
        let lineage = lineage(resolve, &user);
        let mut stated = table.said_of(scope, &lineage.previous).await?;
        if !resolve.dry_run {
            table.record_said(scope, &lineage).await?;
        }
        // Statements about a user who had this external id before: this one is another person.
        let target = target(&user, &lineage.previous);
        stated.retain(|it| it.is_of_another(&target));
        stated.push(lineage);
        let report = self.report_of(resolve, &user, stated);
        // A remedy that was named is for this user, and no drain puts another in its place.
        let named_for = resolve.remedy.map(|_| user.id.to_string());
        if resolve.dry_run {
            return self.dry_run(&report, named_for).await;
        }
        let conflict = self.open(&report, named_for).await?;
        self.work_on(conflict, None).await;
        Ok(())
    }

    /// The user with exactly the previous external id. The path takes user ids too, so the user
    /// that is found need not be the one that was meant.
    async fn previous_user(&self, resolve: &Resolve) -> Result<Option<User>, Interrupted> {
        let previous = &resolve.previous_external_id;
        let deadline = self.ctx.deadlines.calls;
        match self
            .ctx
            .sunshine
            .user_by_external_id(previous, deadline)
            .await
        {
            Ok(user) => {
                let is_meant = user.external_id.as_deref() == Some(previous.as_str());
                Ok(is_meant.then_some(user))
            }
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The operator's claim, over the email of the user if it is one.
    fn report_of(&self, resolve: &Resolve, user: &User, stated: Vec<Lineage>) -> Report {
        let current = resolve.current_external_id.as_str();
        let claim = Claim::new(current, ClaimSource::Operator, now_millis());
        let emails: Vec<_> = emails(user).into_iter().collect();
        let report = match emails.as_slice() {
            [email] => Report::over_email(self.ctx.scope, &email.as_str().into(), claim),
            _ => Report::over_user(self.ctx.scope, user.id.as_str(), claim),
        };
        report.with_lineages(stated)
    }

    /// Says what would be done, and writes nothing.
    async fn dry_run(
        &self,
        report: &Report,
        named_for: Option<String>,
    ) -> Result<(), OperatorError> {
        let now = now_millis();
        let mut conflict = match self.ctx.table.get(report.conflict_id()).await? {
            Some(known) => known.reopened_by(report, now),
            None => Conflict::open(report),
        };
        conflict.limit_to(named_for);
        let before = conflict.clone();
        let decided = facts::read(&self.ctx, &conflict, now)
            .await
            .map(|facts| decide::next(&conflict, &facts, &self.ctx.policy, now));
        match decided {
            Ok(Decision::Apply(plan)) => conflict.plan(plan.call.remedy(), plan.instead_because),
            Ok(Decision::Done(decide::Outcome::Planned(remedy, reason))) => {
                conflict.plan(remedy, reason);
            }
            Ok(Decision::Done(outcome)) => {
                let (state, reason) = outcome.end();
                conflict.end(state, reason, now);
            }
            Ok(Decision::Postpone { remedy, until }) => conflict.postpone(remedy, until, &before),
            Ok(Decision::AwaitEffect | Decision::Restore(_)) => {}
            Err(interrupted) => {
                self.ctx.diagnose(interrupted).await;
            }
        }
        self.report.borrow_mut().add(&conflict);
        Ok(())
    }

    /// Opens a conflict, also one that had ended.
    async fn open(
        &self,
        report: &Report,
        named_for: Option<String>,
    ) -> Result<Conflict, TableError> {
        let table = self.ctx.table;
        let mut opened = Conflict::open(report);
        opened.limit_to(named_for.clone());
        loop {
            let Some(known) = table.open(&opened).await? else {
                return Ok(opened);
            };
            let mut reopened = known.reopened_by(report, now_millis());
            reopened.limit_to(named_for.clone());
            if reopened == known {
                return Ok(known);
            }
            match table.write(&mut reopened).await {
                Ok(()) => return Ok(reopened),
                Err(TableError::Changed) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets a conflict go on, with exactly the user and version that were shown.
    pub async fn approve(&self, approve: &Approve) -> Result<(), OperatorError> {
        let invalid = |reason: &str| OperatorError::InvalidRequest(reason.to_owned());
        let table = self.ctx.table;
        let mut conflict = table
            .get(&approve.conflict_id)
            .await?
            .ok_or_else(|| invalid("conflictId: there is no conflict with this id"))?;
        if conflict.version() != approve.version {
            return Err(OperatorError::Changed);
        }
        if !matches!(
            conflict.state(),
            State::NeedsReview | State::Planned | State::Failed
        ) {
            return Err(invalid(
                "conflictId: only a conflict that needs review, is planned or failed is approved",
            ));
        }
        // If no single user holds the email any more, the effect of a call is checked all the same.
        let sent_to = conflict.sent().map(|sent| sent.to.as_str());
        let approved = conflict.user_id().or(sent_to).map(ToOwned::to_owned);
        let approved = approved.ok_or_else(|| {
            invalid(
                "conflictId: no single user is known that a remedy could be for; see its reason",
            )
        })?;
        conflict.approve(approved, now_millis());
        table
            .write(&mut conflict)
            .await
            .map_err(|error| match error {
                TableError::Changed => OperatorError::Changed,
                error => error.into(),
            })?;
        self.work_on(conflict, None).await;
        Ok(())
    }
}

/// The lineage that the operator states, about the user that is there now.
fn lineage(resolve: &Resolve, user: &User) -> Lineage {
    let source = Source::Operator {
        user_id: user.id.to_string(),
    };
    Lineage::new(
        resolve.previous_external_id.as_str(),
        resolve.current_external_id.as_str(),
        source,
        now_millis(),
    )
}
