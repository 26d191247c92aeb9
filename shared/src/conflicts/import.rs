//! Migrations: the pairs of external ids that an operator imports, and the state of each.
//!
//! A pair is one item: `pk` is `pair#` and a hash of both ids, `sk` is `pair`. So a pair is
//! imported once, even if it is in several batches. In the index `due`, pairs have a queue of their
//! own, which is worked on after those of conflicts. In the index `state`, the partition of a pair
//! is made of its batch, one of a few shards, and its state, so that a batch can be counted and
//! listed.
//!
//! Once a conflict is opened for a pair, the pair follows it: each write of the conflict's record
//! by a run, if it may change the state, also writes the pair's state in the same transaction. A
//! report or an event writes the record alone, and the next run's write carries the pair along.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::to_item;

use super::history::{KEPT_FOR, expiry};
use super::id::{ConflictId, PairRef, Scope, hash};
use super::listing::{Counts, Place};
use super::record::Conflict;
use super::state::{Reason, State};
use super::table::{
    Item, PAIRS_SHARD, Position, Table, TableError, number, read_all, string, unavailable, write_id,
};
use crate::lambda::clock::{millis, now_millis};

/// Maximum simultaneous puts of an import.
const PUTS_AT_ONCE: usize = 64;
/// Maximum simultaneous queries of a count.
const QUERIES_AT_ONCE: usize = 16;
/// Partitions for each batch and state in the index, because one partition takes only 1,000 writes
/// a second.
const SHARDS: usize = 8;
/// Maximum attempts to find the previous user of a pair.
const MAX_ATTEMPTS: u32 = 8;
/// The wait before the second attempt. It grows fourfold each time.
const FIRST_WAIT: Duration = Duration::from_secs(4);
/// Maximum wait before an attempt.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Maximum pairs on a page.
const PAGE: usize = 100;

/// A pair of a migration. Times are in milliseconds since 1970. It has no `Debug`, so it is never
/// printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// The external id before.
    pub previous_external_id: String,
    /// The external id now.
    pub current_external_id: String,
    /// The operator who imported it.
    pub by: String,
    /// The conflict that was opened for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_id: Option<ConflictId>,
    /// The reason for its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The time from which the list is true: that of the import, or its `not_before` if that is
    /// later. Earlier versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_since: Option<u64>,
    #[serde(rename = "pairState")]
    state: State,
    attempts: u32,
    list: String,
    updated_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<u64>,
    expires_at: u64,
}

/// The pairs of an import, as an operator sends them.
pub struct ImportedPairs<'a> {
    /// The migration's name.
    pub batch: &'a str,
    /// The earliest time at which the pairs are due, in milliseconds since 1970.
    pub not_before: u64,
    /// The external ids before and now.
    pub pairs: &'a [(String, String)],
    /// The operator.
    pub by: &'a str,
}

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Pairs that are new.
    pub taken: usize,
    /// Pairs that were already imported.
    pub known: usize,
}

impl Pair {
    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// A reference for the record of its conflict.
    pub fn reference(&self, scope: &Scope) -> PairRef {
        PairRef {
            key: key(scope, &self.previous_external_id, &self.current_external_id),
            list: self.list.clone(),
        }
    }

    /// Sets the state and its reason. The pair is no longer due.
    pub fn end(&mut self, state: State, reason: Option<Reason>) {
        (self.state, self.reason, self.due_at) = (state, reason, None);
    }

    /// Schedules another attempt, because the previous user could not be read at `now`. After the
    /// last attempt, the pair fails.
    pub fn retry(&mut self, now: u64) {
        self.attempts += 1;
        if self.attempts >= MAX_ATTEMPTS {
            self.end(State::Failed, Some(Reason::TooManyAttempts));
        } else {
            let wait = FIRST_WAIT.saturating_mul(4_u32.saturating_pow(self.attempts - 1));
            self.due_at = Some(now + millis(wait.min(LONGEST_WAIT)));
        }
    }

