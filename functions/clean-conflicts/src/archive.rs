//! The archive: everything that a remedy may take away is written to S3 before the remedy is sent.
//!
//! JSON Lines, one object a page, each line as the API gave it; and last the manifest, with the
//! number of lines and the SHA-256 sum of each object. No object is ever overwritten. Media are
//! archived as the URLs that the messages hold.

mod copy;
mod store;

use serde_json::Value;

pub use copy::{Copy, CopyError, Tools};
pub use store::{Archive, ArchiveError, Manifest};

/// The user that the archive with this manifest holds.
pub async fn archived_user(archive: &Archive, manifest: &str) -> Result<Value, ArchiveError> {
    use ArchiveError::Malformed;

    let manifest: Manifest = archive.json(manifest).await?;
    let page = manifest.objects.first().ok_or(Malformed)?;
    let page = archive.read(page).await?;
    serde_json::from_slice(&page).map_err(|_| Malformed)
}
