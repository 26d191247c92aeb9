//! Resolves and approves conflicts, as an operator asks; and processes the pairs of an import, each
//! as a resolve.

use shared::conflicts::{Conflict, Lineage, Pair, Reason, Report, State, TableError};
use shared::identity::external_id::ExternalId;
use shared::lambda::clock::now_millis;
use shared::lambda::invoke::OperatorError;
use shared::sunshine::{Error, LookupExternalId, User};

use super::moves::invalid;
use super::{Run, table_error};
use crate::decide::{self, StatedChange, StatedFacts, StatedWork};
use crate::event::{Approve, Resolve};
use crate::facts;
use crate::interrupted::Interrupted;
use crate::stop::StopReason;

/// The reason why the work for a change could not be determined.
enum FindError {
    Interrupted(Interrupted),
    Table(TableError),
}

impl From<Interrupted> for FindError {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

impl From<TableError> for FindError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl Run<'_> {
    /// Resolves the conflict over the email of the user with the previous external id.
    pub async fn resolve(&self, resolve: &Resolve) -> Result<(), OperatorError> {
        let change = StatedChange {
            previous: &resolve.previous_external_id,
            current: &resolve.current_external_id,
            remedy: resolve.remedy,
            by: resolve.by.as_deref(),
            pair: None,
            true_since: None,
        };
        match self.find(&change).await {
            Err(FindError::Interrupted(interrupted)) => {
                self.ctx.diagnose(interrupted).await;
                self.ctx.stop(StopReason::UpstreamError);
                self.report.borrow_mut().deferred += 1;
                Ok(())
            }
            Err(FindError::Table(error)) => Err(table_error(error)),
            Ok(StatedWork::NoUser | StatedWork::Contradicted) => {
                self.report.borrow_mut().add_no_conflict();
                Ok(())
            }
            Ok(StatedWork::Done(conflict)) => {
                self.report.borrow_mut().add_done(&conflict);
                Ok(())
            }
            Ok(StatedWork::Report {
                report, limited_to, ..
            }) if resolve.dry_run => self.dry_run(&report, limited_to).await.map_err(table_error),
            Ok(StatedWork::Report {
                report,
                limited_to,
                statement,
            }) => {
                let opened = self.open(&change, &report, limited_to, &statement).await;
                self.work_on(opened.map_err(table_error)?, None).await;
                Ok(())
            }
        }
    }

    /// Processes a pair of an import.
    pub async fn work_on_pair(&self, mut pair: Pair) {
        if self.ctx.must_stop() {
            self.report.borrow_mut().deferred += 1;
            return;
        }
        if let Err(error) = self.advance(&mut pair).await {
            tracing::warn!(%error, "could not work on an import pair");
            self.report.borrow_mut().deferred += 1;
        }
    }

    async fn advance(&self, pair: &mut Pair) -> Result<(), TableError> {
        let ids = (
            LookupExternalId::try_from(pair.previous_external_id.clone()),
            ExternalId::try_from(pair.current_external_id.clone()),
        );
        let (Ok(previous), Ok(current)) = ids else {
            // An import refuses ids that are not valid, so the item was written by hand.
            pair.end(State::Failed, None);
            return self.ctx.table.write_pair(self.ctx.scope, pair).await;
        };
        let by = pair.by.clone();
        let change = StatedChange {
            previous: &previous,
            current: &current,
            remedy: None,
            by: Some(&by),
            pair: Some(pair.reference(self.ctx.scope)),
            true_since: pair.true_since,
        };
        match self.find(&change).await {
            Err(FindError::Table(error)) => return Err(error),
            Err(FindError::Interrupted(interrupted)) => {
                self.report.borrow_mut().deferred += 1;
                match self.ctx.diagnose(interrupted).await {
                    Interrupted::Retry | Interrupted::Forbidden => pair.retry(now_millis()),
                    // The run is over, and the pair is left as it is.
                    _ => return Ok(()),
                }
            }
            Ok(StatedWork::NoUser) => {
                self.report.borrow_mut().add_no_conflict();
                pair.end(State::NotAConflict, None);
            }
            Ok(StatedWork::Contradicted) => {
                self.report.borrow_mut().add_contradicted();
                pair.end(State::NeedsReview, Some(Reason::ContradictedLineage));
            }
            Ok(StatedWork::Done(conflict)) => {
                self.report.borrow_mut().add_done(&conflict);
                pair.conflict_id = Some(conflict.id().clone());
                pair.end(conflict.state(), conflict.reason());
            }
            Ok(StatedWork::Report {
                report,
                limited_to,
                statement,
            }) => {
                let conflict = self.open(&change, &report, limited_to, &statement).await?;
                // From here on the pair follows the conflict's record.
                self.work_on(conflict, None).await;
                return Ok(());
            }
        }
        self.ctx.table.write_pair(self.ctx.scope, pair).await
    }

