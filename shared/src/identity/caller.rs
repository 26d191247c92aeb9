//! Who is calling: from exactly one configured source, and never from a body.

use std::str::FromStr;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use crate::http::upstream_url::UpstreamUrl;
use crate::identity::email::VerifiedEmail;
use crate::identity::external_id::{ExternalId, InvalidExternalId};
use crate::identity::oidc::{self, Verifier, VerifyError};
use crate::lambda::config::{ConfigError, Variables};
use crate::lambda::http::{Request, unauthenticated};
use crate::lambda::problem::{Code, Problem};

/// The user who is logged in.
pub struct Caller {
    /// The company's own name for the user.
    pub external_id: ExternalId,
    /// The email, where the identity provider has verified it.
    pub email: Option<VerifiedEmail>,
    /// The name to show.
    pub name: Option<String>,
    /// The external id that the user had before, where the identity provider says so.
    pub previous_external_id: Option<ExternalId>,
    /// The `sub` claim.
    pub subject: Option<String>,
    /// The `iss` claim.
    pub issuer: Option<String>,
}

/// Tells who is calling.
pub struct Callers {
    source: Source,
    claims: ClaimNames,
}

enum Source {
    JwtAuthorizer,
    LambdaAuthorizer,
    Bearer(Box<Verifier>),
}

enum SourceName {
    JwtAuthorizer,
    LambdaAuthorizer,
    Bearer,
}

impl FromStr for SourceName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "jwt-authorizer" => Ok(Self::JwtAuthorizer),
            "lambda-authorizer" => Ok(Self::LambdaAuthorizer),
            "bearer" => Ok(Self::Bearer),
            _ => Err(()),
        }
    }
}

struct ClaimNames {
    external_id: String,
    email: String,
    email_verified: String,
    name: String,
    previous_external_id: Option<String>,
}

impl Callers {
    /// Reads `IDENTITY_SOURCE`, the claims' names, and what the source needs.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        const CLAIM: &str = "the name of a claim";
        // A wrong one is told also where another source does not need it.
        let _: Option<UpstreamUrl> = variables.optional("OIDC_ISSUER", oidc::ISSUER)?;
        let source = variables.or(
            "IDENTITY_SOURCE",
            SourceName::JwtAuthorizer,
            "jwt-authorizer, lambda-authorizer or bearer",
        )?;
        Ok(Self {
            source: match source {
                SourceName::JwtAuthorizer => Source::JwtAuthorizer,
                SourceName::LambdaAuthorizer => Source::LambdaAuthorizer,
                SourceName::Bearer => {
                    Source::Bearer(Box::new(Verifier::from_variables(variables)?))
                }
            },
            claims: ClaimNames {
                external_id: variables.or("EXTERNAL_ID_CLAIM", "sub".to_owned(), CLAIM)?,
                email: variables.or("EMAIL_CLAIM", "email".to_owned(), CLAIM)?,
                email_verified: variables.or(
                    "EMAIL_VERIFIED_CLAIM",
                    "email_verified".to_owned(),
                    CLAIM,
                )?,
                name: variables.or("NAME_CLAIM", "name".to_owned(), CLAIM)?,
                previous_external_id: variables.optional("PREVIOUS_EXTERNAL_ID_CLAIM", CLAIM)?,
            },
        })
    }

    /// What can be fetched before the first request comes.
    pub async fn warm_up(&self) {
        if let Source::Bearer(verifier) = &self.source {
            verifier.warm_up().await;
        }
    }

    /// The caller of `request`: 401 where the source does not say, 422 where the external id is
    /// none that Zendesk takes.
    pub async fn identify(&self, request: &Request) -> Result<Caller, Problem> {
        let authorizer = request.authorizer.as_ref();
        match &self.source {
            Source::JwtAuthorizer => {
                let jwt = authorizer
                    .and_then(|authorizer| authorizer.jwt.as_ref())
                    .ok_or_else(|| unauthenticated("no JWT authorizer's claims"))?;
                self.claims
                    .read(|claim| jwt.claims.get(claim).map(|it| Value::from(it.as_str())))
            }
            Source::LambdaAuthorizer => {
                let context = authorizer
                    .map(|authorizer| &authorizer.fields)
                    .filter(|context| !context.is_empty())
                    .ok_or_else(|| unauthenticated("no Lambda authorizer's context"))?;
                self.claims.read(|claim| context.get(claim).cloned())
            }
            Source::Bearer(verifier) => {
                let token = bearer_token(&request.headers)
                    .ok_or_else(|| unauthenticated("no bearer token"))?;
                let claims: Map<String, Value> = verifier.verify(token, request.deadline).await?;
                self.claims.read(|claim| claims.get(claim).cloned())
            }
        }
    }
}

impl ClaimNames {
    fn read(&self, claim: impl Fn(&str) -> Option<Value>) -> Result<Caller, Problem> {
        let external_id = claim(&self.external_id)
            .as_ref()
            .and_then(identifier)
            .filter(|id| !id.is_empty())
            .ok_or_else(|| unauthenticated("no subject"))?;
        let external_id = ExternalId::try_from(external_id).map_err(invalid_external_id)?;
        let is_verified = claim(&self.email_verified).is_some_and(|it| is_true(&it));
        let email = claim(&self.email).filter(|_| is_verified);
        Ok(Caller {
            email: email
                .as_ref()
                .and_then(Value::as_str)
                .and_then(VerifiedEmail::new),
            name: claim(&self.name)
                .as_ref()
                .and_then(Value::as_str)
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty()),
            // What is not a usable id proves nothing, and does not lock anybody out.
            previous_external_id: self
                .previous_external_id
                .as_deref()
                .and_then(|name| identifier(&claim(name)?))
                .and_then(|id| ExternalId::try_from(id).ok())
                .filter(|previous| *previous != external_id),
            subject: claim("sub")
                .as_ref()
                .and_then(identifier)
                .filter(|subject| !subject.is_empty()),
            issuer: claim("iss").as_ref().and_then(identifier),
            external_id,
        })
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750), where there is exactly one.
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// An identifier as a string, whatever its type. A number that is no whole one has no single
/// spelling, and two large ones may be read as the same, so it identifies nobody.
pub fn identifier(claim: &Value) -> Option<String> {
    match claim {
        Value::String(id) => Some(id.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// `true` or `"true"`, and nothing else.
fn is_true(claim: &Value) -> bool {
    *claim == Value::Bool(true) || *claim == *"true"
}

fn invalid_external_id(error: InvalidExternalId) -> Problem {
    Problem::new(
        Code::InvalidExternalId,
        format!(
            "this user's external id cannot be used: {error}; it must have 1 to 255 characters, none of them a control character, and not be a dot segment"
        ),
    )
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Invalid(why) => unauthenticated(why),
            VerifyError::KeysUnavailable(_) => Self::new(
                Code::KeysUnavailable,
                "tokens cannot be verified at the moment; try again",
            )
            .retry_after(oidc::REFETCH_FLOOR.as_secs())
            .because(error),
        }
    }
}

#[cfg(test)]
mod tests;
