//! The caller of a request, and the types of the values that name a person.

#[cfg(feature = "caller")]
pub mod caller;
pub mod email;
pub mod external_id;
#[cfg(feature = "caller")]
pub mod oidc;
