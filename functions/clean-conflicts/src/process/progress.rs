//! Where an attempt got to.

use shared::conflicts::Remedy;

use crate::decide::Outcome;

/// Where an attempt got to.
pub enum Progress {
    /// The conflict ends, or is planned.
    Done(Outcome),
    /// A call was sent, and its effect is not seen yet.
    Waiting,
    /// The remedy is not taken before this time.
    Postponed(Remedy, u64),
}
