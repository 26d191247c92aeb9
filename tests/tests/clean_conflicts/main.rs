//! `report-conflict` and `clean-conflicts` end to end: the real processes, with our own AWS and a
//! stand-in for Sunshine Conversations.

mod archive;
mod evidence;
mod fixture;
mod hostile;
mod lineage;
mod operator;
mod plan;
mod reports;

use fixture::*;
