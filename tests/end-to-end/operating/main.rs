//! The actions of `clean-conflicts` and `erase-person`, end to end: the real processes, with
//! our own AWS and a stand-in for Sunshine Conversations.

mod actions;
mod checks;
#[path = "../clean_conflicts/cleanup/mod.rs"]
mod cleanup;
mod erasure;
mod imports;
mod operate;
mod terminal;