    fn item(&self, scope: &Scope) -> Result<Item, TableError> {
        let mut item: Item = to_item(self).map_err(|_| TableError::Malformed)?;
        let reference = self.reference(scope);
        item.insert("pk".to_owned(), string(reference.key));
        item.insert("sk".to_owned(), string("pair"));
        item.insert("state".to_owned(), string(listed(&self.list, self.state)));
        if self.due_at.is_some() {
            item.insert("dueShard".to_owned(), string(PAIRS_SHARD));
        }
        Ok(item)
    }
}

impl Table {
    /// Stores the pairs of an import that are not known yet.
    pub async fn take_pairs(
        &self,
        scope: &Scope,
        import: &ImportedPairs<'_>,
    ) -> Result<Taken, TableError> {
        let now = now_millis();
        let true_since = import.not_before.max(now);
        let batch = batch_key(scope, import.batch);
        let is_new = stream::iter(import.pairs)
            .map(async |(previous, current)| {
                let pair_key = key(scope, previous, current);
                let pair = Pair {
                    previous_external_id: previous.clone(),
                    current_external_id: current.clone(),
                    by: import.by.to_owned(),
                    conflict_id: None,
                    reason: None,
                    true_since: Some(true_since),
                    state: State::Pending,
                    attempts: 0,
                    list: list(&batch, &pair_key),
                    updated_at: now,
                    due_at: Some(true_since),
                    expires_at: expiry(true_since, KEPT_FOR),
                };
                self.put_new(&pair.item(scope)?).await
            })
            .buffer_unordered(PUTS_AT_ONCE);
        is_new
            .try_fold(Taken::default(), async |mut sum, is_new| {
                if is_new {
                    sum.taken += 1;
                } else {
                    sum.known += 1;
                }
                Ok(sum)
            })
            .await
    }

    /// Up to `limit` pairs that are due at `now`, from `start` on.
    pub async fn due_pairs(
        &self,
        now: u64,
        limit: i32,
        start: Option<Position>,
    ) -> Result<(Vec<Pair>, Option<Position>), TableError> {
        self.due_in(PAIRS_SHARD, now, limit, start).await
    }

    /// Writes the state of a pair, unless it was erased meanwhile.
    pub async fn write_pair(&self, scope: &Scope, pair: &mut Pair) -> Result<(), TableError> {
        pair.updated_at = now_millis();
        self.put_existing(&pair.item(scope)?).await
    }

    /// Counts the pairs of a batch by state and reason.
    pub async fn count_pairs(&self, scope: &Scope, batch: &str) -> Result<Counts, TableError> {
        let batch = batch_key(scope, batch);
        let lists = State::ALL.into_iter().flat_map(|state| {
            let lists = (0..SHARDS).map(|shard| format!("{batch}#{shard}"));
            lists.map(move |list| (state, list)).collect::<Vec<_>>()
        });
        let counted = stream::iter(lists)
            .map(async |(state, list)| {
                let counts = self.count_partition(&listed(&list, state)).await?;
                Ok::<_, TableError>((state, counts))
            })
            .buffer_unordered(QUERIES_AT_ONCE);
        counted
            .try_fold(Counts::new(), async |mut sum, (state, counts)| {
                for (reason, count) in counts {
                    let of_state: &mut BTreeMap<_, _> = sum.entry(state).or_default();
                    *of_state.entry(reason).or_default() += count;
                }
                Ok(sum)
            })
            .await
    }

