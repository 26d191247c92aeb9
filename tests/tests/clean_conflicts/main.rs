//! `report-conflict` and `clean-conflicts` end to end: the real processes, with our own AWS and a
//! stand-in for Sunshine Conversations.

mod fixture;
mod plan;

use fixture::*;
