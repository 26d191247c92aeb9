//! The caller of a request, and the types of the values that name a person.

#[cfg(feature = "caller")]
pub mod caller;
#[cfg(feature = "caller")]
pub mod claims;
pub mod email;
pub mod external_id;
#[cfg(feature = "caller")]
pub mod oidc;
#[cfg(feature = "caller")]
mod token_header;
