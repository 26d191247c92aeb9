//! The actions `recheck` and `close`, and the record that an operator acts on.

use futures_util::StreamExt;
use futures_util::stream;
use shared::conflicts::{Conflict, ConflictId, State, TableError};
use shared::lambda::clock::now_millis;
use shared::lambda::invoke::OperatorError;

use super::{Run, table_error};
use crate::event::{Close, Recheck};

/// Maximum records of one page of the index.
const PAGE: usize = 100;

impl Run<'_> {
    /// Works again on a conflict, or on all in a state, as a drain would, but at once and whether
    /// or not they are due.
    pub async fn recheck(&self, recheck: &Recheck, at_once: usize) -> Result<(), OperatorError> {
        let ids = match recheck {
            Recheck::Conflict(id) => {
                known(self.ctx.table.get(id).await)?;
                vec![id.clone()]
            }
            Recheck::State(state, reason) => {
                // Read all ids first: a conflict that returns to the state must not be worked on
                // again.
                let (mut ids, mut start) = (Vec::new(), None);
                loop {
                    let page = self.ctx.table.list(*state, *reason, PAGE, start).await;
                    let (conflicts, next) = page.map_err(table_error)?;
                    ids.extend(conflicts.iter().map(|conflict| conflict.id().clone()));
                    match next {
                        Some(next) => start = Some(next),
                        None => break ids,
                    }
                }
            }
        };
        stream::iter(ids)
            .for_each_concurrent(at_once, async |id| {
                if self.ctx.must_stop() {
                    self.report.borrow_mut().deferred += 1;
                    return;
                }
                if let Err(error) = self.look_again(&id).await {
                    tracing::warn!(conflictId = %id, %error, "could not recheck a conflict");
                    self.report.borrow_mut().deferred += 1;
                }
            })
            .await;
        Ok(())
    }

    async fn look_again(&self, id: &ConflictId) -> Result<(), TableError> {
        let Some(mut conflict) = self.ctx.table.get(id).await? else {
            return Ok(());
        };
        match conflict.state() {
            // It is over. Only a new report or a `resolve` opens it again.
            State::Resolved | State::NotAConflict => {
                self.report.borrow_mut().add(&conflict);
                return Ok(());
            }
            State::NeedsReview | State::Failed | State::Planned => {
                conflict.reopen(now_millis());
                self.ctx.table.write(&mut conflict).await?;
            }
            State::Pending | State::InProgress | State::Confirming => {}
        }
        self.work_on(conflict, None).await;
        Ok(())
    }

    /// Ends a conflict, because a person knows that there is nothing to do.
    pub async fn close(&self, close: &Close) -> Result<(), OperatorError> {
        let mut conflict = self.at_version(&close.conflict_id, close.version).await?;
        let before = conflict.state();
        match before {
            State::Pending | State::Planned | State::NeedsReview | State::Failed => {}
            State::InProgress | State::Confirming => {
                return Err(invalid(
                    "a remedy is being applied, or its effect is being checked; wait until that is over",
                ));
            }
            State::Resolved | State::NotAConflict => {
                return Err(invalid("this conflict is over"));
            }
        }
        conflict.close(&close.by, &close.note, now_millis());
        self.write(&mut conflict).await?;
        self.ctx.log_change(Some(before), &conflict);
        self.report.borrow_mut().add(&conflict);
        Ok(())
    }

    /// The record, if it has the version that was shown.
    pub(super) async fn at_version(
        &self,
        id: &ConflictId,
        version: u64,
    ) -> Result<Conflict, OperatorError> {
        let conflict = known(self.ctx.table.get(id).await)?;
        if conflict.version() == version {
            Ok(conflict)
        } else {
            Err(changed())
        }
    }

    /// Writes the record; an error if another writer has changed it in the meantime.
    pub(super) async fn write(&self, conflict: &mut Conflict) -> Result<(), OperatorError> {
        match self.ctx.table.write(conflict).await {
            Err(TableError::Changed) => Err(changed()),
            outcome => outcome.map_err(table_error),
        }
    }
}

fn known(read: Result<Option<Conflict>, TableError>) -> Result<Conflict, OperatorError> {
    let conflict = read.map_err(table_error)?;
    conflict.ok_or_else(|| invalid("there is no conflict with this id"))
}

fn changed() -> OperatorError {
    OperatorError::Changed(
        "version: the conflict has changed since it was shown; show it again first".to_owned(),
    )
}

/// A refusal that is about the conflict.
pub(super) fn invalid(reason: &str) -> OperatorError {
    OperatorError::InvalidRequest(format!("conflictId: {reason}"))
}
