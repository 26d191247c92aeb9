//! The local stack: everything that the functions need around them, on loopback.

pub mod aws;
mod backends;
pub mod calls;
pub mod cargo_lambda;
mod cors;
pub mod front;
pub mod issuer;
pub mod local;
pub mod stack;
pub mod standins;
pub mod tap;
pub mod tour;
pub mod watch;
pub mod webhook;
