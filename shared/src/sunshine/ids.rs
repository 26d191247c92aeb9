//! The ids of Sunshine Conversations. Each type has one constructor, and none can change a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A string that is not such an id. The message says what it must be, and never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(&'static str);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId($rule))
                }
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// The id of the app that users belong to.
    AppId, |id| is_word(id, 64), "an app id is 1 to 64 letters, digits, - or _"
);
id!(
    /// The id that Sunshine Conversations gave a user. An external id may have the same form, so
    /// check an id that does not come from a response before you act on it.
    UserId,
    |id| id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()),
    "a user id is 24 hexadecimal digits"
);
id!(
    /// The id of the core Zendesk user that a messaging user is linked to.
    ZendeskId,
    |id| (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()),
    "a Zendesk id is 1 to 20 digits"
);
id!(
    /// The id of a conversation.
    ConversationId, |id| is_word(id, 128), "a conversation id is 1 to 128 letters, digits, - or _"
);
id!(
    /// The id of a brand, if users are separated by brand.
    BrandId, |id| is_word(id, 64), "a brand id is 1 to 64 letters, digits, - or _"
);
id!(
    /// The position in a list at which the next page starts. Opaque; used in a query only.
    Cursor,
    |id| (1..=2048).contains(&id.len()) && !id.chars().any(char::is_control),
    "a cursor is 1 to 2048 bytes without control characters"
);

fn is_word(id: &str, max: usize) -> bool {
    (1..=max).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// An external id to look a user up by: 1 to 1,024 characters, which the v2 API accepts, no control
/// characters, not `.` or `..`. Its `Debug` prints nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LookupExternalId(String);

impl LookupExternalId {
    /// The id as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LookupExternalId {
    type Error = InvalidId;

    fn try_from(id: String) -> Result<Self, InvalidId> {
        let valid = (1..=1024).contains(&id.chars().count())
            && !matches!(id.as_str(), "." | "..")
            && !id.chars().any(char::is_control);
        valid.then_some(Self(id)).ok_or(InvalidId(
            "an external id is 1 to 1024 characters, none of them a control character, and not . or ..",
        ))
    }
}

impl FromStr for LookupExternalId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.to_owned().try_into()
    }
}

impl fmt::Debug for LookupExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupExternalId")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 17] = [
        "",
        ".",
        "..",
        "%2e%2e",
        "a/b",
        "a\\..\\b",
        "\0",
        "a\rb",
        "12\n34",
        "a\tb",
        "a b",
        "a?b",
        "a#b",
        "a;b",
        "\u{e4}",
        "\u{ff0e}\u{ff0e}",
        " 1",
    ];

    #[test]
    fn ids_that_could_change_a_path_are_refused() {
        for text in HOSTILE {
            assert!(text.parse::<AppId>().is_err(), "{text:?}");
            assert!(text.parse::<UserId>().is_err(), "{text:?}");
            assert!(text.parse::<ZendeskId>().is_err(), "{text:?}");
            assert!(text.parse::<ConversationId>().is_err(), "{text:?}");
            assert!(text.parse::<BrandId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_id_has_its_length_and_alphabet() {
        assert!("7494535bff5cef41a15be74d".parse::<UserId>().is_ok());
        assert!("7494535bff5cef41a15be74".parse::<UserId>().is_err());
        assert!("7494535bff5cef41a15be74d0".parse::<UserId>().is_err());
        assert!("7494535bff5cef41a15be74g".parse::<UserId>().is_err());
        assert!("35436".parse::<ZendeskId>().is_ok());
        assert!("-1".parse::<ZendeskId>().is_err());
        assert!("\u{663}".parse::<ZendeskId>().is_err());
        assert!("1".repeat(21).parse::<ZendeskId>().is_err());
    }

    #[test]
    fn an_external_id_is_looked_up_unchanged() {
        for text in [
            "a/b",
            "%2e%2e",
            "a\\..\\b",
            "...",
            "\u{4e16}\u{754c}",
            "7494535bff5cef41a15be74d",
        ] {
            assert_eq!(text.parse::<LookupExternalId>().unwrap().as_str(), text);
        }
        for text in ["", ".", "..", "a\0", "12\n34", "a\rb", "a\tb", "\u{85}"] {
            assert!(text.parse::<LookupExternalId>().is_err(), "{text:?}");
        }
        assert!("\u{1f980}".repeat(1024).parse::<LookupExternalId>().is_ok());
        assert!("a".repeat(1025).parse::<LookupExternalId>().is_err());
    }
}
