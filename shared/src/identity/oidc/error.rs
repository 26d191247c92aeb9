//! Errors of the verification.

use std::borrow::Cow;

/// The reason why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The token proves nothing.
    #[error("the bearer token is not valid: {0}")]
    Invalid(Cow<'static, str>),
    /// The issuer's keys could not be fetched, so the token could not be checked.
    #[error("the issuer's keys are not available: {0}")]
    KeysUnavailable(#[from] KeysError),
}

impl VerifyError {
    pub(super) const fn invalid(cause: &'static str) -> Self {
        Self::Invalid(Cow::Borrowed(cause))
    }
}

/// The reason why an issuer's keys could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// No response came.
    #[error("{document}: {cause}")]
    Transport {
        /// Discovery or keys.
        document: &'static str,
        /// The fault on the wire.
        cause: String,
    },
    /// The response has another status than 200.
    #[error("{document}: status {status}")]
    Status {
        /// Discovery or keys.
        document: &'static str,
        /// The status.
        status: u16,
    },
    /// The document is not valid.
    #[error("{document}: {problem}")]
    Document {
        /// Discovery or keys.
        document: &'static str,
        /// Its fault.
        problem: &'static str,
    },
}
