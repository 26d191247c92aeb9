//! The DynamoDB table of conflicts.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | a conflict | `conflict#` and its id | `conflict` |
//! | the run lease | `run` | `lease` |
//! | the statements of events | see `event.rs` | |
//! | the statements of operators | see `statements.rs` | |
//! | the pairs of imports | see `import.rs` | |
//!
//! The index `due` (`dueShard`, `dueAt`) contains the records to work on; the index `state`
//! (`state`, `updatedAt`) serves an operator's lists. No key contains an email or an external id.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use tokio::time::timeout_at;

use super::id::ConflictId;
use super::record::Conflict;
use super::record::report::Report;
use super::state::State;
use crate::aws::sdk::{SdkConfig, failure, rehearse};
use crate::lambda::check::Check;
use crate::lambda::clock::now_millis;
use crate::lambda::deadline::Deadline;

/// The queues of records that are due. Each is a partition of the index `due`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Conflicts that people reported, and remedies whose effect is not seen yet.
    Urgent,
    /// Conflicts that only events and operators (imports included) ask for. They wait for the
    /// urgent ones.
    Background,
}

/// The partitions of the index `due`: the queues of conflicts, and the pairs of imports.
pub(super) const SHARDS: [&str; 3] = ["0", "1", PAIRS_SHARD];
/// The queue of import pairs.
pub(super) const PAIRS_SHARD: &str = "pairs";

impl Queue {
    fn of(conflict: &Conflict) -> Self {
        if conflict.is_urgent() {
            Self::Urgent
        } else {
            Self::Background
        }
    }

    /// The partition. Every record of earlier versions is in the first one.
    fn shard(self) -> &'static str {
        match self {
            Self::Urgent => "0",
            Self::Background => "1",
        }
    }
}

pub(super) type Item = HashMap<String, AttributeValue>;
/// The position at which a listing continues.
pub type Position = Item;

/// An error of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Another writer has changed the record since it was read. Nothing was written.
    #[error("the record was changed meanwhile")]
    Changed,
    /// DynamoDB did not respond, or failed. A write may have been executed.
    #[error("the table is not available ({0})")]
    Unavailable(String),
    /// A record that cannot be read or written.
    #[error("a record is malformed")]
    Malformed,
}

/// The table.
#[derive(Clone)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

/// The result of a conditional put.
pub(super) enum Put {
    Written,
    /// The condition did not hold. Contains the item that is in the table.
    Refused(Box<Item>),
}

