//! The configuration of every function that works on conflicts, read from its environment.

use super::id::Scope;
use crate::lambda::config::{ConfigError, Variables};

/// The table, and the app and brand of its conflicts.
pub struct ConflictsConfig {
    /// The name of the DynamoDB table.
    pub table: String,
    /// The app and the brand.
    pub scope: Scope,
}

impl ConflictsConfig {
    /// Reads `CONFLICTS_TABLE`, `SUNSHINE_APP_ID` and `SUNSHINE_BRAND_ID`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        let id = "an id of 1 to 64 letters, digits, - or _";
        let scope = Scope {
            app_id: variables.required("SUNSHINE_APP_ID", id)?,
            brand_id: variables.optional("SUNSHINE_BRAND_ID", id)?,
        };
        Ok(Self {
            table: variables.required("CONFLICTS_TABLE", "the name of the DynamoDB table")?,
            scope,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_in_every_function_that_has_them() {
        for (app, brand, is_sound) in [
            ("5f9c", "", true),
            ("app_1", "9477", true),
            ("../x", "", false),
            ("a b", "", false),
            ("5f9c", "a/b", false),
        ] {
            let variables = Variables::from_iter([
                ("CONFLICTS_TABLE", "conflicts"),
                ("SUNSHINE_APP_ID", app),
                ("SUNSHINE_BRAND_ID", brand),
            ]);
            let read = ConflictsConfig::from_variables(&variables);
            assert_eq!(read.is_ok(), is_sound, "{app} {brand}");
        }
    }
}
