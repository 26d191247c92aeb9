//! What every function that works on conflicts is told by its environment.

use super::id::Scope;
use crate::config::{ConfigError, Variables};

/// The table, and whose conflicts are in it.
pub struct ConflictsConfig {
    /// The name of the DynamoDB table.
    pub table: String,
    /// The app and the brand.
    pub scope: Scope,
}

impl ConflictsConfig {
    /// Reads `CONFLICTS_TABLE`, `SUNSHINE_APP_ID` and `SUNSHINE_BRAND_ID`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            table: variables.required("CONFLICTS_TABLE", "the name of the DynamoDB table")?,
            scope: Scope {
                app_id: variables.required("SUNSHINE_APP_ID", "the id of the Sunshine app")?,
                brand_id: variables.optional("SUNSHINE_BRAND_ID", "the id of a brand")?,
            },
        })
    }
}
