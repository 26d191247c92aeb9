//! `report-conflict` and `clean-conflicts` end to end: the real processes, with our own AWS and a
//! stand-in for Sunshine Conversations.

mod archive;
mod at_once;
mod canaries;
mod cleanup;
mod crowd;
mod evidence;
mod fixture;
mod histories;
mod hostile;
mod kills;
mod lineage;
mod operator;
mod pace;
mod plan;
mod reports;
mod round_trips;
mod scenarios;
mod stops;
mod unknown;
mod zendesk;

use fixture::*;
