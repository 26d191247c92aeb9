//! What operators said of external ids.
//!
//! It is in the conflict's record too, but that one is found by an email. Who is given an external
//! id after somebody else has another email, or none, and a command that is sent twice must not
//! reach that person. So it is kept by external id as well: `pk` `external-id#` and a hash of it,
//! `sk` `said`.

use serde::{Deserialize, Serialize};

use super::history::{KEPT_FOR, expiry, key};
use super::id::Scope;
use super::lineage::Lineage;
use super::table::{Table, TableError};

/// How much is kept of one external id. The first words are: they are what a later one repeats.
const MAX_KEPT: usize = 50;

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    version: u64,
    lineages: Vec<Lineage>,
    expires_at: u64,
}

impl Table {
    /// What operators said that `previous` became.
    pub async fn said_of(&self, scope: &Scope, previous: &str) -> Result<Vec<Lineage>, TableError> {
        Ok(self.said(scope, previous).await?.lineages)
    }

    /// Records what an operator says, unless it was said before.
    pub async fn record_said(&self, scope: &Scope, lineage: &Lineage) -> Result<(), TableError> {
        loop {
            let mut said = self.said(scope, &lineage.previous).await?;
            let is_known = said
                .lineages
                .iter()
                .any(|known| known.says_the_same(lineage));
            if is_known || said.lineages.len() >= MAX_KEPT {
                return Ok(());
            }
            said.version += 1;
            said.expires_at = said.expires_at.max(expiry(lineage.time, KEPT_FOR));
            said.lineages.push(lineage.clone());
            let (pk, version) = (key(scope, &lineage.previous), said.version);
            if self
                .put_greater(&pk, "said", &said, "version", version)
                .await?
            {
                return Ok(());
            }
        }
    }

    async fn said(&self, scope: &Scope, previous: &str) -> Result<Said, TableError> {
        let said = self.read(&key(scope, previous), "said").await?;
        Ok(said.unwrap_or_default())
    }
}
