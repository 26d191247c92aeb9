//! Copies a user into the archive, page by page, and resumes if a run was too short.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::conflicts::{Conflict, Remedy};
use shared::lambda::deadline::Deadline;
use shared::sunshine::{
    ConversationId, Cursor, Error, Message, Page, SunshineClient, User, UserId,
};
use tokio::time::{timeout, timeout_at};

use super::store::{Archive, ArchiveError, Manifest, Object};

/// The version of the archive's format.
const FORMAT: u32 = 1;

/// The prefix of all keys.
const FOLDER: &str = "conflicts";

/// Maximum bytes of the progress in a record, which may have 400 KB. A longer progress is written
/// into the archive itself.
const MAX_PROGRESS_BYTES: usize = 300 * 1024;
/// Maximum time for writing the progress into the archive, after the end of the run.
const PROGRESS_TIMEOUT: Duration = Duration::from_millis(800);

/// The reason why a copy is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The upstream failed, or the run is over.
    #[error(transparent)]
    Sunshine(#[from] Error),
}

/// A copy of a user: the objects in the archive so far, and the next step. The conflict's record
/// keeps it if a run is too short, so it contains no personal data.
#[derive(Serialize, Deserialize)]
pub struct UserCopy {
    user_id: UserId,
    prefix: String,
    objects: Vec<Object>,
    /// The number of objects begun, which numbers the next one. So no object that may have been
    /// written is written again.
    begun: usize,
    conversations: Vec<Conversation>,
    next: Next,
    manifests: u32,
}

/// A conversation, and the set of messages on its newest page when it was copied. (The order of
/// messages within a page is undocumented, hence the set.)
#[derive(Serialize, Deserialize)]
struct Conversation {
    id: ConversationId,
    newest: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum Next {
    User,
    Clients(Option<Cursor>),
    Conversations(Option<Cursor>),
    /// The messages of a conversation, given by its number, before a cursor.
    Messages(usize, Option<Cursor>),
    Manifest,
}

/// The clients and the deadline of a copy.
pub struct Tools<'a> {
    /// The source.
    pub sunshine: &'a SunshineClient,
    /// The destination.
    pub archive: &'a Archive,
    /// The deadline.
    pub deadline: Deadline,
}

impl Tools<'_> {
    /// Waits for `work` until the deadline at the latest.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, ArchiveError>>,
    ) -> Result<T, ArchiveError> {
        // Boxed, because the SDK's futures are large.
        timeout_at(self.deadline.instant(), Box::pin(work))
            .await
            .map_err(|_| ArchiveError::Unavailable("no response in time".to_owned()))?
    }
}

impl UserCopy {
    /// The copy of `user` in `conflict`'s record, or a new one. Only a delete has so much to copy
    /// that it resumes; any other remedy copies the user as it is now.
    pub async fn resume_or_start(
        tools: &Tools<'_>,
        conflict: &Conflict,
        user: &UserId,
        remedy: Remedy,
    ) -> Result<Self, ArchiveError> {
        let progress = conflict.archive_progress();
        let mut begun = match progress.filter(|_| remedy == Remedy::Delete) {
            Some(key) if is_key(key) => {
                let kept = tools.in_time(tools.archive.json(key)).await?;
                Some(kept)
            }
            Some(progress) => serde_json::from_str::<Self>(progress).ok(),
            None => None,
        };
        begun = begun.filter(|copy| copy.user_id == *user);
        Ok(begun.unwrap_or_else(|| Self {
            user_id: user.clone(),
            // The version distinguishes this attempt from every other, and the time distinguishes
            // this record from an expired one of the same conflict.
            prefix: format!(
                "{FOLDER}/{}/{}-{}",
                conflict.id(),
                conflict.created_at(),
                conflict.version()
            ),
            objects: Vec::new(),
            begun: 0,
            conversations: Vec::new(),
            next: Next::User,
            manifests: 0,
        }))
    }

