//! The local stack: everything the functions need around them, on loopback, and the harness
//! that the end-to-end tests are written with.

pub mod aws;
pub mod bench;
pub mod calls;
pub mod cargo_lambda;
pub mod fault_proxy;
pub mod front;
pub mod issuer;
pub mod lambda;
pub mod local;
pub mod node;
pub mod serve;
pub mod stack;
pub mod standins;
pub mod tap;
pub mod tour;
pub mod watch;
pub mod webhook;
