//! Decides whether a bearer token is valid.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use serde_json::{Map, Value};

use super::error::{KeysError, VerifyError};
use super::jwks::Signature;
use super::keys::{FETCH_LIMIT, IssuerKeys, Origin};
use super::token::UnverifiedToken;
use super::{AUDIENCE, ISSUER, OidcSettings};
use crate::http::client::HttpClient;
use crate::identity::claims::ClaimName;
use crate::lambda::config::{ConfigError, Variables};
use crate::lambda::deadline::Deadline;

/// Maximum difference between the clocks of the issuer and of this service.
const LEEWAY_SECONDS: f64 = 60.0;

/// Verifies the tokens of the configured issuers for the configured audiences.
pub struct Verifier {
    issuers: Vec<(String, Arc<IssuerKeys>)>,
    audiences: Vec<String>,
    audience_claim: Option<ClaimName>,
}

impl Verifier {
    /// A verifier configured by the variables that begin with `OIDC_`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        Self::new(OidcSettings::from_variables(variables, true)?)
    }

    /// A verifier with these settings, which must have an issuer and an audience. Nothing is
    /// fetched yet.
    pub fn new(settings: OidcSettings) -> Result<Self, ConfigError> {
        if settings.issuers.is_empty() {
            return Err(ConfigError::missing("OIDC_ISSUER", ISSUER));
        }
        if settings.audiences.is_empty() {
            return Err(ConfigError::missing("OIDC_AUDIENCE", AUDIENCE));
        }
        let http = HttpClient::new()
            .map_err(|_| ConfigError::Unusable("the HTTP client cannot be made"))?;
        let keys = |origin| Arc::new(IssuerKeys::new(origin, http.clone()));
        let shared = settings.jwks_url.map(|url| keys(Origin::Url(url)));
        let issuers = settings.issuers.into_iter().filter_map(|issuer| {
            let own = || {
                let origin = Origin::Discovery {
                    issuer: issuer.name.clone(),
                    url: issuer.url?,
                };
                Some(keys(origin))
            };
            let keys = shared.clone().or_else(own)?;
            Some((issuer.name, keys))
        });
        Ok(Self {
            issuers: issuers.collect(),
            audiences: settings.audiences,
            audience_claim: settings.audience_claim,
        })
    }

    /// Fetches the keys of every issuer, during init. If that fails, the function still starts.
    pub async fn warm_up(&self) {
        // The fetch has already logged the failure.
        let _ = self.check_issuers(Deadline::after(FETCH_LIMIT)).await;
    }

    /// Whether the keys of each issuer are available, from the cache or by a fetch.
    pub async fn check_issuers(&self, deadline: Deadline) -> Vec<(&str, Result<(), KeysError>)> {
        let checks = self.issuers.iter().map(async |(issuer, keys)| {
            let keys = keys.get(deadline).await;
            (issuer.as_str(), keys.map(|_| ()))
        });
        join_all(checks).await
    }

    /// The claims of `token`, if it is valid now.
    pub async fn verify(
        &self,
        token: &str,
        deadline: Deadline,
    ) -> Result<Map<String, Value>, VerifyError> {
        let token = UnverifiedToken::parse(token)?;
        let issuer = token.claims.get("iss").and_then(Value::as_str);
        let (_, keys) = self
            .issuers
            .iter()
            .find(|(name, _)| issuer == Some(name))
            .ok_or(VerifyError::invalid("it is another issuer's"))?;
        check_signature(&token, keys, deadline).await?;
        self.check_claims(&token.claims)?;
        Ok(token.claims)
    }

    fn check_claims(&self, claims: &Map<String, Value>) -> Result<(), VerifyError> {
        let number = |name: &str| claims.get(name).and_then(Value::as_f64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs_f64();
        let expiry = number("exp").ok_or(VerifyError::invalid("it never expires"))?;
        if expiry + LEEWAY_SECONDS < now {
            return Err(VerifyError::invalid("it has expired"));
        }
        if claims.get("nbf").is_some_and(|it| !it.is_null()) {
            let start = number("nbf");
            let start = start.ok_or(VerifyError::invalid("its nbf is not a number"))?;
            if start > now + LEEWAY_SECONDS {
                return Err(VerifyError::invalid("it is not valid yet"));
            }
        }
        if !self.is_for_us(claims) {
            return Err(VerifyError::invalid("it is for another audience"));
        }
        if claims.get("sub").is_none_or(|it| it.is_null() || *it == "") {
            return Err(VerifyError::invalid("it has no subject"));
        }
        Ok(())
    }

    /// Whether the token is for one of our audiences. If it has an `aud`, that alone decides.
    /// Otherwise the claim of `OIDC_AUDIENCE_CLAIM` or `client_id` does, which Cognito's access
    /// tokens have.
    fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        let ours = |audience: &Value| {
            audience
                .as_str()
                .is_some_and(|it| self.audiences.iter().any(|our| our == it))
        };
        let names_us = |claim: &Value| match claim {
            Value::Array(audiences) => audiences.iter().any(ours),
            audience => ours(audience),
        };
        let says_nothing =
            |claim: &&Value| claim.is_null() || claim.as_array().is_some_and(Vec::is_empty);
        if let Some(aud) = claims.get("aud").filter(|aud| !says_nothing(aud)) {
            return names_us(aud);
        }
        let configured = self.audience_claim.as_ref();
        let configured = configured.and_then(|name| name.of(claims));
        let mut others = claims.get("client_id").into_iter().chain(configured);
        others.any(names_us)
    }
}

/// Checks the signature of `token` with the cached keys of the issuer, and with newer ones if none
/// of the cached keys fits.
async fn check_signature(
    token: &UnverifiedToken<'_>,
    keys: &IssuerKeys,
    deadline: Deadline,
) -> Result<(), VerifyError> {
    let held = keys.get(deadline).await?;
    let mut signature = held.value.check(token);
    if signature == Signature::Unknown {
        let newer = keys.get_newer(&held, deadline).await?;
        if !Arc::ptr_eq(&newer.value, &held.value) {
            signature = newer.value.check(token);
        }
    }
    match signature {
        Signature::Valid => Ok(()),
        Signature::Forged => Err(VerifyError::invalid("its signature is wrong")),
        // If the newest keys could not be fetched, the token may be signed with one of them.
        Signature::Unknown => Err(keys.failure().map_or(
            VerifyError::invalid("it is not signed with a key of its issuer"),
            VerifyError::KeysUnavailable,
        )),
    }
}

#[cfg(test)]
mod tests;
