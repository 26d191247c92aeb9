//! The ids of Sunshine Conversations. Each type has one constructor, and none can change a path.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::{id, is_valid, is_word};

/// Defines ids that are stored and printed.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $is_valid:expr, $expected:literal;)*) => { $(
        id!($(#[$doc])* $name, $is_valid, $expected);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0).finish()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.try_into().map_err(de::Error::custom)
            }
        }
    )* };
}

ids! {
    /// The id of the app that users belong to.
    AppId, |id| is_word(id, 64), "1 to 64 letters, digits, - or _";
    /// The id that Sunshine Conversations gave a user. An external id may have the same form, so
    /// check an id that does not come from a response before you act on it.
    UserId,
    |id| id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()),
    "24 hexadecimal digits";
    /// The id of the core Zendesk user that a messaging user is linked to.
    ZendeskId,
    |id| (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()),
    "1 to 20 digits";
    /// The id of a conversation.
    ConversationId, |id| is_word(id, 128), "1 to 128 letters, digits, - or _";
    /// The id of a brand, if users are separated by brand.
    BrandId, |id| is_word(id, 64), "1 to 64 letters, digits, - or _";
    /// The position in a list at which the next page starts. Opaque; used in a query only.
    Cursor,
    |id| (1..=2048).contains(&id.len()) && !id.chars().any(char::is_control),
    "1 to 2048 bytes without control characters";
}

id!(
    /// An external id to look a user up by: 1 to 1,024 characters, which the v2 API accepts, no
    /// control characters, not `.` or `..`. Its `Debug` prints only the name of the type.
    LookupExternalId, |id| is_valid(id, 1024),
    "1 to 1024 characters, none of them a control character, and not . or .."
);

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
