//! AWS: the common configuration of its clients, the secrets, and the cache that holds them.

pub mod cache;
#[cfg(feature = "sdk")]
mod http_client;
#[cfg(feature = "sdk")]
pub mod sdk;
#[cfg(feature = "secrets")]
pub mod secrets;
