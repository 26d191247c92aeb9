//! The errors of an invocation.

use lambda_runtime::{Diagnostic, Error};
use shared::conflicts::TableError;

/// An invocation that was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A field has a value that is not allowed, or the event is not one of this function's.
    #[error("{0}")]
    InvalidRequest(String),
    /// The remedy is beyond `REMEDY`.
    #[error("this remedy is stronger than REMEDY allows; change REMEDY first")]
    NotAllowed,
    /// The record has another version now.
    #[error("the conflict was changed since it was listed; list it again and check it")]
    Changed,
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The function could not work at all.
    #[error(transparent)]
    Internal(#[from] Error),
}

impl From<OperatorError> for Diagnostic {
    fn from(error: OperatorError) -> Self {
        let error_type = match &error {
            OperatorError::InvalidRequest(_) => "InvalidRequest",
            OperatorError::NotAllowed => "NotAllowed",
            OperatorError::Changed => "Changed",
            OperatorError::Table(_) => "TableUnavailable",
            OperatorError::Internal(_) => "InternalError",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}
