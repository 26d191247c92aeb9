//! Where a conflict is, what is done about it, and why nothing is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a conflict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be looked at.
    Pending,
    /// A worker has it, until its lease ends. Nothing has been sent.
    InProgress,
    /// A changing call may have been sent; what came of it is being looked at.
    Confirming,
    /// The email is free, or the caller's.
    Resolved,
    /// What would be done is known, and `REMEDY` does not allow it.
    Planned,
    /// There was nothing to resolve.
    NotAConflict,
    /// A person must look; the reason says at what.
    NeedsReview,
    /// It was tried too often.
    Failed,
}

/// What is done about a conflict, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Read and decide; write nothing outside.
    Plan,
    /// Take the email (and the person's other information) off the user that holds it.
    ReleaseEmail,
    /// Make that user's history the caller's.
    Merge,
    /// Delete that user with its history.
    Delete,
}

/// Why a person must look, or why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "docs/cleanup.md explains each to the person who must act"
)]
pub enum Reason {
    SeveralCallers,
    SeveralUsers,
    SeveralEmails,
    EmailNotAnIdentity,
    NoExternalId,
    CaseDifference,
    OwnUser,
    OtherBrand,
    NoLineage,
    ContradictedLineage,
    NoZendeskId,
    CallerLinked,
    ToBeRetained,
    NoEmail,
    EmailStillHeld,
    OtherUserChanged,
    OutcomeUnknown,
    HolderChanged,
    ApprovalInterrupted,
    TooManyAttempts,
}

impl Reason {
    /// The reason as it is written.
    pub fn as_str(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(ToOwned::to_owned))
            .unwrap_or_default()
    }
}

impl FromStr for Remedy {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "plan" => Ok(Self::Plan),
            "release-email" => Ok(Self::ReleaseEmail),
            "merge" => Ok(Self::Merge),
            "delete" => Ok(Self::Delete),
            _ => Err(()),
        }
    }
}
