//! What the functions read from AWS, and how it is cached.

pub mod cache;
#[cfg(feature = "secrets")]
pub mod secrets;
