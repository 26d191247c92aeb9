//! `report-conflict` and `clean-conflicts` end to end: the real processes, with our own AWS and a
//! stand-in for Sunshine Conversations.

mod at_once;
mod canaries;
mod crowd;
mod fixture;
mod kills;
mod pace;
mod plan;
mod stops;
mod unknown;

use fixture::*;
