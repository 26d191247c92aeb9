//! The names of the claims, from the environment, and the rules for them.

use std::borrow::Cow;

use strum::{EnumString, VariantNames};

use super::{ClaimName, EmailProof};
use crate::lambda::config::{ConfigError, Variables};

const CLAIM: &str = "the name of a claim, or a JSON Pointer such as /customer/id, in which ~ is written ~0 and a slash within a name ~1";
const NOT_A_POINTER: &str = "the name of a claim without a slash in front: with IDENTITY_SOURCE jwt-authorizer API Gateway hands no objects over, so a JSON Pointer leads nowhere";

/// Claims of OpenID Connect that providers let users change.
const WRITTEN_BY_USERS: [&str; 6] = [
    "preferred_username",
    "nickname",
    "name",
    "given_name",
    "family_name",
    "profile",
];
/// Claims of Auth0, Supabase and Clerk whose whole content users can change.
const OBJECTS_OF_USERS: [&str; 2] = ["user_metadata", "unsafe_metadata"];

/// The names of the claims, and what proves that an email is verified.
#[derive(Debug)]
pub struct ClaimSettings {
    pub(in crate::identity) subject: ClaimName,
    pub(in crate::identity) issuer: ClaimName,
    pub(in crate::identity) external_id: ClaimName,
    pub(in crate::identity) email: ClaimName,
    pub(in crate::identity) proof: EmailProof,
    pub(in crate::identity) name: ClaimName,
    pub(in crate::identity) previous_external_id: Option<ClaimName>,
    pub(in crate::identity) external_id_changed_at: Option<ClaimName>,
}

#[derive(Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum EmailVerified {
    Claim,
    Always,
}

impl ClaimSettings {
    /// Reads the names of the claims and the proof of the email. `keeps_objects` says whether the
    /// identity source passes claims on with their types.
    pub fn from_variables(variables: &Variables, keeps_objects: bool) -> Result<Self, ConfigError> {
        let claim = |variable| claim_name(variables, variable, keeps_objects);
        let or = |variable, default| Ok(claim(variable)?.unwrap_or(ClaimName::plain(default)));

        let external_id = or("EXTERNAL_ID_CLAIM", "sub")?;
        let previous_external_id = claim("PREVIOUS_EXTERNAL_ID_CLAIM")?;
        let external_id_changed_at = claim("EXTERNAL_ID_CHANGED_AT_CLAIM")?;
        let email = or("EMAIL_CLAIM", "email")?;
        let email_verified = claim("EMAIL_VERIFIED_CLAIM")?;

        not_written_by_users("EXTERNAL_ID_CLAIM", &external_id)?;
        not_the_email_of_another_claim("EXTERNAL_ID_CLAIM", &external_id, &email)?;
        if let Some(previous) = &previous_external_id {
            not_written_by_users("PREVIOUS_EXTERNAL_ID_CLAIM", previous)?;
            not_the_email_of_another_claim("PREVIOUS_EXTERNAL_ID_CLAIM", previous, &email)?;
        }
        not_an_object_of_users("EMAIL_CLAIM", Some(&email))?;
        not_an_object_of_users("EMAIL_VERIFIED_CLAIM", email_verified.as_ref())?;
        not_an_object_of_users(
            "EXTERNAL_ID_CHANGED_AT_CLAIM",
            external_id_changed_at.as_ref(),
        )?;

        Ok(Self {
            subject: ClaimName::plain("sub"),
            issuer: ClaimName::plain("iss"),
            proof: proof(variables, &email, email_verified)?,
            name: or("NAME_CLAIM", "name")?,
            external_id,
            email,
            previous_external_id,
            external_id_changed_at,
        })
    }

    /// Logs the settings for which the operator is responsible, and those without effect.
    pub(crate) fn warn(&self) {
        if matches!(self.proof, EmailProof::Always) {
            tracing::warn!(
                "EMAIL_VERIFIED is always: every email from this login is signed as verified"
            );
        }
        if self.external_id_changed_at.is_some() && self.previous_external_id.is_none() {
            tracing::warn!(
                "EXTERNAL_ID_CHANGED_AT_CLAIM has no effect without PREVIOUS_EXTERNAL_ID_CLAIM"
            );
        }
    }
}

/// Reads the name of a claim. It must not be a JSON Pointer unless the claims keep their objects.
pub(crate) fn claim_name(
    variables: &Variables,
    variable: &'static str,
    keeps_objects: bool,
) -> Result<Option<ClaimName>, ConfigError> {
    let name: Option<ClaimName> = variables.optional(variable, CLAIM)?;
    match &name {
        Some(name) if name.is_pointer() && !keeps_objects => {
            Err(ConfigError::invalid(variable, name.as_str(), NOT_A_POINTER))
        }
        _ => Ok(name),
    }
}

fn not_written_by_users(variable: &'static str, name: &ClaimName) -> Result<(), ConfigError> {
    if WRITTEN_BY_USERS.iter().any(|claim| name.is(claim)) {
        let claims = WRITTEN_BY_USERS.join(", ");
        return refuse(
            variable,
            name,
            format!("a claim that users cannot write, and many providers let them write {claims}"),
        );
    }
    not_an_object_of_users(variable, Some(name))
}

fn not_an_object_of_users(
    variable: &'static str,
    name: Option<&ClaimName>,
) -> Result<(), ConfigError> {
    match name {
        Some(name) if OBJECTS_OF_USERS.iter().any(|claim| name.is_in(claim)) => refuse(
            variable,
            name,
            "a claim that users cannot write, and they write everything in user_metadata and unsafe_metadata",
        ),
        _ => Ok(()),
    }
}

/// An email is an external id only if it is verified, and only the email of `EMAIL_CLAIM` can be.
fn not_the_email_of_another_claim(
    variable: &'static str,
    name: &ClaimName,
    email: &ClaimName,
) -> Result<(), ConfigError> {
    if name.is("email") && name != email {
        return refuse(
            variable,
            name,
            "another claim as long as EMAIL_CLAIM is not email: only the email of EMAIL_CLAIM is known to be verified",
        );
    }
    Ok(())
}

fn proof(
    variables: &Variables,
    email: &ClaimName,
    claim: Option<ClaimName>,
) -> Result<EmailProof, ConfigError> {
    let values = variables.list(
        "EMAIL_VERIFIED_VALUES",
        "the values of EMAIL_VERIFIED_CLAIM that say yes, separated by commas, such as true,1",
    )?;
    if variables.one_of("EMAIL_VERIFIED", EmailVerified::Claim)? == EmailVerified::Always {
        return Ok(EmailProof::Always);
    }
    if claim.is_none() && !email.is("email") {
        return refuse(
            "EMAIL_CLAIM",
            email,
            "email, unless EMAIL_VERIFIED_CLAIM names the claim that says whether this one is verified, or EMAIL_VERIFIED is always: email_verified is about email only",
        );
    }
    let values = values.unwrap_or_else(|| vec!["true".to_owned()]);
    Ok(EmailProof::Claim(
        claim.unwrap_or_else(|| ClaimName::plain("email_verified")),
        values,
    ))
}

fn refuse<T>(
    variable: &'static str,
    name: &ClaimName,
    expected: impl Into<Cow<'static, str>>,
) -> Result<T, ConfigError> {
    Err(ConfigError::invalid(variable, name.as_str(), expected))
}

#[cfg(test)]
mod tests;
