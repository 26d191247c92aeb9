//! Emails, and how they are compared.

/// An email that the caller's identity provider has verified. Has no printing `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedEmail(String);

impl VerifiedEmail {
    /// Only [`crate::identity::caller`] says what is verified. `None` where nothing is left after trimming, and
    /// where a control character is in it, which no mailbox has and no user can be found by.
    #[cfg(any(feature = "caller", test))]
    pub(crate) fn new(email: &str) -> Option<Self> {
        let email = email.trim();
        let is_email = !email.is_empty() && !email.chars().any(char::is_control);
        is_email.then(|| Self(email.to_owned()))
    }

    /// The email as the identity provider spells it, trimmed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The email as it is compared and keyed.
    pub fn key(&self) -> EmailKey {
        EmailKey::from(self.0.as_str())
    }
}

/// An email as it is compared and keyed: trimmed and ASCII-lowercased. Has no printing `Debug`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_compared_trimmed_and_ascii_lowercased() {
        assert!(EmailKey::from(" Anna@Example.COM\n") == EmailKey::from("anna@example.com"));
        assert!(EmailKey::from("\u{c4}nna@example.com") != EmailKey::from("\u{e4}nna@example.com"));
    }

    #[test]
    fn what_is_blank_or_has_a_control_character_is_no_email() {
        for email in [" \t", "a\n@example.com", "a@example.com\0b"] {
            assert!(VerifiedEmail::new(email).is_none());
        }
        assert!(VerifiedEmail::new(" a@example.com\n").is_some());
    }
}
