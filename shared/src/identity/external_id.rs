//! The external id: the company's own name for a user.

use crate::id::{Flaw, check};

/// The `external_id` of a user: 1 to 255 characters, no control characters, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(String);

/// Maximum characters that messaging accepts.
pub const MAX_CHARACTERS: usize = 255;

impl ExternalId {
    /// The id as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ExternalId {
    type Error = Flaw;

    fn try_from(id: String) -> Result<Self, Flaw> {
        check(&id, MAX_CHARACTERS)?;
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messaging_accepts_255_characters() {
        let id = |text: String| ExternalId::try_from(text).map(|_| ());
        assert_eq!(id("\u{1f980}".repeat(255)), Ok(()));
        assert_eq!(id("a".repeat(256)), Err(Flaw::TooLong(255)));
        assert_eq!(id("..".to_owned()), Err(Flaw::DotSegment));
    }
}
