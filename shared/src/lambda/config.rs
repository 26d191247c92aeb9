//! Configuration from environment variables: read once at start, with errors that say how to fix
//! them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsString;
use std::str::FromStr;

use strum::VariantNames;

/// Maximum characters of a value that an error shows.
const MAX_SHOWN: usize = 200;

/// An invalid configuration, which keeps the function from starting.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The variable is required and not set (an empty one counts as not set).
    #[error("{variable} is not set; it must hold {expected}")]
    Missing {
        /// The variable's name.
        variable: &'static str,
        /// The values that it may hold, in words.
        expected: Cow<'static, str>,
    },
    /// The variable holds something that it may not hold.
    #[error("{variable} holds {held:?}; it must hold {expected}")]
    Invalid {
        /// The variable's name.
        variable: &'static str,
        /// Its value now.
        held: String,
        /// The values that it may hold, in words.
        expected: Cow<'static, str>,
    },
    /// Variables that are valid each by itself, and cannot be used.
    #[error("{0}")]
    Unusable(&'static str),
}

impl ConfigError {
    /// The error for a variable that is required and not set.
    pub fn missing(variable: &'static str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::Missing {
            variable,
            expected: expected.into(),
        }
    }

    /// The error for a variable that holds `held` and must not, by itself or together with the
    /// other variables.
    pub fn invalid(
        variable: &'static str,
        held: &str,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Invalid {
            variable,
            held: shown(held),
            expected: expected.into(),
        }
    }
}

/// The environment variables that the function was started with.
#[derive(Default)]
pub struct Variables(HashMap<String, String>);

impl Variables {
    /// The variables of this process. Invalid Unicode is replaced; the variable's parser then
    /// rejects it.
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

    /// The variable's value, `None` if it is not set. `expected` says what it may hold.
    pub fn optional<T: FromStr>(
        &self,
        variable: &'static str,
        expected: impl Into<Cow<'static, str>>,
    ) -> Result<Option<T>, ConfigError> {
        self.get(variable)
            .map(|held| {
                held.parse()
                    .map_err(|_| ConfigError::invalid(variable, held, expected))
            })
            .transpose()
    }

    /// The variable's value; an error if it is not set.
    pub fn required<T: FromStr>(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        self.optional(variable, expected)?
            .ok_or_else(|| ConfigError::missing(variable, expected))
    }

    /// The variable's value, or `default` if it is not set.
    pub fn or<T: FromStr>(
        &self,
        variable: &'static str,
        default: T,
        expected: impl Into<Cow<'static, str>>,
    ) -> Result<T, ConfigError> {
        Ok(self.optional(variable, expected)?.unwrap_or(default))
    }

    /// One of the names of `T`, or `default` if the variable is not set.
    pub fn one_of<T: FromStr + VariantNames>(
        &self,
        variable: &'static str,
        default: T,
    ) -> Result<T, ConfigError> {
        self.or(variable, default, names::<T>())
    }

    /// The items of a comma-separated list, without the spaces around them; `None` if the variable is
    /// not set. `expected` says what the list may hold.
    pub fn list<T: FromStr>(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        self.get(variable)
            .map(|held| {
                let items = held.split(',').map(str::trim);
                items
                    .map(|item| match item {
                        "" => Err(()),
                        item => item.parse().map_err(|_| ()),
                    })
                    .collect::<Result<_, _>>()
                    .map_err(|()| ConfigError::invalid(variable, held, expected))
            })
            .transpose()
    }

    /// A whole number within `range`, or `default` if the variable is not set.
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
        Err(ConfigError::invalid(
            variable,
            &number.to_string(),
            expected,
        ))
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

/// The names of `T` in words: `a, b or c`.
pub fn names<T: VariantNames>() -> String {
    match T::VARIANTS {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        names => names.concat(),
    }
}

/// A value as an error shows it: shortened, and without the password of a URL.
fn shown(held: &str) -> String {
    if held.contains("://") && held.contains('@') {
        return "a URL with credentials".to_owned();
    }
    held.chars().take(MAX_SHOWN).collect()
}

/// Reads a function's configuration from this process's environment, and logs an error, so that the
/// log says why the function does not start.
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
    fn spaces_around_the_items_of_a_list_do_not_count() {
        let list = |held: &str| Variables::from_iter([("N", held)]).list::<u64>("N", EXPECTED);
        assert_eq!(list(" 1 ,2,  3"), Ok(Some(vec![1, 2, 3])));
        assert_eq!(list(" "), Ok(None));
        for held in ["1,,2", ",1", "1,", "1, ,2", ",", "1,a"] {
            assert_eq!(
                list(held).unwrap_err().to_string(),
                format!("N holds {held:?}; it must hold {EXPECTED}")
            );
        }
    }

    #[test]
    fn the_names_of_an_enum_are_the_values_that_a_variable_may_hold() {
        #[derive(Debug, PartialEq, strum::EnumString, strum::VariantNames)]
        #[strum(serialize_all = "kebab-case")]
        enum Fruit {
            Apple,
            RedPear,
            Plum,
        }
        let fruit = |held: &str| Variables::from_iter([("N", held)]).one_of("N", Fruit::Plum);
        assert_eq!(fruit(""), Ok(Fruit::Plum));
        assert_eq!(fruit("red-pear"), Ok(Fruit::RedPear));
        assert_eq!(fruit("apple"), Ok(Fruit::Apple));
        assert_eq!(
            fruit("Apple").unwrap_err().to_string(),
            "N holds \"Apple\"; it must hold apple, red-pear or plum"
        );
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
