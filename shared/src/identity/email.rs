//! Emails, and how they are compared.

/// Maximum characters of an email that Zendesk accepts as an identity.
#[cfg(any(feature = "caller", test))]
const MAX_CHARACTERS: usize = 128;

/// An email from a claim: trimmed, with one `@` and text on both sides of it, and without control
/// characters. It may be unverified, and of any length.
#[cfg(any(feature = "caller", test))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address<'a>(&'a str);

#[cfg(any(feature = "caller", test))]
impl<'a> Address<'a> {
    /// The email in `text`, if there is one.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (user, domain) = text.split_once('@')?;
        let is_email = !user.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !text.chars().any(char::is_control);
        is_email.then_some(Self(text))
    }

    /// The email as it is compared and keyed.
    pub(crate) fn key(self) -> EmailKey {
        EmailKey::from(self.0)
    }

    /// Whether Zendesk would refuse it for its length.
    pub(crate) fn is_too_long(self) -> bool {
        self.0.chars().count() > MAX_CHARACTERS
    }

    /// Marks the email as verified. Only [`caller`](super::caller) may decide that.
    pub(super) fn verified(self) -> VerifiedEmail {
        VerifiedEmail(self.0.to_owned())
    }
}

/// The reason why a token carries no email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum EmailOmitted {
    /// The request asked for a token without it.
    NotRequested,
    /// The login has none.
    NoClaim,
    /// The claim does not hold one email.
    Malformed,
    /// It has more than 128 characters.
    TooLong,
    /// The login does not say that it is verified.
    NotVerified,
}

impl EmailOmitted {
    /// The reason as it appears in the response and in the metrics.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An email that the caller's identity provider has verified. It has no `Debug`, so it is never
/// printed.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedEmail(String);

impl VerifiedEmail {
    /// The email as the identity provider spells it, trimmed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The email as it is compared and keyed.
    pub fn key(&self) -> EmailKey {
        EmailKey::from(self.0.as_str())
    }
}

/// An email as it is compared and keyed: trimmed and ASCII-lowercased. It has no `Debug`, so it is
/// never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(String);

impl EmailKey {
    /// The normalized email.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for EmailKey {
    fn from(email: &str) -> Self {
        Self(email.trim().to_ascii_lowercase())
    }
}

impl From<EmailKey> for String {
    fn from(key: EmailKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_compared_trimmed_and_ascii_lowercased() {
        assert!(EmailKey::from(" Anna@Example.COM\n") == EmailKey::from("anna@example.com"));
        assert!(EmailKey::from("\u{c4}nna@example.com") != EmailKey::from("\u{e4}nna@example.com"));
    }

    #[test]
    fn an_email_has_one_at_sign_with_text_on_both_sides_and_no_control_character() {
        for text in [
            "",
            " \t",
            "a",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a@@b",
            " @b",
            "a@ ",
            "a\n@example.com",
            "a@example.com\0b",
            "a@example.com\u{85}b",
        ] {
            assert!(Address::parse(text).is_none(), "{text:?}");
        }
        for text in [
            "a@b",
            " a@example.com\n",
            "\u{e5}@example.com",
            "a@[192.0.2.1]",
        ] {
            assert!(Address::parse(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn an_email_of_128_characters_is_not_too_long() {
        let of_length = |characters: usize| format!("{}@b", "\u{e5}".repeat(characters - 2));
        let is_too_long = |text: &str| Address::parse(text).unwrap().is_too_long();
        assert!(!is_too_long(&of_length(128)));
        assert!(!is_too_long(&format!(" {} ", of_length(128))));
        assert!(is_too_long(&of_length(129)));
    }
}
