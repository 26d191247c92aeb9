//! A run: it holds the run lease, works on conflicts, and reports.

mod drain;
mod moves;
mod operator;
mod undo;
mod views;

use std::cell::RefCell;

use shared::conflicts::{Conflict, TableError};
use shared::lambda::invoke::OperatorError;

use crate::context::{Action, Context};
use crate::process::process;
use crate::report::RunReport;

pub use views::{count, import, list, progress};

/// A run, and its report so far.
pub struct Run<'a> {
    /// The context.
    pub ctx: Context<'a>,
    /// The report so far.
    pub report: RefCell<RunReport>,
}

impl<'a> Run<'a> {
    /// A run that has not begun.
    pub fn new(ctx: Context<'a>) -> Self {
        Self {
            ctx,
            report: RefCell::default(),
        }
    }

    /// Works on one conflict, and reports its progress.
    async fn work_on(&self, conflict: Conflict, action: Option<Action<'_>>) {
        if self.ctx.must_stop() {
            // The work has not begun, so the record stays unchanged.
            self.report.borrow_mut().deferred += 1;
            return;
        }
        let id = conflict.id().clone();
        match process(&self.ctx, conflict, action).await {
            Ok(Some(conflict)) => self.report.borrow_mut().add(&conflict),
            // Another writer has it.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, conflictId = %id, "could not record the result of a conflict");
                self.report.borrow_mut().deferred += 1;
            }
        }
    }

    /// The report of the run, which is over.
    pub fn finish(self) -> RunReport {
        let mut report = self.report.into_inner();
        report.requests = self.ctx.sunshine.requests();
        report.stopped_because = self.ctx.stop_reason();
        report
    }
}

/// An error of the table, for the operator.
pub fn table_error(error: TableError) -> OperatorError {
    match error {
        TableError::Changed => OperatorError::Changed(error.to_string()),
        error => OperatorError::Unavailable(error.to_string()),
    }
}
