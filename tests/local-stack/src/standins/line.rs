//! The state of a stand-in's wire: its faults, its traffic, and the requests that are held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::faults::Faults;
use super::traffic::{Hold, Traffic};

/// The holds that were requested over HTTP, by their id.
pub(super) type Holds = Mutex<BTreeMap<u64, Arc<Hold>>>;

/// The state of a stand-in's wire, over all its addresses.
pub(super) struct Line {
    pub(super) faults: Faults,
    pub(super) traffic: Traffic,
    /// The holds that were requested over HTTP.
    pub(super) holds: Holds,
    /// The prefix that may precede `/_control`.
    pub(super) base_path: String,
}

impl Line {
    pub(super) fn new(base_path: &str) -> Self {
        Self {
            faults: Faults::default(),
            traffic: Traffic::default(),
            holds: Holds::default(),
            base_path: base_path.into(),
        }
    }
}
