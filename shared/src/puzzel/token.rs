//! Tokens that are forwarded to Puzzel. Nothing here verifies them; Puzzel does.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use strum::{EnumString, VariantNames};

use crate::id::InvalidId;

/// The kinds of token that Puzzel accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum TokenKind {
    /// An OAuth access token.
    Access,
    /// An OpenID Connect ID token.
    Id,
}

/// A token of the customer's identity provider.
#[derive(Debug)]
pub struct IdpToken {
    kind: TokenKind,
    token: SecretString,
}

/// The access token of a Puzzel visitor session. Puzzel's documentation does not require it, but we
/// have seen chats that began with one fail without it.
#[derive(Debug)]
pub struct VisitorToken(SecretString);

impl IdpToken {
    /// A token of `kind`.
    pub fn new(kind: TokenKind, token: &str) -> Self {
        Self {
            kind,
            token: token.into(),
        }
    }

    /// The token itself if it is of `kind`.
    pub(super) fn of_kind(&self, kind: TokenKind) -> Option<&str> {
        (self.kind == kind).then(|| self.token.expose_secret())
    }
}

impl VisitorToken {
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for VisitorToken {
    type Err = InvalidId;

    /// Accepts what may follow `Bearer` in a header (RFC 6750, section 2.1).
    fn from_str(token: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(allowed) {
            return Err(InvalidId("a bearer token"));
        }
        Ok(Self(token.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_printed() {
        let token = IdpToken::new(TokenKind::Id, "canary");
        let visitor: VisitorToken = "canary".parse().unwrap();
        assert!(!format!("{token:?}{visitor:?}").contains("canary"));
    }

    #[test]
    fn a_visitor_token_cannot_inject_a_header() {
        for token in ["", "a b", "a\r\nx-evil: 1", "a\0", "\u{e9}"] {
            assert!(token.parse::<VisitorToken>().is_err(), "{token:?}");
        }
    }
}
