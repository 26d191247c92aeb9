//! The clients of AWS: what they have in common, and the secrets.

pub mod cache;
#[cfg(feature = "sdk")]
mod http_client;
#[cfg(feature = "sdk")]
pub mod sdk;
#[cfg(feature = "secrets")]
pub mod secrets;
