//! The caller whom the claims describe.

use super::{Caller, IdentityError};
use crate::identity::claims::{CallerClaims, ClaimSettings};
use crate::identity::email::{EmailOmitted, VerifiedEmail};
use crate::identity::external_id::ExternalId;
use crate::lambda::clock::now_millis;

impl ClaimSettings {
    /// The caller whom `claims` describe.
    pub(crate) fn caller(&self, claims: &CallerClaims) -> Result<Caller, IdentityError> {
        let is_verified = self.proof.holds(claims);
        let external_id = self.external_id(claims, is_verified)?;
        let previous = self.previous_external_id(claims, is_verified);
        Ok(Caller {
            email: self.email(claims, is_verified),
            name: self.name(claims),
            external_id_changed_at: previous
                .as_ref()
                .and(self.external_id_changed_at.as_ref())
                .and_then(|name| claims.time(name, now_millis())),
            previous_external_id: previous.filter(|previous| *previous != external_id),
            subject: claims.identifier(&self.subject),
            issuer: claims.identifier(&self.issuer),
            external_id,
        })
    }

    fn external_id(
        &self,
        claims: &CallerClaims,
        is_email_verified: bool,
    ) -> Result<ExternalId, IdentityError> {
        let id = if self.external_id == self.email {
            let email = claims.email(&self.email).ok();
            let email = email.ok_or(IdentityError::NoSubject)?;
            if !is_email_verified {
                return Err(IdentityError::EmailNotVerified);
            }
            email.key().into()
        } else {
            claims
                .identifier(&self.external_id)
                .ok_or(IdentityError::NoSubject)?
        };
        ExternalId::try_from(id).map_err(IdentityError::InvalidExternalId)
    }

    /// A malformed id is ignored: it is not evidence, but it must not block the login.
    fn previous_external_id(
        &self,
        claims: &CallerClaims,
        is_email_verified: bool,
    ) -> Option<ExternalId> {
        let name = self.previous_external_id.as_ref()?;
        let id = if *name == self.email {
            let email = claims.email(name).ok().filter(|_| is_email_verified)?;
            email.key().into()
        } else {
            claims.identifier(name)?
        };
        ExternalId::try_from(id).ok()
    }

    fn email(
        &self,
        claims: &CallerClaims,
        is_verified: bool,
    ) -> Result<VerifiedEmail, EmailOmitted> {
        let email = claims.email(&self.email)?;
        if email.is_too_long() {
            return Err(EmailOmitted::TooLong);
        }
        if !is_verified {
            return Err(EmailOmitted::NotVerified);
        }
        Ok(email.verified())
    }

    fn name(&self, claims: &CallerClaims) -> Option<String> {
        /// Maximum characters of a name at Zendesk.
        const MAX_CHARACTERS: usize = 128;
        claims
            .text(&self.name)
            .map(str::trim)
            .filter(|name| !name.is_empty() && name.chars().count() <= MAX_CHARACTERS)
            .map(ToOwned::to_owned)
    }
}

#[cfg(test)]
mod tests;
