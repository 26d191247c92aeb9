//! The stored form of a record: flat, and readable by the version before this one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Conflict, Sent, Withdrawal};
use crate::conflicts::claim::{Claim, ClaimSource, Claims};
use crate::conflicts::id::{ConflictId, PairRef};
use crate::conflicts::lineage::Lineage;
use crate::conflicts::state::{Reason, Remedy, State};

/// A record whose fields do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a remedy was sent, but not which one, or not to whom")]
pub(super) struct Inconsistent;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredConflict {
    conflict_id: ConflictId,
    version: u64,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The claimants, each person once. This is all that earlier versions read about claims.
    claimants: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Claims>,
    #[serde(default)]
    lineages: Vec<Lineage>,
    attempts: u32,
    #[serde(default)]
    outages: u32,
    created_at: u64,
    updated_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Remedy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder_external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_user_id: Option<String>,
    /// Maximum emails of the survivor of a merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    emails: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_because: Option<Reason>,
    /// The key of the newest archive's manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier_archives: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_to_external_id: Option<String>,
    #[serde(default)]
    answered: bool,
    #[serde(default)]
    looks: u32,
    #[serde(default)]
    restored: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<PairRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawal: Option<Withdrawal>,
    /// The time in seconds since 1970, as DynamoDB requires.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

impl From<Conflict> for StoredConflict {
    fn from(conflict: Conflict) -> Self {
        let people = conflict.people(&[], conflict.updated_at);
        let claimants = people.into_iter().map(ToOwned::to_owned).collect();
        let (expires_at, remedy) = (conflict.expires_at(), conflict.remedy());
        let mut stored = Self {
            conflict_id: conflict.id,
            version: conflict.version,
            state: conflict.state,
            email: conflict.email,
            claimants,
            claims: Some(conflict.claims),
            lineages: conflict.lineages,
            attempts: conflict.attempts,
            outages: conflict.outages,
            created_at: conflict.created_at,
            updated_at: conflict.updated_at,
            due_at: conflict.due_at,
            remedy,
            reason: conflict.reason,
            user_id: conflict.user_id,
            holder_external_id: conflict.holder_external_id,
            own_user_id: None,
            emails: None,
            instead_because: None,
            archive: None,
            earlier_archives: Vec::new(),
            archive_progress: conflict.archive_progress,
            sent_at: None,
            sent_to: None,
            sent_to_external_id: None,
            answered: false,
            looks: 0,
            restored: false,
            approved_user_id: conflict.approved_user_id,
            ended_at: conflict.ended_at,
            by: conflict.by,
            note: conflict.note,
            last_error: conflict.last_error,
            pair: conflict.pair,
            withdrawal: conflict.withdrawal,
            expires_at: Some(expires_at),
        };
        if let Some(sent) = conflict.sent {
            let mut archives = sent.archives.into_iter();
            stored.archive = archives.next();
            stored.earlier_archives = archives.collect();
            stored.own_user_id = sent.own_user_id;
            stored.emails = sent.emails;
            stored.instead_because = sent.instead_because;
            stored.sent_at = Some(sent.at);
            stored.sent_to = Some(sent.to);
            stored.sent_to_external_id = sent.external_id;
            stored.answered = sent.accepted;
            stored.looks = sent.checks;
            stored.restored = sent.restored;
        }
        stored
    }
}

impl TryFrom<StoredConflict> for Conflict {
    type Error = Inconsistent;

    fn try_from(stored: StoredConflict) -> Result<Self, Inconsistent> {
        let sent = match stored.sent_at {
            None => None,
            Some(at) => Some(Sent {
                remedy: stored.remedy.ok_or(Inconsistent)?,
                to: stored.sent_to.ok_or(Inconsistent)?,
                external_id: stored.sent_to_external_id,
                own_user_id: stored.own_user_id,
                emails: stored.emails,
                instead_because: stored.instead_because,
                archives: stored
                    .archive
                    .into_iter()
                    .chain(stored.earlier_archives)
                    .collect(),
                at,
                accepted: stored.answered,
                checks: stored.looks,
                restored: stored.restored,
            }),
        };
        // Earlier versions stored neither source nor time. Most claims were reports, and none was
        // made before the conflict opened.
        let reported = |id| Claim::new(id, ClaimSource::Report, stored.created_at);
        let claims = stored
            .claims
            .unwrap_or_else(|| stored.claimants.into_iter().map(reported).collect());
        Ok(Self {
            id: stored.conflict_id,
            version: stored.version,
            state: stored.state,
            email: stored.email,
            claims,
            lineages: stored.lineages,
            attempts: stored.attempts,
            outages: stored.outages,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            due_at: stored.due_at,
            proposed: stored.remedy,
            reason: stored.reason,
            user_id: stored.user_id,
            holder_external_id: stored.holder_external_id,
            sent,
            archive_progress: stored.archive_progress,
            approved_user_id: stored.approved_user_id,
            ended_at: stored.ended_at,
            by: stored.by,
            note: stored.note,
            last_error: stored.last_error,
            pair: stored.pair,
            withdrawal: stored.withdrawal,
        })
    }
}
