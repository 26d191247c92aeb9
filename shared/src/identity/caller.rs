//! The caller of a request: from exactly one configured source, and never from a body.

mod from_claims;

use std::borrow::Cow;

use serde_json::{Map, Value};
use strum::{EnumString, VariantNames};

use super::claims::{CallerClaims, ClaimSettings, json};
use super::email::{EmailOmitted, VerifiedEmail};
use super::external_id::ExternalId;
use super::oidc::{KeysError, OidcSettings, Verifier, VerifyError};
use super::token_header::TokenHeader;
use crate::id::Flaw;
use crate::lambda::check::Check;
use crate::lambda::config::{ConfigError, Variables};
use crate::lambda::deadline::Deadline;
use crate::lambda::http::{EventKind, Request};

/// The user who is logged in.
pub struct Caller {
    /// The company's own name for the user.
    pub external_id: ExternalId,
    /// The email if it is verified, else the reason why it is left out.
    pub email: Result<VerifiedEmail, EmailOmitted>,
    /// The name to show.
    pub name: Option<String>,
    /// The external id that the user had before, if the identity provider says so.
    pub previous_external_id: Option<ExternalId>,
    /// The time of that change, in milliseconds since 1970, if the identity provider says so.
    pub external_id_changed_at: Option<u64>,
    /// The `sub` claim.
    pub subject: Option<String>,
    /// The `iss` claim.
    pub issuer: Option<String>,
}

/// The reason why a request has no known caller.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Nothing in the request proves the caller's identity.
    #[error("{0}")]
    Unproven(Cow<'static, str>),
    /// The claims are proven, but they identify no one.
    #[error(
        "no subject: the claim of EXTERNAL_ID_CLAIM is missing, is not text or a whole number, or is Azure AD B2C's placeholder (use oid instead)"
    )]
    NoSubject,
    /// The request may carry a cookie, and does not declare itself as JSON.
    #[error("the content type is not application/json")]
    NotJson,
    /// Zendesk does not accept this external id.
    #[error("the external id is not usable: {0}")]
    InvalidExternalId(#[source] Flaw),
    /// The external id is the email, and the email is not verified.
    #[error("the external id is an email that is not verified")]
    EmailNotVerified,
    /// The token cannot be verified now.
    #[error("the issuer's keys are not available: {0}")]
    KeysUnavailable(KeysError),
}

impl From<VerifyError> for IdentityError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Invalid(cause) => Self::Unproven(cause),
            VerifyError::KeysUnavailable(cause) => Self::KeysUnavailable(cause),
        }
    }
}

/// Identifies the callers of requests.
pub struct Callers {
    source: IdentitySource,
    claims: ClaimSettings,
    token_header: TokenHeader,
}

enum IdentitySource {
    JwtAuthorizer,
    LambdaAuthorizer,
    Bearer(Box<Verifier>),
}

#[derive(Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum SourceName {
    JwtAuthorizer,
    LambdaAuthorizer,
    Bearer,
}

