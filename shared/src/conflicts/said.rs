//! Statements of operators that an external id became another.
//!
//! They are in the conflict's record too, but that record is found by an email. The new holder of a
//! reassigned external id has a different email, and a repeated `resolve` must not hit that person.
//! So they are also stored by external id: `pk` is `external-id#` and a hash of it, `sk` is `said`.

use serde::{Deserialize, Serialize};

use super::draft::{Draft, Key};
use super::history::{KEPT_FOR, expiry, partition};
use super::id::Scope;
use super::lineage::Lineage;
use super::table::{Table, TableError};

/// Maximum statements per external id. The oldest are kept; later ones only repeat them.
const MAX_KEPT: usize = 50;

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    version: u64,
    lineages: Vec<Lineage>,
    expires_at: u64,
}

impl Table {
    /// The statements of operators about the successor of `previous`.
    pub async fn said_of(&self, scope: &Scope, previous: &str) -> Result<Vec<Lineage>, TableError> {
        self.transact(|draft| Ok(said(draft, &key(scope, previous))?.lineages))
            .await
    }

    /// Records an operator's statement, unless it is already known.
    pub async fn record_said(&self, scope: &Scope, lineage: &Lineage) -> Result<(), TableError> {
        let key = key(scope, &lineage.previous);
        self.transact(|draft| {
            let mut said = said(draft, &key)?;
            let mut known = said.lineages.iter();
            let is_known = known.any(|known| known.says_the_same(lineage));
            if !is_known && said.lineages.len() < MAX_KEPT {
                said.version += 1;
                said.expires_at = said.expires_at.max(expiry(lineage.time, KEPT_FOR));
                said.lineages.push(lineage.clone());
                draft.put(key.clone(), &said)?;
            }
            Ok(())
        })
        .await
    }
}

fn key(scope: &Scope, previous: &str) -> Key {
    (partition(scope, previous), "said")
}

fn said(draft: &mut Draft<'_>, key: &Key) -> Result<Said, TableError> {
    Ok(draft.get(key)?.unwrap_or_default())
}
