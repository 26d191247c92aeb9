//! Everything that changes something: archives users, creates the survivor of a merge, sends
//! remedies, restores fields, and takes an email off again.

mod archiving;
mod send;
mod undo;

pub use archiving::archive;
pub use send::{SendResult, make_survivor, restore, send};
pub use undo::{update, withdraw_email};