    /// Finds the work that a change causes. Writes nothing.
    async fn find(&self, change: &StatedChange<'_>) -> Result<StatedWork, FindError> {
        let (table, scope) = (self.ctx.table, self.ctx.scope);
        let found = self.user_under(change.previous).await?;
        let statements = table
            .statements_about(scope, change.previous.as_str())
            .await?;
        let opened = match statements.conflict_of(change.current.as_str()) {
            Some(id) => table.get(id).await?,
            None => None,
        };
        let facts = StatedFacts {
            found,
            statements: statements.lineages,
            opened,
        };
        Ok(decide::stated_work(change, facts, scope, now_millis()))
    }

    /// The user that the previous external id leads to.
    async fn user_under(&self, previous: &LookupExternalId) -> Result<Option<User>, Interrupted> {
        let deadline = self.ctx.deadlines.calls;
        let read = self.ctx.sunshine.user_by_external_id(previous, deadline);
        match read.await {
            Ok(user) => Ok(Some(user)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says what would be done, and writes nothing.
    async fn dry_run(&self, report: &Report, limited_to: Option<String>) -> Result<(), TableError> {
        let now = now_millis();
        let mut conflict = match self.ctx.table.get(report.conflict_id()).await? {
            Some(known) => known.reopened_by(report, now),
            None => Conflict::open(report),
        };
        conflict.limit_to(limited_to);
        match facts::read(&self.ctx, &conflict, now).await {
            Ok(facts) => {
                let decision = decide::next(&conflict, &facts, &self.ctx.policy, now);
                decide::foresee(&mut conflict, &decision, now);
            }
            Err(interrupted) => {
                self.ctx.diagnose(interrupted).await;
            }
        }
        self.report.borrow_mut().add(&conflict);
        Ok(())
    }

    /// Records the operator's statement, and opens the conflict, even if it had ended.
    async fn open(
        &self,
        change: &StatedChange<'_>,
        report: &Report,
        limited_to: Option<String>,
        statement: &Lineage,
    ) -> Result<Conflict, TableError> {
        let (table, scope) = (self.ctx.table, self.ctx.scope);
        table
            .record_statement(scope, statement, report.conflict_id())
            .await?;
        let asked = |conflict: &mut Conflict| {
            conflict.limit_to(limited_to.clone());
            conflict.note_operator(change.by);
            conflict.link_pair(change.pair.clone());
        };
        let mut opened = Conflict::open(report);
        asked(&mut opened);
        loop {
            let Some(known) = table.open(&opened).await? else {
                self.ctx.log_change(None, &opened);
                return Ok(opened);
            };
            let mut reopened = known.reopened_by(report, now_millis());
            asked(&mut reopened);
            if reopened == known {
                return Ok(known);
            }
            match table.write(&mut reopened).await {
                Ok(()) => {
                    self.ctx.log_change(Some(known.state()), &reopened);
                    return Ok(reopened);
                }
                Err(TableError::Changed) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets the work on a conflict continue, with exactly the user and version that were shown.
    pub async fn approve(&self, approve: &Approve) -> Result<(), OperatorError> {
        let mut conflict = self
            .at_version(&approve.conflict_id, approve.version)
            .await?;
        let before = conflict.state();
        if !matches!(before, State::NeedsReview | State::Planned | State::Failed) {
            return Err(invalid(
                "only a conflict that needs review, is planned or failed can be approved",
            ));
        }
        // Without a single holder, approve the user that a call was sent to, so that its effect is
        // checked.
        let sent_to = conflict.sent().map(|sent| sent.to.as_str());
        let approved = conflict.user_id().or(sent_to).map(ToOwned::to_owned);
        let approved = approved.ok_or_else(|| {
            invalid("no single user is known that a remedy could be for; see its reason")
        })?;
        conflict.note_operator(Some(&approve.by));
        conflict.approve(approved, now_millis());
        self.write(&mut conflict).await?;
        self.ctx.log_change(Some(before), &conflict);
        self.work_on(conflict, None).await;
        Ok(())
    }
}
