//! Changes something: archives, makes the survivor of a merge, sends a remedy, writes back.

mod archiving;
mod send;

pub use archiving::archive;
pub use send::{make_survivor, restore, send};
