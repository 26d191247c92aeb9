//! What is written back after a release took more than the email.

use serde_json::{Map, Value};
use shared::sunshine::{Error, ProfilePatch, User, UserPatch};

use crate::archive::{Archive, ArchiveError, Manifest};
use crate::evidence::unread;
use crate::run::Run;
use crate::worker::{Step, Work};

/// Writes back from the archive what a release took beside the email: profile fields and metadata
/// that are empty now.
pub async fn restore(run: &Run<'_>, archive: &Archive, manifest: &str, now: &User) -> Work<()> {
    let archived = archived_user(archive, manifest).await.map_err(|error| {
        tracing::error!(%error, "a released user's profile could not be read back");
        Step::Retry
    })?;
    let patch = patch(&archived, now);
    if patch == UserPatch::default() {
        return Ok(());
    }
    match run
        .sunshine
        .update_user(&now.id, &patch, run.deadline)
        .await
    {
        Ok(()) | Err(Error::NotFound) => Ok(()),
        Err(error) => Err(unread(run, &error)),
    }
}

async fn archived_user(archive: &Archive, manifest: &str) -> Result<Value, ArchiveError> {
    use ArchiveError::Malformed;

    let manifest: Manifest = archive.json(manifest).await?;
    let page = manifest.objects.first().ok_or(Malformed)?;
    let page = archive.read(page).await?;
    serde_json::from_slice(&page).map_err(|_| Malformed)
}

/// The fields of `archived` that `now` lacks.
fn patch(archived: &Value, now: &User) -> UserPatch {
    let field = |name: &str, now: &Option<String>| {
        let is_empty = now.as_deref().is_none_or(str::is_empty);
        archived
            .pointer(&format!("/profile/{name}"))
            .and_then(Value::as_str)
            .filter(|value| is_empty && !value.is_empty())
            .map(ToOwned::to_owned)
    };
    let metadata: Map<String, Value> = archived
        .get("metadata")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(name, _)| now.metadata.get(*name).is_none_or(Value::is_null))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    UserPatch {
        profile: ProfilePatch {
            given_name: field("givenName", &now.profile.given_name),
            surname: field("surname", &now.profile.surname),
            avatar_url: field("avatarUrl", &now.profile.avatar_url),
            locale: field("locale", &now.profile.locale),
        },
        metadata,
    }
}
