//! The archive: everything that a remedy may take away is written to S3 before the remedy is sent.
//!
//! It contains JSON Lines, one object for each page, with each line as the API returned it; and
//! finally the manifest, with the line count and the SHA-256 of each object. No object is ever
//! overwritten. Media are archived as the URLs in the messages.

mod copy;
mod store;

use serde_json::Value;

pub use copy::{CopyError, Tools, UserCopy};
pub use store::{Archive, ArchiveError, Manifest};

/// Reads the user, as the API returned it, from the archive with this manifest.
pub async fn archived_user(archive: &Archive, manifest: &str) -> Result<Value, ArchiveError> {
    use ArchiveError::Malformed;

    let manifest: Manifest = archive.json(manifest).await?;
    let page = manifest.objects.first().ok_or(Malformed)?;
    let page = archive.read(page).await?;
    serde_json::from_slice(&page).map_err(|_| Malformed)
}