    /// A page of the pairs of a batch that are in one of `states`, and the start of the next one.
    pub async fn list_pairs(
        &self,
        scope: &Scope,
        batch: &str,
        states: &[State],
        start: Option<Place>,
    ) -> Result<(Vec<Pair>, Option<Place>), TableError> {
        let batch = batch_key(scope, batch);
        let lists: Vec<String> = states
            .iter()
            .flat_map(|state| {
                let shards = 0..SHARDS;
                shards
                    .map(|shard| listed(&format!("{batch}#{shard}"), *state))
                    .collect::<Vec<_>>()
            })
            .collect();
        let (mut number, mut position) = start.map_or((0, None), |it| (it.list, it.position));
        let mut pairs = Vec::new();
        while let Some(list) = lists.get(number) {
            let limit = i32::try_from(PAGE - pairs.len()).unwrap_or_default();
            let query = self
                .query_state(list)
                .limit(limit)
                .set_exclusive_start_key(position.take())
                .send();
            let page = Box::pin(query).await.map_err(|error| unavailable(&error))?;
            pairs.extend(read_all(page.items));
            position = page.last_evaluated_key;
            if position.is_none() {
                number += 1;
            }
            if pairs.len() >= PAGE {
                let is_more = number < lists.len();
                let next = Place {
                    list: number,
                    position,
                };
                return Ok((pairs, is_more.then_some(next)));
            }
        }
        Ok((pairs, None))
    }

    /// Writes a conflict's record, and the state of the pair that follows it. Returns false, and
    /// writes nothing, if the pair was erased.
    pub(super) async fn write_with_pair(
        &self,
        conflict: &Conflict,
        item: Item,
        read_at: u64,
        pair: &PairRef,
    ) -> Result<bool, TableError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .item("writeId", write_id())
            .condition_expression("version = :read_at")
            .expression_attribute_values(":read_at", number(read_at))
            .build()
            .map_err(|_| TableError::Malformed)?;
        let update = self.pair_update(conflict, pair)?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(update).build());
        let Err(error) = Box::pin(request.send()).await else {
            return Ok(true);
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        else {
            return Err(unavailable(&error));
        };
        let reasons = canceled.cancellation_reasons();
        let failed = |number: usize| {
            let code = reasons.get(number).and_then(|reason| reason.code());
            code == Some("ConditionalCheckFailed")
        };
        if failed(0) {
            Err(TableError::Changed)
        } else if failed(1) {
            Ok(false)
        } else {
            Err(TableError::Unavailable(
                "TransactionCanceledException".to_owned(),
            ))
        }
    }

    fn pair_update(&self, conflict: &Conflict, pair: &PairRef) -> Result<Update, TableError> {
        let set = "SET #state = :list, pairState = :state, updatedAt = :now, expiresAt = :expires, \
                   conflictId = :conflict";
        let update = Update::builder()
            .table_name(&self.name)
            .key("pk", string(&pair.key))
            .key("sk", string("pair"))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#reason", "reason")
            .expression_attribute_values(":list", string(listed(&pair.list, conflict.state())))
            .expression_attribute_values(":state", string(conflict.state().as_str()))
            .expression_attribute_values(":now", number(now_millis()))
            .expression_attribute_values(":expires", number(conflict.expires_at()))
            .expression_attribute_values(":conflict", string(conflict.id().as_str()));
        let update = match conflict.reason() {
            Some(reason) => update
                .update_expression(format!("{set}, #reason = :reason REMOVE dueAt, dueShard"))
                .expression_attribute_values(":reason", string(reason.as_str())),
            None => update.update_expression(format!("{set} REMOVE #reason, dueAt, dueShard")),
        };
        update.build().map_err(|_| TableError::Malformed)
    }
}

fn key(scope: &Scope, previous: &str, current: &str) -> String {
    format!(
        "pair#{}",
        scope.hash(&format!("pair:{previous}\0{current}"))
    )
}

fn batch_key(scope: &Scope, batch: &str) -> String {
    format!("batch#{}", scope.hash(&format!("batch:{batch}")))
}

/// The shard of a batch that a pair is listed under.
fn list(batch: &str, pair_key: &str) -> String {
    let sum = hash(&[pair_key]);
    let shard = sum.as_str().bytes().map(usize::from).sum::<usize>() % SHARDS;
    format!("{batch}#{shard}")
}

/// The partition of a list and a state in the index `state`.
fn listed(list: &str, state: State) -> String {
    format!("{list}#{}", state.as_str())
}