impl Table {
    /// The table `name`.
    pub fn connect(sdk: &SdkConfig, name: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(2))
            .operation_timeout(Duration::from_secs(6))
            .build();
        let client = Client::from_conf(
            aws_sdk_dynamodb::config::Builder::from(sdk)
                .timeout_config(timeouts)
                .retry_config(RetryConfig::standard().with_max_attempts(4))
                .build(),
        );
        Self::new(client, name)
    }

    /// The table `name`, reached by `client`.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Opens the connection during init, so that the first request does not wait for it. Nothing is
    /// sent.
    pub async fn warm_up(&self) {
        let put = self.client.put_item().table_name(&self.name);
        // Boxed, because the SDK's futures are large.
        rehearse(Box::pin(put.item("pk", string("rehearsal")).send())).await;
    }

    /// Runs `work` on the table, until the deadline at the latest.
    pub async fn with_deadline<T>(
        &self,
        deadline: Deadline,
        work: impl Future<Output = Result<T, TableError>>,
    ) -> Result<T, TableError> {
        timeout_at(deadline.instant(), work)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(TableError::Unavailable("no response in time".to_owned()))
            })
    }

    /// Records a report: opens a conflict, or adds to the existing one. Returns the record as it is
    /// now. A single conditional write is enough if there is no record yet, or if the report adds
    /// nothing to it. Writes conflicts only, because a reporter may write nothing else.
    pub async fn report(&self, report: &Report) -> Result<Conflict, TableError> {
        let opened = Conflict::open(report);
        loop {
            let Some(known) = self.open(&opened).await? else {
                return Ok(opened);
            };
            let Some(mut changed) = known.reported_again(report, now_millis()) else {
                return Ok(known);
            };
            let read_at = changed.count_write(now_millis());
            match self.write_alone(&conflict_item(&changed)?, read_at).await {
                Ok(()) => return Ok(changed),
                Err(TableError::Changed) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a new record. If there is one already, writes nothing and returns that one.
    pub async fn open(&self, opened: &Conflict) -> Result<Option<Conflict>, TableError> {
        let put = self
            .put_item(&conflict_item(opened)?, |put| {
                put.condition_expression("attribute_not_exists(pk)")
            })
            .await?;
        match put {
            Put::Written => Ok(None),
            Put::Refused(there) => from_item(*there)
                .map(Some)
                .map_err(|_| TableError::Malformed),
        }
    }

    /// Writes a record over the version that was read, and increments the version. Also writes the
    /// state of the import pair that follows it, unless the record is in progress.
    pub async fn write(&self, conflict: &mut Conflict) -> Result<(), TableError> {
        let read_at = conflict.count_write(now_millis());
        let item = conflict_item(conflict)?;
        if let Some(pair) = conflict
            .pair()
            .filter(|_| conflict.state() != State::InProgress)
        {
            match self
                .write_with_pair(conflict, item.clone(), read_at, pair)
                .await
            {
                Ok(true) => return Ok(()),
                // The pair was erased, so only the record is left to write.
                Ok(false) => {}
                Err(error) => {
                    conflict.uncount_write(read_at);
                    return Err(error);
                }
            }
        }
        let written = self.write_alone(&item, read_at).await;
        if written.is_err() {
            conflict.uncount_write(read_at);
        }
        written
    }

    /// Writes a record over the version `read_at`, without the import pair that follows it.
    async fn write_alone(&self, item: &Item, read_at: u64) -> Result<(), TableError> {
        let put = self.put_item(item, |put| {
            put.condition_expression("version = :read_at")
                .expression_attribute_values(":read_at", number(read_at))
        });
        match put.await? {
            Put::Written => Ok(()),
            Put::Refused(_) => Err(TableError::Changed),
        }
    }

    /// Writes an item, unless there is one under its key. Returns whether it was written.
    pub(super) async fn put_new(&self, item: &Item) -> Result<bool, TableError> {
        let put = self.put_item(item, |put| {
            put.condition_expression("attribute_not_exists(pk)")
        });
        Ok(matches!(put.await?, Put::Written))
    }

    /// Writes an item over the one under its key. Writes nothing if the key does not exist.
    pub(super) async fn put_existing(&self, item: &Item) -> Result<(), TableError> {
        let put = self.put_item(item, |put| put.condition_expression("attribute_exists(pk)"));
        put.await.map(drop)
    }

    /// Whether the table can be written, for the action `check`. The put has a condition that never
    /// holds: DynamoDB checks everything else about it first, and writes nothing.
    pub async fn check_write(&self) -> Check {
        let item = HashMap::from([
            ("pk".to_owned(), string("conflict#check")),
            ("sk".to_owned(), string("check")),
        ]);
        let never = "attribute_exists(pk) AND attribute_not_exists(pk)";
        match self
            .put_item(&item, |put| put.condition_expression(never))
            .await
        {
            Ok(_) => Check::passed("table", "it takes writes"),
            Err(error) => Check::failed("table", advice(&error)),
        }
    }

    /// Whether the table and both of its indexes can be read, for the action `check`.
    pub async fn check_read(&self) -> Check {
        let read = async {
            self.read_item("run", "lease").await?;
            self.oldest_due(0).await?;
            self.in_state(State::Failed, 1, None).await
        };
        match read.await {
            Ok(_) => Check::passed("table", "it and both of its indexes can be read"),
            Err(error) => Check::failed("table", advice(&error)),
        }
    }

    /// The record with this id, as it is now.
    pub async fn get(&self, id: &ConflictId) -> Result<Option<Conflict>, TableError> {
        self.read(&conflict_key(id), "conflict").await
    }

    /// Up to `limit` records of a queue that are due at `now`, the longest waiting first, starting
    /// at `start`. The index lags, so a record may be outdated: take it with [`Table::write`],
    /// which then fails with [`TableError::Changed`].
    pub async fn due(
        &self,
        queue: Queue,
        now: u64,
        limit: i32,
        start: Option<Position>,
    ) -> Result<(Vec<Conflict>, Option<Position>), TableError> {
        self.due_in(queue.shard(), now, limit, start).await
    }

    /// Up to `limit` items of a partition of the index `due` that are due at `now`.
    pub(super) async fn due_in<T: DeserializeOwned>(
        &self,
        shard: &str,
        now: u64,
        limit: i32,
        start: Option<Position>,
    ) -> Result<(Vec<T>, Option<Position>), TableError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("due")
            .key_condition_expression("dueShard = :shard AND dueAt <= :now")
            .expression_attribute_values(":shard", string(shard))
            .expression_attribute_values(":now", number(now))
            .limit(limit)
            .set_exclusive_start_key(start)
            .send();
        // Boxed, because the SDK's futures are large.
        let page = Box::pin(query).await.map_err(|error| unavailable(&error))?;
        Ok((read_all(page.items), page.last_evaluated_key))
    }

    /// Up to `limit` records in `state`, the most recently changed first, starting at `start`.
    pub async fn in_state(
        &self,
        state: State,
        limit: i32,
        start: Option<Position>,
    ) -> Result<(Vec<Conflict>, Option<Position>), TableError> {
        let response = self
            .query_state(state.as_str())
            .scan_index_forward(false)
            .limit(limit)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        Ok((read_all(response.items), response.last_evaluated_key))
    }

    /// A query of a partition of the index `state`.
    pub(super) fn query_state(&self, partition: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .index_name("state")
            .key_condition_expression("#state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", string(partition))
    }

    /// Reads the content under a key.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        pk: &str,
        sk: &str,
    ) -> Result<Option<T>, TableError> {
        let item = self.read_item(pk, sk).await?;
        item.map(|item| from_item(item).map_err(|_| TableError::Malformed))
            .transpose()
    }

    /// Reads the item that is under a key.
    pub(super) async fn read_item(&self, pk: &str, sk: &str) -> Result<Option<Item>, TableError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("pk", string(pk))
            .key("sk", string(sk))
            .consistent_read(true)
            .send();
        let response = Box::pin(get).await.map_err(|error| unavailable(&error))?;
        Ok(response.item)
    }

    /// Writes an item on a condition. The SDK retries a put whose response was lost, and the retry
    /// then finds the item of the first attempt; a mark in the item shows that it is our own.
    pub(super) async fn put_item(
        &self,
        item: &Item,
        condition: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder,
    ) -> Result<Put, TableError> {
        let mark = write_id();
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .item("writeId", mark.clone())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // Boxed, because the SDK's futures are large, and so deep that the compiler gives up on
        // them.
        let Err(error) = Box::pin(condition(put).send()).await else {
            return Ok(Put::Written);
        };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error()
        else {
            return Err(unavailable(&error));
        };
        let there = refused.item.clone().unwrap_or_default();
        if there.get("writeId") == Some(&mark) {
            return Ok(Put::Written);
        }
        Ok(Put::Refused(Box::new(there)))
    }
}

