//! The rule that every id from outside must pass, and the types that hold one.
//!
//! Ids are put into the paths of URLs. There a dot segment names another resource (`..` the one
//! above), and parsers silently drop control characters.

/// A string that is not such an id. The message says what it must be, and never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be {0}")]
pub struct InvalidId(pub &'static str);

/// The reason why a string fails the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It has more characters than this.
    #[error("it has more than {0} characters")]
    TooLong(usize),
    /// It has a control character.
    #[error("it has a control character")]
    ControlCharacter,
    /// It is `.` or `..`.
    #[error("it is a dot segment")]
    DotSegment,
}

/// Checks the rule: 1 to `max` characters, no control characters, not `.` or `..`.
pub fn check(text: &str, max: usize) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err(Flaw::Empty);
    }
    if matches!(text, "." | "..") {
        return Err(Flaw::DotSegment);
    }
    if text.chars().any(char::is_control) {
        return Err(Flaw::ControlCharacter);
    }
    if text.chars().count() > max {
        return Err(Flaw::TooLong(max));
    }
    Ok(())
}

/// Whether `text` passes the rule.
#[cfg(any(feature = "conflicts", feature = "puzzel", feature = "sunshine"))]
pub(crate) fn is_valid(text: &str, max: usize) -> bool {
    check(text, max).is_ok()
}

/// Whether `text` is 1 to `max` letters, digits, `-` or `_`.
#[cfg(any(feature = "conflicts", feature = "puzzel", feature = "sunshine"))]
pub(crate) fn is_word(text: &str, max: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    is_valid(text, max) && text.bytes().all(is_plain)
}

/// Defines the type of an id: its name, the function that decides whether a string is one, and the
/// text that says in an error what the string must be.
#[cfg(any(feature = "conflicts", feature = "puzzel", feature = "sunshine"))]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $is_valid:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The form of such an id, for an error.
            pub const EXPECTED: &str = $expected;

            /// The id as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::id::InvalidId;

            fn try_from(text: String) -> Result<Self, $crate::id::InvalidId> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) {
                    Ok(Self(text))
                } else {
                    Err($crate::id::InvalidId(Self::EXPECTED))
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::InvalidId;

            fn from_str(text: &str) -> Result<Self, $crate::id::InvalidId> {
                text.to_owned().try_into()
            }
        }
    };
}
#[cfg(any(feature = "conflicts", feature = "puzzel", feature = "sunshine"))]
pub(crate) use id;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(check("", 3), Err(Flaw::Empty));
        assert_eq!(check("\u{1f980}\u{4e16}c", 3), Ok(()));
        assert_eq!(check("abcd", 3), Err(Flaw::TooLong(3)));
    }

    #[test]
    fn text_that_could_change_a_path_is_refused() {
        for text in [".", ".."] {
            assert_eq!(check(text, 9), Err(Flaw::DotSegment), "{text}");
        }
        for text in ["12\n34", "\r", "a\tb", "a\0b", "a\u{7f}", "a\u{85}"] {
            assert_eq!(check(text, 9), Err(Flaw::ControlCharacter), "{text:?}");
        }
        for text in ["...", "a/b", "a\\..\\b", "%2e%2e", "a b"] {
            assert_eq!(check(text, 9), Ok(()), "encoded, not refused: {text}");
        }
    }
}
