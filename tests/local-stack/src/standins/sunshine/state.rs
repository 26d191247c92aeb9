//! The state of one app, and its behaviour if the real service may behave in more than one way.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::store::Store;

/// The undocumented behaviours of the real service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// A deleted user can be read, and keeps its email, until the deletions are completed.
    pub defer_deletions: bool,
    /// `personalinformation` leaves the identities as they are.
    pub keep_identities: bool,
    /// The status that refuses every merge by ids, as if the key's scope did not allow it.
    pub refuse_merges: Option<u16>,
    /// A merge by ids drops the discarded user's identities instead of moving them.
    pub drop_merged_identities: bool,
    /// More requests than this get a 429.
    pub rate: Option<Rate>,
}

/// A limit on the v2 API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// Maximum requests in any second.
    pub per_second: usize,
    /// The `Retry-After` of a refusal.
    #[serde(default)]
    pub retry_after: Option<String>,
}

/// The state of the stand-in.
pub(super) struct State {
    pub(super) app_id: String,
    pub(super) integration_keys: BTreeMap<String, String>,
    pub(super) signing_keys: BTreeMap<String, String>,
    pub(super) behaviour: Behaviour,
    /// The arrival times of the requests in the last second.
    pub(super) recent: VecDeque<Instant>,
    pub(super) store: Store,
    pub(super) app_deleted: bool,
    pub(super) strays: Vec<String>,
}

impl State {
    /// Counts a request. If it exceeds the rate, the error is the `Retry-After` of the refusal.
    pub(super) fn within_the_rate(&mut self) -> Result<(), Option<String>> {
        let Some(rate) = &self.behaviour.rate else {
            return Ok(());
        };
        let now = Instant::now();
        while self
            .recent
            .front()
            .is_some_and(|first| now - *first >= Duration::from_secs(1))
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= rate.per_second {
            return Err(rate.retry_after.clone());
        }
        self.recent.push_back(now);
        Ok(())
    }
}
