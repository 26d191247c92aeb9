//! Objects in the bucket, written once and read back.

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::aws::sdk::{SdkConfig, failure, has_bucket_in_path};

/// Maximum bytes of an object that is read back: a page, or a manifest.
const MAX_OBJECT_BYTES: i64 = 64 << 20;

/// The reason why the archive could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The call to S3 failed.
    #[error("the archive is not available ({0})")]
    Unavailable(String),
    /// The object that was read back differs from the one that was written.
    #[error("the archive differs from what was written")]
    Differs,
    /// The content cannot be written or read as JSON.
    #[error("the archive is malformed")]
    Malformed,
}

/// The archive's bucket.
pub struct Archive {
    client: Client,
    bucket: String,
}

/// The manifest of an archive: the list of its objects.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The version of this format.
    pub format: u32,
    /// The conflict.
    pub conflict_id: String,
    /// The user, by its own id.
    pub user_id: String,
    /// The objects.
    pub objects: Vec<Object>,
}

/// One object: a page.
#[derive(Clone, Serialize, Deserialize)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// The number of its lines.
    pub lines: usize,
    /// Its size.
    pub bytes: usize,
    /// The SHA-256 sum, in hex.
    pub sha256: String,
}

impl Object {
    /// Whether its whole content is this one line.
    pub fn contains_only(&self, line: &str) -> bool {
        self.sha256 == hex_sha256(format!("{line}\n").as_bytes())
    }
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

    /// Writes a page of lines, and reads it back.
    pub async fn write_page<'a>(
        &self,
        key: String,
        lines: impl ExactSizeIterator<Item = &'a str>,
    ) -> Result<Object, ArchiveError> {
        let count = lines.len();
        let mut body = String::new();
        for line in lines {
            body.push_str(line);
            body.push('\n');
        }
        let object = Object {
            lines: count,
            bytes: body.len(),
            sha256: hex_sha256(body.as_bytes()),
            key,
        };
        self.write(&object.key, body.into_bytes(), "application/x-ndjson")
            .await?;
        self.read(&object).await.map(|_| object)
    }

    /// Writes a manifest or other JSON, and reads it back.
    pub async fn write_json(
        &self,
        key: &str,
        content: &impl Serialize,
    ) -> Result<(), ArchiveError> {
        let body = serde_json::to_vec(content).map_err(|_| ArchiveError::Malformed)?;
        self.write(key, body.clone(), "application/json").await?;
        if self.bytes(key).await? == body {
            Ok(())
        } else {
            Err(ArchiveError::Differs)
        }
    }

    /// Reads an object that [`Archive::write_json`] wrote.
    pub async fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T, ArchiveError> {
        serde_json::from_slice(&self.bytes(key).await?).map_err(|_| ArchiveError::Malformed)
    }

    /// Reads an object, and checks its lines and its SHA-256.
    pub async fn read(&self, object: &Object) -> Result<Vec<u8>, ArchiveError> {
        let body = self.bytes(&object.key).await?;
        let lines = body.split(|byte| *byte == b'\n').count() - 1;
        if lines == object.lines && hex_sha256(&body) == object.sha256 {
            Ok(body)
        } else {
            Err(ArchiveError::Differs)
        }
    }

    async fn write(&self, key: &str, body: Vec<u8>, kind: &str) -> Result<(), ArchiveError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(kind)
            .if_none_match("*")
            .body(ByteStream::from(body.clone()))
            .send();
        // Boxed, because the SDK's futures are large.
        match Box::pin(put).await {
            Ok(_) => Ok(()),
            // The SDK retries a put whose response was lost, and the retry finds the object of the
            // first attempt.
            Err(error) if failure(&error).why == "PreconditionFailed" => {
                if self.bytes(key).await? == body {
                    Ok(())
                } else {
                    Err(ArchiveError::Differs)
                }
            }
            Err(error) => Err(ArchiveError::Unavailable(failure(&error).why)),
        }
    }

    async fn bytes(&self, key: &str) -> Result<Vec<u8>, ArchiveError> {
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send();
        let get = Box::pin(get)
            .await
            .map_err(|error| ArchiveError::Unavailable(failure(&error).why))?;
        if get
            .content_length()
            .is_some_and(|length| length > MAX_OBJECT_BYTES)
        {
            return Err(ArchiveError::Differs);
        }
        let body = get
            .body
            .collect()
            .await
            .map_err(|_| ArchiveError::Unavailable("body interrupted".to_owned()))?;
        Ok(body.to_vec())
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes).as_ref())
}