pub(super) fn conflict_key(id: &ConflictId) -> String {
    format!("conflict#{id}")
}

pub(super) fn conflict_item(conflict: &Conflict) -> Result<Item, TableError> {
    let mut item: Item = to_item(conflict).map_err(|_| TableError::Malformed)?;
    item.insert("pk".to_owned(), string(conflict_key(conflict.id())));
    item.insert("sk".to_owned(), string("conflict"));
    if conflict.due_at().is_some() {
        let shard = Queue::of(conflict).shard();
        item.insert("dueShard".to_owned(), string(shard));
    }
    Ok(item)
}

/// The records of a page. Malformed ones are skipped rather than failing the page.
pub(super) fn read_all<T: DeserializeOwned>(items: Option<Vec<Item>>) -> Vec<T> {
    let read = items.unwrap_or_default().into_iter().map(from_item);
    read.filter_map(|record: Result<T, _>| {
        record
            .inspect_err(|_| tracing::error!("skipped a malformed record"))
            .ok()
    })
    .collect()
}

/// An error of the table, with what to do about it.
fn advice(error: &TableError) -> String {
    format!(
        "{error}: compare CONFLICTS_TABLE with the table's name, and the function's role and the table's KMS key with the template's"
    )
}

/// A random mark, which no other write or run has.
pub fn random_mark() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// The mark of one write.
pub(super) fn write_id() -> AttributeValue {
    string(random_mark())
}

pub(super) fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn unavailable<E: ProvideErrorMetadata>(error: &SdkError<E>) -> TableError {
    TableError::Unavailable(failure(error).why)
}
