//! Conflicts: a login that is refused with 409, because its email is still the identity of a user
//! with another external id.
//!
//! There is one record for each app, brand and email, or user without an email. It is only ever
//! changed by a conditional write on its version, so two workers never act on the same version.
//!
//! The words for who is involved:
//! - a *holder* is a user at Sunshine Conversations that has the email;
//! - a *claimant* is an external id to which someone says that the email belongs: a report, an event
//!   or an operator;
//! - a *caller* is a claimant whose claim is strong enough for a remedy;
//! - the *target* is the user that a remedy changes, the *survivor* the one that is left of a merge,
//!   and the *own user* the one that has a claimant's external id already;
//! - an *episode* begins when a conflict is opened or reopened, and ends with it.

mod claim;
mod config;
mod draft;
mod event;
mod history;
mod id;
mod import;
mod lease;
mod lineage;
mod listing;
mod record;
mod state;
mod statements;
mod support_user;
mod table;

pub use claim::{Claim, ClaimSource, Claims};
pub use config::ConflictsConfig;
pub use event::{Change, Event, Recorded};
pub use history::{IdChanges, partition as external_id_partition};
pub use id::{ConflictId, PairRef, Scope};
pub use import::{ImportedPairs, Pair, Taken};
pub use lease::RunLease;
pub use lineage::{Lineage, Proof, Source, Target, weigh};
pub use listing::{Counts, InvalidPosition, Place};
pub use record::report::Report;
pub use record::transitions::MAX_ATTEMPTS;
pub use record::{Conflict, Sent, Withdrawal};
pub use state::{Reason, Remedy, State};
pub use statements::Statements;
pub use support_user::{SETTLES_WITHIN, SupportUser};
pub use table::{Position, Queue, Table, TableError, random_mark};
