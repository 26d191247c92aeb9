//! The configuration of `erase-person`.

use shared::conflicts::ConflictsConfig;
use shared::lambda::config::{ConfigError, Variables};

/// The configuration of `erase-person`.
pub struct Config {
    /// The table, and the app and brand of its records.
    pub conflicts: ConflictsConfig,
    /// The bucket of the archive.
    pub archive_bucket: String,
}

impl Config {
    /// Reads the variables that the README lists for `erase-person`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            conflicts: ConflictsConfig::from_variables(variables)?,
            archive_bucket: variables
                .required("ARCHIVE_BUCKET", "the name of the archive's S3 bucket")?,
        })
    }
}
