//! Turns the errors of the domain into problems, and so into statuses, in one place.

use crate::identity::caller::IdentityError;
use crate::identity::oidc::REFETCH_FLOOR;
use crate::lambda::http::unauthenticated;
use crate::lambda::problem::{Code, Problem};

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match &error {
            IdentityError::Unproven(_) | IdentityError::NoSubject => {
                return unauthenticated(error);
            }
            IdentityError::NotJson => Self::new(
                Code::UnsupportedMediaType,
                "send the request as application/json, also without a body",
            ),
            IdentityError::InvalidExternalId(why) => Self::new(
                Code::InvalidExternalId,
                format!(
                    "this user's external id cannot be used: {why}; it must have 1 to 255 characters, none of them a control character, and not be a dot segment"
                ),
            ),
            IdentityError::EmailNotVerified => Self::new(
                Code::EmailNotVerified,
                "verify your email address with your login, then log in again",
            ),
            IdentityError::KeysUnavailable(_) => Self::new(
                Code::KeysUnavailable,
                "tokens cannot be verified at the moment; try again",
            )
            .retry_after(REFETCH_FLOOR.as_secs()),
        }
        .because(error)
    }
}
