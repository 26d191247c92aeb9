//! Statements of operators that an external id became another.
//!
//! They are in the conflict's record too, but that record is found by an email. The new holder of a
//! reassigned external id has a different email, and a repeated `resolve` must not hit that person.
//! So they are also stored by external id: `pk` is `external-id#` and a hash of it, `sk` is `said`.

use serde::{Deserialize, Serialize};

use super::draft::{Draft, Key};
use super::history::{KEPT_FOR, expiry, partition};
use super::id::{ConflictId, Scope};
use super::lineage::Lineage;
use super::table::{Table, TableError};

/// Maximum statements per external id. The oldest are kept; later ones only repeat them.
const MAX_KEPT: usize = 50;

/// The statements about an external id. It has no `Debug`, so it is never printed.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statements {
    version: u64,
    /// The statements.
    pub lineages: Vec<Lineage>,
    #[serde(default)]
    conflicts: Vec<Opened>,
    expires_at: u64,
}

/// The conflict that was opened for a statement.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    current: String,
    conflict_id: ConflictId,
}

impl Statements {
    /// The conflict that was last opened for the statement that the external id became `current`.
    pub fn conflict_of(&self, current: &str) -> Option<&ConflictId> {
        let opened = self.conflicts.iter().find(|it| it.current == current)?;
        Some(&opened.conflict_id)
    }
}

impl Table {
    /// The statements of operators about `previous`.
    pub async fn statements_about(
        &self,
        scope: &Scope,
        previous: &str,
    ) -> Result<Statements, TableError> {
        self.transact(|draft| statements(draft, &key(scope, previous)))
            .await
    }

    /// Records what an operator states, and the conflict that is opened for it, unless both are
    /// known already.
    pub async fn record_statement(
        &self,
        scope: &Scope,
        lineage: &Lineage,
        conflict_id: &ConflictId,
    ) -> Result<(), TableError> {
        let key = key(scope, &lineage.previous);
        self.transact(|draft| {
            let mut statements = statements(draft, &key)?;
            let mut known = statements.lineages.iter();
            let is_known = known.any(|known| known.says_the_same(lineage));
            let is_opened = statements.conflict_of(&lineage.current) == Some(conflict_id);
            let has_room = statements.lineages.len() < MAX_KEPT;
            if (is_known || !has_room) && is_opened {
                return Ok(());
            }
            statements.version += 1;
            statements.expires_at = statements.expires_at.max(expiry(lineage.time, KEPT_FOR));
            if !is_known && has_room {
                statements.lineages.push(lineage.clone());
            }
            statements
                .conflicts
                .retain(|it| it.current != lineage.current);
            if statements.conflicts.len() < MAX_KEPT {
                statements.conflicts.push(Opened {
                    current: lineage.current.clone(),
                    conflict_id: conflict_id.clone(),
                });
            }
            draft.put(key.clone(), &statements)?;
            Ok(())
        })
        .await
    }
}

fn key(scope: &Scope, previous: &str) -> Key {
    (partition(scope, previous), "said")
}

fn statements(draft: &mut Draft<'_>, key: &Key) -> Result<Statements, TableError> {
    Ok(draft.get(key)?.unwrap_or_default())
}
