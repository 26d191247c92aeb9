//! Configuration from environment variables: read once at start, with errors that say what to do.

use std::collections::HashMap;
use std::ffi::OsString;
use std::str::FromStr;

/// A variable that keeps a function from starting.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The variable is needed and not set (an empty one counts as not set).
    #[error("{variable} is not set; it must hold {expected}")]
    Missing {
        /// The variable's name.
        variable: &'static str,
        /// What it may hold.
        expected: &'static str,
    },
    /// The variable holds something it may not hold.
    #[error("{variable} holds {held:?}; it must hold {expected}")]
    Invalid {
        /// The variable's name.
        variable: &'static str,
        /// What it holds now.
        held: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// Variables that do not fit together.
    #[error("{0}")]
    Conflict(&'static str),
}

/// The environment a function was started with.
#[derive(Default)]
pub struct Variables(HashMap<String, String>);

impl Variables {
    /// The variables of this process. What is no Unicode in one is replaced, and so refused by
    /// whatever expects something of it.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .map(|(name, value)| {
                let text = |text: OsString| text.to_string_lossy().into_owned();
                (text(name), text(value))
            })
            .collect()
    }

    fn get(&self, variable: &str) -> Option<&str> {
        self.0
            .get(variable)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The variable's value, `None` where it is not set. `expected` says what it may hold.
    pub fn optional<T: FromStr>(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, ConfigError> {
        self.get(variable)
            .map(|held| {
                held.parse().map_err(|_| ConfigError::Invalid {
                    variable,
                    held: shown(held),
                    expected,
                })
            })
            .transpose()
    }

    /// The variable's value; an error where it is not set.
    pub fn required<T: FromStr>(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        self.optional(variable, expected)?
            .ok_or(ConfigError::Missing { variable, expected })
    }

    /// The variable's value, or `default` where it is not set.
    pub fn or<T: FromStr>(
        &self,
        variable: &'static str,
        default: T,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        Ok(self.optional(variable, expected)?.unwrap_or(default))
    }

    /// A whole number within `range`, or `default` where the variable is not set.
    pub fn number_or(
        &self,
        variable: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
        expected: &'static str,
    ) -> Result<u64, ConfigError> {
        let number = self.or(variable, default, expected)?;
        if range.contains(&number) {
            return Ok(number);
        }
        Err(ConfigError::Invalid {
            variable,
            held: number.to_string(),
            expected,
        })
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// What an error shows of a value: no password of a URL.
fn shown(held: &str) -> String {
    if held.contains("://") && held.contains('@') {
        return "a URL with credentials".to_owned();
    }
    held.chars().take(200).collect()
}

/// Reads a function's configuration from this process's environment. An error is logged: the
/// function does not start, and its log says why.
pub fn start<C>(read: impl FnOnce(&Variables) -> Result<C, ConfigError>) -> Result<C, ConfigError> {
    read(&Variables::of_process()).inspect_err(|error| tracing::error!(%error, "not started"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: &str = "a whole number from 1 to 9";

    fn number(held: &str) -> Result<u64, ConfigError> {
        Variables::from_iter([("N", held)]).number_or("N", 5, 1..=9, EXPECTED)
    }

    #[test]
    fn empty_is_not_set() {
        assert_eq!(number(" "), Ok(5));
        assert_eq!(number("7"), Ok(7));
    }

    #[test]
    fn an_error_shows_no_password() {
        let variables = Variables::from_iter([("N", "https://user:CANARY@host")]);
        let error = variables.required::<u64>("N", EXPECTED).unwrap_err();
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }

    #[test]
    fn an_error_names_the_variable_what_it_holds_and_what_it_may_hold() {
        for held in ["0", "10", "ten", "-1"] {
            assert_eq!(
                number(held).unwrap_err().to_string(),
                format!("N holds {held:?}; it must hold {EXPECTED}")
            );
        }
        let missing = Variables::default()
            .required::<u64>("N", EXPECTED)
            .unwrap_err();
        assert_eq!(
            missing.to_string(),
            format!("N is not set; it must hold {EXPECTED}")
        );
    }
}
