//! The local stack: everything the functions need around them, on loopback, and the harness
//! that the end-to-end tests are written with.

// All of this crate is test code: a panic here is a test that fails, with its place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

pub mod aws;
pub mod cargo_lambda;
pub mod front;
pub mod issuer;
pub mod lambda;
pub mod serve;
pub mod stack;
pub mod standins;
pub mod tour;
pub mod watch;
