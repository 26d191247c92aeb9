//! The run lease: only one run at a time changes anything at Sunshine Conversations. Dry runs, `show`
//! and `check` only read, and take no lease.

use std::collections::HashMap;

use super::table::{Item, Put, Table, TableError, number, random_mark, string};
use crate::lambda::clock::now_millis;

/// The lease of a run: no other run may change anything at Sunshine Conversations in the meantime.
pub struct RunLease {
    owner: String,
}

impl Table {
    /// Takes the run lease until `until`, in milliseconds since 1970; `None` if another run holds
    /// it.
    pub async fn take_run_lease(&self, until: u64) -> Result<Option<RunLease>, TableError> {
        let owner = random_mark();
        let item = run_item(&owner, until);
        let put = self
            .put_item(&item, |put| {
                put.condition_expression("attribute_not_exists(pk) OR leaseUntil <= :now")
                    .expression_attribute_values(":now", number(now_millis()))
            })
            .await?;
        Ok(matches!(put, Put::Written).then_some(RunLease { owner }))
    }

    /// Releases the run lease, unless another run has taken it over.
    pub async fn release_run_lease(&self, lease: RunLease) -> Result<(), TableError> {
        self.put_item(&run_item(&lease.owner, 0), |put| {
            put.condition_expression("#owner = :owner")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", string(&lease.owner))
        })
        .await
        .map(drop)
    }
}

fn run_item(owner: &str, until: u64) -> Item {
    HashMap::from([
        ("pk".to_owned(), string("run")),
        ("sk".to_owned(), string("lease")),
        ("owner".to_owned(), string(owner)),
        ("leaseUntil".to_owned(), number(until)),
    ])
}
