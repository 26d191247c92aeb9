//! The configuration of `sign-token`, read from its environment.

use std::time::Duration;

use shared::aws::secrets;
use shared::identity::caller::Callers;
use shared::lambda::config::{ConfigError, Variables};
use shared::lambda::http::BasePath;

use crate::claims::Dialect;

/// The configuration of `sign-token`.
pub struct Config {
    /// How callers are identified.
    pub callers: Callers,
    /// The path under which the domain has this API.
    pub base_path: BasePath,
    /// Name or ARN of the secret with the signing keys.
    pub signing_key_secret_id: String,
    /// The time for which the cached secret is fresh.
    pub secret_ttl: Duration,
    /// The lifetime of a token.
    pub token_ttl: Duration,
    /// The form of the claims.
    pub dialect: Dialect,
}

impl Config {
    /// Reads the variables that the README lists for `sign-token`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            callers: Callers::from_variables(variables)?,
            base_path: BasePath::from_variables(variables)?,
            signing_key_secret_id: variables.required(
                "SIGNING_KEY_SECRET_ID",
                "the name or ARN of the secret with the signing keys",
            )?,
            secret_ttl: secrets::ttl(variables)?,
            token_ttl: Duration::from_secs(variables.number_or(
                "TOKEN_TTL_SECONDS",
                900,
                60..=86_400,
                "a whole number of seconds from 60 to 86400",
            )?),
            dialect: variables.one_of("TOKEN_DIALECT", Dialect::SunshineV2)?,
        })
    }
}
