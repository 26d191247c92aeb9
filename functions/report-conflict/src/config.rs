//! The configuration of `report-conflict`, read from its environment.

use shared::conflicts::ConflictsConfig;
use shared::identity::caller::Callers;
use shared::lambda::config::{ConfigError, Variables};
use shared::lambda::http::BasePath;

/// The configuration of `report-conflict`.
pub struct Config {
    /// How callers are identified.
    pub callers: Callers,
    /// The path under which the domain has this API.
    pub base_path: BasePath,
    /// The table, and the app and brand of its conflicts.
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
