//! Merges that earlier versions recorded.

use serde::Deserialize;

use super::id::hash;
use super::table::{Table, TableError};

#[derive(Deserialize)]
struct Merged {
    into: String,
}

impl Table {
    /// The Zendesk user that `id` was merged into, as an earlier version recorded it.
    pub async fn merged_into(&self, id: &str) -> Result<Option<String>, TableError> {
        let pk = format!("zendesk-id#{}", hash(&["zendesk-id", id]));
        let merged: Option<Merged> = self.read(&pk, "merged").await?;
        Ok(merged.map(|merged| merged.into))
    }
}