impl Callers {
    /// Reads `IDENTITY_SOURCE`, the claims' names, and what the source needs.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        let source = variables.one_of("IDENTITY_SOURCE", SourceName::JwtAuthorizer)?;
        // A wrong variable is an error even if the source does not need it.
        let keeps_objects = source != SourceName::JwtAuthorizer;
        let oidc = OidcSettings::from_variables(variables, keeps_objects)?;
        Ok(Self {
            source: match source {
                SourceName::JwtAuthorizer => IdentitySource::JwtAuthorizer,
                SourceName::LambdaAuthorizer => IdentitySource::LambdaAuthorizer,
                SourceName::Bearer => IdentitySource::Bearer(Box::new(Verifier::new(oidc)?)),
            },
            claims: ClaimSettings::from_variables(variables, keeps_objects)?,
            token_header: TokenHeader::from_variables(variables)?,
        })
    }

    /// Logs the settings that an operator should know about, and fetches the issuers' keys. Call it
    /// once, before the first request.
    pub async fn warm_up(&self) {
        self.claims.warn();
        if let IdentitySource::Bearer(verifier) = &self.source {
            verifier.warm_up().await;
        }
    }

    /// Whether callers can be identified now, for the action `check`. `None` if an authorizer in
    /// front of the function verifies the tokens, since there is no issuer to ask.
    pub async fn check(&self, deadline: Deadline) -> Option<Check> {
        let IdentitySource::Bearer(verifier) = &self.source else {
            return None;
        };
        let issuers = verifier.check_issuers(deadline).await;
        let failed: Vec<_> = issuers
            .iter()
            .filter_map(|(issuer, keys)| {
                let error = keys.as_ref().err()?;
                Some(format!("the keys of {issuer} are not available: {error}"))
            })
            .collect();
        Some(if failed.is_empty() {
            Check::passed("issuer", "the keys of each issuer are available")
        } else {
            Check::failed("issuer", failed.join("; "))
        })
    }

    /// The caller of `request`.
    pub async fn identify(&self, request: &Request) -> Result<Caller, IdentityError> {
        match &self.source {
            IdentitySource::JwtAuthorizer => {
                let claims = CallerClaims::spelled(jwt_claims(request)?);
                self.claims.caller(&claims)
            }
            IdentitySource::LambdaAuthorizer => {
                let context = lambda_context(request)?;
                let caller = self.claims.caller(&match request.kind {
                    // A REST API turns the context's values into text.
                    EventKind::V1 => CallerClaims::spelled(context),
                    EventKind::V2 | EventKind::LoadBalancer => CallerClaims::typed(context),
                })?;
                // A page of another site can send the user's cookie along, but not this header
                // without a preflight.
                request
                    .says_json()
                    .then_some(caller)
                    .ok_or(IdentityError::NotJson)
            }
            IdentitySource::Bearer(verifier) => {
                let token = self.token(request);
                let token = token.ok_or(unproven("no bearer token"))?;
                let claims = verifier.verify(token, request.deadline).await?;
                self.claims.caller(&CallerClaims::typed(claims))
            }
        }
    }

    /// The token that the caller sent with the request.
    pub fn token<'a>(&self, request: &'a Request) -> Option<&'a str> {
        self.token_header.token(&request.headers)
    }
}

/// The claims that API Gateway has verified.
fn jwt_claims(request: &Request) -> Result<Map<String, Value>, IdentityError> {
    let mut authorizer = authorizer(request)?;
    let claims = match request.kind {
        EventKind::V2 => {
            field(&mut authorizer, "jwt").and_then(|mut jwt| field(&mut jwt, "claims"))
        }
        EventKind::V1 => field(&mut authorizer, "claims")
            .or_else(|| field(&mut field(&mut authorizer, "jwt")?, "claims")),
        EventKind::LoadBalancer => None,
    };
    claims.ok_or(unproven("no claims of a JWT authorizer"))
}

/// The context of the company's own Lambda authorizer.
fn lambda_context(request: &Request) -> Result<Map<String, Value>, IdentityError> {
    let mut authorizer = authorizer(request)?;
    let context = match request.kind {
        EventKind::V2 => field(&mut authorizer, "lambda"),
        EventKind::V1 => Some(authorizer),
        EventKind::LoadBalancer => None,
    };
    context.ok_or(unproven("no context of a Lambda authorizer"))
}

fn authorizer(request: &Request) -> Result<Map<String, Value>, IdentityError> {
    let authorizer = request
        .authorizer
        .as_deref()
        .ok_or(unproven("the request passed no authorizer"))?;
    json::object(authorizer.get().as_bytes())
        .map_err(|_| unproven("the authorizer's result is malformed"))
}

fn field(object: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    match object.remove(name)? {
        Value::Object(field) => Some(field),
        _ => None,
    }
}

fn unproven(cause: &'static str) -> IdentityError {
    IdentityError::Unproven(cause.into())
}

#[cfg(test)]
mod tests;
