//! The messaging JWT and its claims.
//!
//! Source: "Authenticating users", Sunshine Conversations documentation; "Authenticating end users
//! for messaging", Zendesk help.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use shared::identity::caller::Caller;
use shared::identity::email::VerifiedEmail;
use strum::{EnumString, VariantNames};

use crate::keys::SigningKey;

/// The form of the claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
pub enum Dialect {
    /// `scope: user` and `external_id`: Zendesk messaging and Sunshine Conversations v2.
    #[strum(serialize = "sunshine-v2")]
    SunshineV2,
    /// `scope: appUser` and `userId`: the legacy SDKs.
    #[strum(serialize = "smooch-v1")]
    SmoochV1,
}

/// The claims of a messaging JWT. All values belong to the caller or are constants.
#[derive(Serialize)]
pub struct Claims<'a> {
    /// Always the scope of an end user: a token with scope `app` could do everything.
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(rename = "userId", skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    email: Option<EmailClaims<'a>>,
    iat: u64,
    exp: u64,
}

/// An email, marked as verified. Zendesk ignores an email without that mark.
#[derive(Serialize)]
struct EmailClaims<'a> {
    email: &'a str,
    email_verified: bool,
}

impl<'a> Claims<'a> {
    /// The claims for `caller`, valid from `now` for `ttl`, with or without its email.
    pub fn new(
        caller: &'a Caller,
        dialect: Dialect,
        email: Option<&'a VerifiedEmail>,
        now: SystemTime,
        ttl: Duration,
    ) -> Self {
        let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let id = Some(caller.external_id.as_str());
        let (scope, external_id, user_id) = match dialect {
            Dialect::SunshineV2 => ("user", id, None),
            Dialect::SmoochV1 => ("appUser", None, id),
        };
        Self {
            scope,
            external_id,
            user_id,
            name: caller.name.as_deref(),
            email: email.map(|email| EmailClaims {
                email: email.as_str(),
                email_verified: true,
            }),
            iat,
            exp: iat + ttl.as_secs(),
        }
    }

    /// The time at which the token expires, in seconds since 1970.
    pub fn expires_at(&self) -> u64 {
        self.exp
    }

    /// The token: HS256, with exactly `alg`, `typ` and `kid` in its header.
    pub fn sign(&self, key: &SigningKey) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, self, &key.key)
    }
}

#[cfg(test)]
mod tests;
