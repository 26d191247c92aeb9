//! The external id: the company's own name for a user.

/// The `external_id` of a user: 1 to 255 characters, no control characters, not `.` or `..`.
///
/// The v2 API has external ids in paths. There a dot segment names another resource (`..` names the
/// app itself), and parsers silently drop control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(String);

/// Maximum characters that messaging accepts.
pub const MAX_CHARACTERS: usize = 255;

/// The reason why a string is not an external id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExternalId {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It has more than [`MAX_CHARACTERS`].
    #[error("it has more than {MAX_CHARACTERS} characters")]
    TooLong,
    /// It has a control character.
    #[error("it has a control character")]
    ControlCharacter,
    /// It is `.` or `..`.
    #[error("it is a dot segment")]
    DotSegment,
}

impl ExternalId {
    /// The id as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ExternalId {
    type Error = InvalidExternalId;

    fn try_from(id: String) -> Result<Self, InvalidExternalId> {
        if id.is_empty() {
            return Err(InvalidExternalId::Empty);
        }
        if id == "." || id == ".." {
            return Err(InvalidExternalId::DotSegment);
        }
        if id.chars().any(char::is_control) {
            return Err(InvalidExternalId::ControlCharacter);
        }
        if id.chars().count() > MAX_CHARACTERS {
            return Err(InvalidExternalId::TooLong);
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: impl Into<String>) -> Result<(), InvalidExternalId> {
        ExternalId::try_from(id.into()).map(|_| ())
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(check(""), Err(InvalidExternalId::Empty));
        assert_eq!(check("1"), Ok(()));
        assert_eq!(check("\u{1f980}".repeat(255)), Ok(()));
        assert_eq!(check("a".repeat(256)), Err(InvalidExternalId::TooLong));
    }

    #[test]
    fn ids_that_could_change_a_path_are_refused() {
        for id in [".", ".."] {
            assert_eq!(check(id), Err(InvalidExternalId::DotSegment));
        }
        for id in ["12\n34", "\r", "a\tb", "a\0b", "a\u{7f}", "a\u{85}"] {
            assert_eq!(check(id), Err(InvalidExternalId::ControlCharacter));
        }
        // These are encoded, not refused.
        for id in [
            "...",
            "a/b",
            "a\\..\\b",
            "%2e%2e",
            "\u{4e16}\u{754c}",
            "a b",
        ] {
            assert_eq!(check(id), Ok(()));
        }
    }
}
