//! The local stack.

pub mod standins;
