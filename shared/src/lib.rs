//! The code that the functions of chat-identity share.
//!
//! Data flows one way: event → handler → domain → client → wire. Imports point downwards only:
//! [`conflicts`], `sunshine` and `puzzel` (domain and clients) use [`identity`], `aws` and `http`,
//! and all of them use [`lambda`] and [`id`], which use none of them. `problems`, above them all,
//! turns their errors into problems.

pub mod id;

pub mod lambda;

pub mod identity;

#[cfg(feature = "http-client")]
pub mod http;

#[cfg(any(feature = "caller", feature = "sdk"))]
pub mod aws;

#[cfg(feature = "conflicts")]
pub mod conflicts;
#[cfg(feature = "puzzel")]
pub mod puzzel;
#[cfg(any(feature = "conflicts", feature = "sunshine"))]
pub mod sunshine;

#[cfg(any(
    feature = "caller",
    feature = "secrets",
    feature = "conflicts",
    feature = "puzzel"
))]
mod problems;
