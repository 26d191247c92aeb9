//! The configuration of `receive-webhook`, read from its environment.

use std::time::Duration;

use shared::aws::secrets;
use shared::conflicts::ConflictsConfig;
use shared::lambda::config::{ConfigError, Variables};
use shared::lambda::http::BasePath;

/// The configuration of `receive-webhook`.
pub struct Config {
    /// Name or ARN of the secret with the signing secrets.
    pub webhook_secret_id: String,
    /// The time for which the cached secret is fresh.
    pub secret_ttl: Duration,
    /// The table, and the app and brand of its conflicts.
    pub conflicts: ConflictsConfig,
    /// The path under which the domain has this API.
    pub base_path: BasePath,
}

impl Config {
    /// Reads the variables that the README lists for `receive-webhook`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            webhook_secret_id: variables.required(
                "WEBHOOK_SECRET_ID",
                "the name or ARN of the secret with the webhook's signing secrets",
            )?,
            secret_ttl: secrets::ttl(variables)?,
            conflicts: ConflictsConfig::from_variables(variables)?,
            base_path: BasePath::from_variables(variables)?,
        })
    }
}
