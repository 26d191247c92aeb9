//! The ids in Puzzel's calls. Each is validated when it is parsed, so that no id can change the
//! path of a URL.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::id::{InvalidId, id, is_valid, is_word};

/// Maximum characters of a `userInfoId`. The length is not documented; the sample has 26.
const MAX_USER_INFO_ID: usize = 1024;

id!(
    /// The customer's (the solution's) id.
    #[derive(Debug)]
    CustomerId, |id| is_segment(id, 25),
    "1 to 25 characters, none of them a control character, / or \\, and no dot segment"
);
id!(
    /// The id of a chat, which Puzzel calls `conversationId`. The client chooses it, a random UUID
    /// usually.
    #[derive(Debug)]
    ChatId, |id| is_word(id, 128), "1 to 128 of the characters A-Z a-z 0-9 - _"
);
id!(
    /// The key of the queue that a chat starts in.
    #[derive(Debug)]
    QueueKey, |key| is_segment(key, 128),
    "1 to 128 characters, none of them a control character, / or \\, and no dot segment"
);

/// Whether `text` can be one path segment. Slashes would be encoded, but we have seen intermediate
/// servers decode them.
fn is_segment(text: &str, max: usize) -> bool {
    is_valid(text, max) && !text.contains(['/', '\\'])
}

/// The id of an identity provider in Puzzel's organisation settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ProviderId(i64);

/// Puzzel's id of a user whom it has authenticated. Together with its verifier it is the user's
/// identity in a chat, so it is a secret.
#[derive(Debug)]
pub struct UserInfoId(SecretString);

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl UserInfoId {
    /// The id itself, for Puzzel or for the caller.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TryFrom<String> for UserInfoId {
    type Error = InvalidId;

    fn try_from(id: String) -> Result<Self, InvalidId> {
        let length = id.chars().count();
        if (1..=MAX_USER_INFO_ID).contains(&length) && !id.chars().any(char::is_control) {
            Ok(Self(id.into()))
        } else {
            Err(InvalidId(
                "1 to 1024 characters, none of them a control character",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 11] = [
        "", ".", "..", "a/b", "a\\..\\b", "a\0b", "a\rb", "12\n34", "a\tb", "a\u{7f}", "a\u{85}",
    ];

    #[test]
    fn ids_that_could_change_the_path_are_refused() {
        for id in HOSTILE {
            assert!(id.parse::<CustomerId>().is_err(), "{id:?}");
            assert!(id.parse::<ChatId>().is_err(), "{id:?}");
            assert!(id.parse::<QueueKey>().is_err(), "{id:?}");
        }
        for id in ["a b", "a.b", "...", "%2e%2e", "\u{4e16}"] {
            assert!(id.parse::<ChatId>().is_err(), "{id:?}");
            assert!(id.parse::<QueueKey>().is_ok(), "{id:?}");
            assert!(id.parse::<CustomerId>().is_ok(), "{id:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!("c".repeat(25).parse::<CustomerId>().is_ok());
        assert!("c".repeat(26).parse::<CustomerId>().is_err());
        assert!("-".repeat(128).parse::<ChatId>().is_ok());
        assert!("_".repeat(129).parse::<ChatId>().is_err());
        assert!("\u{4e16}".repeat(128).parse::<QueueKey>().is_ok());
        assert!("\u{4e16}".repeat(129).parse::<QueueKey>().is_err());
    }

    #[test]
    fn a_provider_id_is_an_integer() {
        let read = |json: &str| {
            serde_json::from_str::<ProviderId>(json)
                .ok()
                .map(|id| id.to_string())
        };
        assert_eq!(read("456").as_deref(), Some("456"));
        for other in ["\"456\"", "4.5", "456.0", "true", "[456]", "1e3"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_user_info_id_is_not_printed() {
        let id = UserInfoId::try_from("usr_canary".to_owned()).unwrap();
        assert!(!format!("{id:?}").contains("canary"));
        for id in ["", "usr\n1", &"u".repeat(1025)] {
            assert!(UserInfoId::try_from(id.to_owned()).is_err(), "{id:?}");
        }
    }
}
