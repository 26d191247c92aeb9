//! The archive: what a remedy may take away, written to S3 before it is.
//!
//! JSON Lines, one object a page, each line as the API gave it; and last the manifest, with the
//! number of lines and the SHA-256 sum of each object. Nothing is ever overwritten. Media are in
//! it as the URLs that the messages hold.

mod copy;
mod store;

pub use copy::{Copy, CopyError, Tools};
pub use store::{Archive, ArchiveError, Manifest};
