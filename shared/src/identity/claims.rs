//! The claims that identify the caller, and what they prove.
//!
//! Their names come from the environment. The function does not start with a configuration under
//! which a user could pretend to be someone else.

pub(crate) mod json;
mod name;
mod settings;
mod value;

pub use name::ClaimName;
pub use settings::ClaimSettings;
pub(crate) use settings::claim_name;
pub use value::{CallerClaims, identifier};

/// The proof that an email belongs to the caller.
#[derive(Debug)]
pub(super) enum EmailProof {
    /// A claim that holds one of these values, whatever their case.
    Claim(ClaimName, Vec<String>),
    /// The operator's assurance that this login verifies every email itself.
    Always,
}

impl EmailProof {
    /// Whether `claims` contain it.
    pub(super) fn holds(&self, claims: &CallerClaims) -> bool {
        match self {
            Self::Always => true,
            Self::Claim(name, values) => claims
                .flag(name)
                .is_some_and(|flag| values.iter().any(|value| value.eq_ignore_ascii_case(&flag))),
        }
    }
}
