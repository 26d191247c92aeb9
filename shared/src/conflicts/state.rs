//! The states of a conflict, the remedies, and the reasons.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

/// The state of a conflict.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// It waits for a worker.
    Pending,
    /// A worker has it until its lease ends. Nothing has been sent.
    InProgress,
    /// A changing call may have been sent; its effect is being checked.
    Confirming,
    /// The email is free, or the caller's.
    Resolved,
    /// The remedy is known, but `REMEDY` does not allow it, or no one has reported the conflict.
    Planned,
    /// There was nothing to resolve.
    NotAConflict,
    /// A person must review it; the reason says why.
    NeedsReview,
    /// It was tried too often, or is forbidden.
    Failed,
}

/// The remedies, mildest first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    IntoStaticStr,
    EnumString,
    VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Remedy {
    /// Read and decide; write nothing outside.
    Plan,
    /// Remove the email (and the person's other information) from the user that holds it.
    ReleaseEmail,
    /// Make that user's history the caller's.
    Merge,
    /// Delete that user with its history.
    Delete,
}

/// The reason why a person must review a conflict, or why nothing more was done.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "docs/cleanup.md explains each to the person who must act"
)]
pub enum Reason {
    NotClaimed,
    SeveralCallers,
    SeveralUsers,
    SeveralEmails,
    EmailNotAnIdentity,
    NoExternalId,
    CaseDifference,
    OwnUser,
    OtherBrand,
    HolderActive,
    OtherIdentities,
    NoLineage,
    ContradictedLineage,
    NoZendeskId,
    SupportIdUnknown,
    CallerLinked,
    MergeForbidden,
    ToBeRetained,
    NoEmail,
    EmailStillHeld,
    OtherUserChanged,
    OutcomeUnknown,
    HolderChanged,
    ApprovalInterrupted,
    TooManyAttempts,
    ForbiddenUser,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::InProgress,
        Self::Confirming,
        Self::Resolved,
        Self::Planned,
        Self::NotAConflict,
        Self::NeedsReview,
        Self::Failed,
    ];

    /// The state as it is written.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether nothing more happens until a person moves the conflict or it is reported again.
    pub fn is_end(self) -> bool {
        match self {
            Self::Pending | Self::InProgress | Self::Confirming | Self::Planned => false,
            Self::Resolved | Self::NotAConflict | Self::NeedsReview | Self::Failed => true,
        }
    }
}

impl Reason {
    /// The reason as it is written.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Remedy {
    /// The remedy as it is written.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_has_one_name_in_variables_records_and_responses() {
        assert_eq!(
            Remedy::VARIANTS,
            ["plan", "release-email", "merge", "delete"]
        );
        for name in Remedy::VARIANTS {
            let remedy: Remedy = name.parse().unwrap();
            assert_eq!(remedy.as_str(), *name);
            assert_eq!(serde_json::to_value(remedy).unwrap(), *name);
        }
        assert!("Plan".parse::<Remedy>().is_err() && "".parse::<Remedy>().is_err());
    }
}
