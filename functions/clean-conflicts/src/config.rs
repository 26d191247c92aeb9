//! The configuration of `clean-conflicts`.

use std::num::NonZeroU32;
use std::time::Duration;

use shared::aws::secrets;
use shared::conflicts::{ConflictsConfig, Remedy};
use shared::http::upstream_url::UpstreamUrl;
use shared::lambda::config::{ConfigError, Variables};

use crate::evidence::MergeCall;

/// The configuration of `clean-conflicts`.
pub struct Config {
    /// The table, and the app and brand of its conflicts.
    pub conflicts: ConflictsConfig,
    /// The base URL of the Sunshine Conversations API.
    pub base_url: UpstreamUrl,
    /// Name or ARN of the secret with the API key.
    pub api_key_secret_id: String,
    /// The time for which the cached secret is fresh.
    pub secret_ttl: Duration,
    /// The strongest remedy that is allowed.
    pub allowed: Remedy,
    /// The wait after the first report before a remedy that lineage does not fully prove: a release
    /// without lineage, or any remedy with a claim that has no time.
    pub release_after: Duration,
    /// The call that merges two users.
    pub merge_call: MergeCall,
    /// Whether events about changed external ids count as lineage.
    pub trusts_events: bool,
    /// The bucket of the archive, which is required from `release-email` on.
    pub archive_bucket: Option<String>,
    /// Maximum requests per second of one run.
    pub requests_per_second: NonZeroU32,
    /// Maximum remedies of one run.
    pub max_actions: u32,
}

impl Config {
    /// Reads the variables that the README lists for `clean-conflicts`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        let allowed = variables.one_of("REMEDY", Remedy::Plan)?;
        let bucket = "the name of the archive's S3 bucket";
        Ok(Self {
            conflicts: ConflictsConfig::from_variables(variables)?,
            base_url: variables.required(
                "SUNSHINE_BASE_URL",
                "the API's URL such as https://acme.zendesk.com/sc: https, or http on a loopback host",
            )?,
            api_key_secret_id: variables.required(
                "SUNSHINE_API_KEY_SECRET_ID",
                "the name or ARN of the secret with the API key",
            )?,
            secret_ttl: secrets::ttl(variables)?,
            archive_bucket: if allowed == Remedy::Plan {
                variables.optional("ARCHIVE_BUCKET", bucket)?
            } else {
                Some(variables.required("ARCHIVE_BUCKET", bucket)?)
            },
            allowed,
            release_after: Duration::from_secs(variables.number_or(
                "RELEASE_AFTER_SECONDS",
                24 * 60 * 60,
                0..=30 * 24 * 60 * 60,
                "a whole number of seconds from 0 to 2592000",
            )?),
            merge_call: variables.one_of("MERGE_CALL", MergeCall::default())?,
            trusts_events: variables.or("TRUST_WEBHOOK_LINEAGE", false, "true or false")?,
            requests_per_second: variables.or(
                "SUNSHINE_REQUESTS_PER_SECOND",
                NonZeroU32::MIN.saturating_add(4),
                "a whole number from 1",
            )?,
            max_actions: variables.or("MAX_ACTIONS_PER_RUN", 25, "a whole number")?,
        })
    }
}
