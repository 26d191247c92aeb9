//! What `report-conflict` is told by its environment.

use shared::conflicts::ConflictsConfig;
use shared::identity::caller::Callers;
use shared::lambda::config::{ConfigError, Variables};
use shared::lambda::http::BasePath;

/// The configuration of `report-conflict`.
pub struct Config {
    /// Who is calling.
    pub callers: Callers,
    /// The path under which the domain has this API.
    pub base_path: BasePath,
    /// The table, and whose conflicts are in it.
    pub conflicts: ConflictsConfig,
}

impl Config {
    /// Reads the variables that the README lists for `report-conflict`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            callers: Callers::from_variables(variables)?,
            base_path: BasePath::from_variables(variables)?,
            conflicts: ConflictsConfig::from_variables(variables)?,
        })
    }
}
