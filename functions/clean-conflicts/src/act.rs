//! Everything that changes something: archives users, creates the survivor of a merge, sends
//! remedies, and restores fields.

mod archiving;
mod send;

pub use archiving::archive;
pub use send::{make_survivor, restore, send};