    /// The progress of the copy for the record or, if that is too long, the key under which it is
    /// in the archive. `None` if it cannot be kept, so that the next run starts from the beginning.
    pub async fn progress(&mut self, tools: &Tools<'_>, conflict: &Conflict) -> Option<String> {
        let progress = serde_json::to_string(self).ok()?;
        if progress.len() <= MAX_PROGRESS_BYTES {
            return Some(progress);
        }
        // The version distinguishes this run from every other.
        let key = format!("{}/progress-{}.json", self.prefix, conflict.version());
        let kept = Box::pin(tools.archive.write_json(&key, self));
        match timeout(PROGRESS_TIMEOUT, kept).await {
            Ok(Ok(())) => Some(key),
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not keep the progress of an archive; it will begin again");
                None
            }
            Err(_elapsed) => {
                tracing::warn!(
                    "could not keep the progress of an archive in time; it will begin again"
                );
                None
            }
        }
    }

    /// Copies the rest, and returns the manifest's key. For a delete that is everything; otherwise
    /// the user and its clients.
    pub async fn complete(
        &mut self,
        tools: &Tools<'_>,
        conflict: &Conflict,
        remedy: Remedy,
        user: &User,
    ) -> Result<String, CopyError> {
        loop {
            match &self.next {
                Next::User => {
                    self.write(tools, "user", [user.raw.as_str()].into_iter())
                        .await?;
                    self.next = Next::Clients(None);
                }
                Next::Clients(after) => {
                    let page = tools
                        .sunshine
                        .clients(&self.user_id, after.as_ref(), tools.deadline)
                        .await?;
                    let lines = page.items.iter().map(|client| client.raw.as_str());
                    self.write(tools, "clients", lines).await?;
                    self.next = match page.next {
                        Some(next) => Next::Clients(Some(next)),
                        None if remedy == Remedy::Delete => Next::Conversations(None),
                        None => Next::Manifest,
                    };
                }
                Next::Conversations(after) => {
                    let page = tools
                        .sunshine
                        .conversations(&self.user_id, after.as_ref(), tools.deadline)
                        .await?;
                    let lines = page.items.iter().map(|it| it.raw.as_str());
                    self.write(tools, "conversations", lines).await?;
                    self.conversations
                        .extend(page.items.into_iter().map(|it| Conversation {
                            id: it.id,
                            newest: Vec::new(),
                        }));
                    self.next = match page.next {
                        Some(next) => Next::Conversations(Some(next)),
                        None => Next::Messages(0, None),
                    };
                }
                Next::Messages(number, before) => {
                    let Some(conversation) = self.conversations.get(*number) else {
                        self.next = Next::Manifest;
                        continue;
                    };
                    let (number, is_newest) = (*number, before.is_none());
                    let page = tools
                        .sunshine
                        .messages(&conversation.id, before.as_ref(), tools.deadline)
                        .await?;
                    let lines = page.items.iter().map(|message| message.raw.as_str());
                    self.write(tools, &format!("messages-{number:04}"), lines)
                        .await?;
                    if is_newest && let Some(conversation) = self.conversations.get_mut(number) {
                        conversation.newest = ids(&page);
                    }
                    self.next = match page.next {
                        Some(next) => Next::Messages(number, Some(next)),
                        None => Next::Messages(number + 1, None),
                    };
                }
                Next::Manifest => return self.manifest(tools, conflict).await,
            }
        }
    }

    /// Reads the conversations and the newest page of each once more, and copies new messages, and
    /// `user` if it has changed. Returns the new manifest's key if anything was new.
    pub async fn catch_up(
        &mut self,
        tools: &Tools<'_>,
        conflict: &Conflict,
        user: &User,
    ) -> Result<Option<String>, CopyError> {
        let before = self.objects.len();
        if !self
            .objects
            .iter()
            .any(|it| it.contains_only(user.raw.as_str()))
        {
            self.write(tools, "user", [user.raw.as_str()].into_iter())
                .await?;
        }
        let mut after = None;
        loop {
            let page = tools
                .sunshine
                .conversations(&self.user_id, after.as_ref(), tools.deadline)
                .await?;
            let new: Vec<_> = page
                .items
                .iter()
                .filter(|it| self.conversations.iter().all(|known| known.id != it.id))
                .collect();
            if !new.is_empty() {
                let lines = new.iter().map(|it| it.raw.as_str());
                self.write(tools, "conversations", lines).await?;
            }
            self.conversations
                .extend(new.into_iter().map(|it| Conversation {
                    id: it.id.clone(),
                    newest: Vec::new(),
                }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for number in 0..self.conversations.len() {
            self.catch_up_messages(tools, number).await?;
        }
        if self.objects.len() == before {
            return Ok(None);
        }
        self.manifest(tools, conflict).await.map(Some)
    }

    /// Copies the messages of a conversation that are newer than the newest copied one.
    async fn catch_up_messages(
        &mut self,
        tools: &Tools<'_>,
        number: usize,
    ) -> Result<(), CopyError> {
        let mut newest_page = None;
        let mut before = None;
        loop {
            let Some(conversation) = self.conversations.get(number) else {
                return Ok(());
            };
            let page = tools
                .sunshine
                .messages(&conversation.id, before.as_ref(), tools.deadline)
                .await?;
            newest_page.get_or_insert_with(|| ids(&page));
            let new: Vec<_> = page
                .items
                .iter()
                .filter(|message| !conversation.newest.contains(&message.id))
                .map(|message| message.raw.as_str())
                .collect();
            let reaches_back = new.len() < page.items.len();
            if !new.is_empty() {
                self.write(tools, &format!("messages-{number:04}"), new.into_iter())
                    .await?;
            }
            before = page.next;
            if reaches_back || before.is_none() {
                break;
            }
        }
        if let (Some(conversation), Some(newest_page)) =
            (self.conversations.get_mut(number), newest_page)
        {
            conversation.newest = newest_page;
        }
        Ok(())
    }

    /// Writes a page under the next free number.
    async fn write<'a>(
        &mut self,
        tools: &Tools<'_>,
        name: &str,
        lines: impl ExactSizeIterator<Item = &'a str>,
    ) -> Result<(), CopyError> {
        let key = format!("{}/{name}-{:05}.jsonl", self.prefix, self.begun);
        self.begun += 1;
        let object = tools.in_time(tools.archive.write_page(key, lines)).await?;
        self.objects.push(object);
        Ok(())
    }

    async fn manifest(
        &mut self,
        tools: &Tools<'_>,
        conflict: &Conflict,
    ) -> Result<String, CopyError> {
        self.manifests += 1;
        let key = format!("{}/manifest-{}.json", self.prefix, self.manifests);
        let manifest = Manifest {
            format: FORMAT,
            conflict_id: conflict.id().to_string(),
            user_id: self.user_id.to_string(),
            objects: self.objects.clone(),
        };
        tools
            .in_time(tools.archive.write_json(&key, &manifest))
            .await?;
        Ok(key)
    }
}

/// Whether a record's progress is a key of the archive, and not the progress itself.
fn is_key(progress: &str) -> bool {
    progress.starts_with(FOLDER)
}

fn ids(page: &Page<Message>) -> Vec<String> {
    page.items
        .iter()
        .map(|message| message.id.clone())
        .collect()
}
