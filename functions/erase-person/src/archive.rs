//! The archive: every version of every object about a person.
//!
//! A folder `conflicts/{conflict}/{attempt}/` is a copy of one user. Its pages `user-….jsonl` show
//! who that is. So these pages of each folder are read: the record that led to a copy may be gone
//! long before the copy is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use shared::aws::sdk::{SdkConfig, failure, has_bucket_in_path};
use shared::lambda::invoke::OperatorError;

use crate::person::Person;

/// The folder of all copies.
const FOLDER: &str = "conflicts/";
/// Maximum simultaneous requests to S3.
const AT_ONCE: usize = 16;
/// Maximum bytes that a compressed page is unpacked to. A user's page has a few kilobytes.
const LARGEST_PAGE: u64 = 16 << 20;

/// The archive's bucket.
pub struct Archive {
    client: Client,
    bucket: String,
}

/// One version of an object, or the mark of its deletion.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The object's key.
    pub key: String,
    /// The version's id.
    #[serde(rename = "versionId")]
    pub id: String,
    /// Its size in bytes; 0 for a mark of deletion.
    pub bytes: i64,
}

/// The copies of one user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchivedUser {
    /// The folder that contains them.
    pub folder: String,
    /// The user's versions, each as the API returned it.
    pub users: Vec<Value>,
    /// Every version of every object.
    pub objects: Vec<Version>,
}

impl Archive {
    /// A client for `bucket`.
    pub fn connect(sdk: &SdkConfig, bucket: String) -> Self {
        let config = aws_sdk_s3::config::Builder::from(sdk)
            .force_path_style(has_bucket_in_path(sdk))
            .build();
        Self {
            client: Client::from_conf(config),
            bucket,
        }
    }

    /// The folders that are about a person.
    pub async fn copies_of(&self, person: &Person) -> Result<Vec<ArchivedUser>, OperatorError> {
        let mut folders: BTreeMap<String, Vec<Version>> = BTreeMap::new();
        for version in self.versions().await? {
            folders
                .entry(folder(&version.key))
                .or_default()
                .push(version);
        }
        let copies = stream::iter(folders)
            .map(async |(folder, objects)| self.copy(person, folder, objects).await)
            .buffered(AT_ONCE);
        copies
            .try_filter_map(async |copy| Ok(copy))
            .try_collect()
            .await
    }

    /// The copy in a folder, if it is about the person.
    async fn copy(
        &self,
        person: &Person,
        folder: String,
        objects: Vec<Version>,
    ) -> Result<Option<ArchivedUser>, OperatorError> {
        let mut users = Vec::new();
        for version in objects.iter().filter(|version| is_user_page(version)) {
            users.extend(self.lines(version).await?);
        }
        let is_over_its_email = person
            .folder()
            .is_some_and(|its_own| folder.starts_with(&its_own));
        let is_about = is_over_its_email || users.iter().any(|user| person.is_user(user));
        Ok(is_about.then_some(ArchivedUser {
            folder,
            users,
            objects,
        }))
    }

    /// Deletes every version of these objects, for good. Returns the number of versions.
    pub async fn erase(&self, copies: &[ArchivedUser]) -> Result<usize, OperatorError> {
        let versions = copies.iter().flat_map(|copy| &copy.objects);
        let deleted = stream::iter(versions.cloned())
            .map(async |version| self.delete(&version).await)
            .buffer_unordered(AT_ONCE);
        deleted.try_fold(0, async |sum, ()| Ok(sum + 1)).await
    }

    /// Every version under [`FOLDER`], marks of deletion included.
    pub async fn versions(&self) -> Result<BTreeSet<Version>, OperatorError> {
        let mut versions = BTreeSet::new();
        let (mut key, mut version) = (None, None);
        loop {
            let list = self
                .client
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(FOLDER)
                .set_key_marker(key)
                .set_version_id_marker(version)
                .send();
            // Boxed, because the SDK's futures are large.
            let page = Box::pin(list).await.map_err(|error| unavailable(&error))?;
            let objects = page.versions.unwrap_or_default().into_iter();
            versions.extend(objects.filter_map(|it| {
                Some(Version {
                    key: it.key?,
                    id: it.version_id?,
                    bytes: it.size.unwrap_or_default(),
                })
            }));
            let marks = page.delete_markers.unwrap_or_default().into_iter();
            versions.extend(marks.filter_map(|it| {
                Some(Version {
                    key: it.key?,
                    id: it.version_id?,
                    bytes: 0,
                })
            }));
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
            if !page.is_truncated.unwrap_or_default() {
                return Ok(versions);
            }
            if key.is_none() {
                return Err(OperatorError::Unavailable(
                    "the list of the archive does not end".to_owned(),
                ));
            }
        }
    }

    /// The lines of a page that are JSON.
    async fn lines(&self, version: &Version) -> Result<Vec<Value>, OperatorError> {
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&version.key)
            // An object of a bucket without versions has the version "null".
            .set_version_id((version.id != "null").then(|| version.id.clone()))
            .send();
        let object = match Box::pin(get).await {
            Ok(object) => object,
            // It was deleted in the meantime, by another request or because of its age.
            Err(error) if matches!(failure(&error).why.as_str(), "NoSuchKey" | "NoSuchVersion") => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(unavailable(&error)),
        };
        let body = object.body.collect().await.map_err(|_| {
            OperatorError::Unavailable("the archive is not available (body interrupted)".to_owned())
        })?;
        let body = body.into_bytes();
        let mut text = Vec::new();
        if is_compressed(version) {
            let mut plain = flate2::read::MultiGzDecoder::new(body.as_ref()).take(LARGEST_PAGE);
            // Data that cannot be unpacked is not a page of a user.
            let _ = plain.read_to_end(&mut text);
        } else {
            text.extend_from_slice(&body);
        }
        let lines = text.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    async fn delete(&self, version: &Version) -> Result<(), OperatorError> {
        let delete = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(&version.key)
            .version_id(&version.id)
            .send();
        Box::pin(delete)
            .await
            .map_err(|error| unavailable(&error))?;
        Ok(())
    }
}

/// The folder of an attempt: everything up to the last slash.
fn folder(key: &str) -> String {
    key.rsplit_once('/')
        .map_or(key, |(folder, _)| folder)
        .to_owned()
        + "/"
}

fn is_user_page(version: &Version) -> bool {
    let name = version.key.rsplit('/').next().unwrap_or_default();
    name.starts_with("user-") && version.bytes > 0
}

fn is_compressed(version: &Version) -> bool {
    version.key.rsplit('.').next() == Some("gz")
}

fn unavailable<E: ProvideErrorMetadata>(error: &SdkError<E>) -> OperatorError {
    let why = failure(error).why;
    OperatorError::Unavailable(format!("the archive is not available ({why})"))
}
