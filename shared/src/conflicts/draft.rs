//! Reads and writes several items as one.
//!
//! A plan is a pure function of the items that it reads. It first runs as if no item existed, and
//! then again with the items that exist, until it depends on no guess. All items that it only reads
//! come from one moment: half of an event would look like a contradiction. An item that it writes
//! carries the condition that it has not changed. So an event about an unknown user costs one write
//! and at most one read before it, and is never visible in part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Get, Put, ReturnValuesOnConditionCheckFailure, TransactGetItem,
    TransactWriteItem,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};

use super::table::{Item, Table, TableError, string, unavailable, write_id};

/// Partition and sort key.
pub(super) type Key = (String, &'static str);
/// The items known so far, by key.
type Known = BTreeMap<Key, Option<Item>>;

/// The code of a cancellation because another transaction has the item at this moment.
const CONFLICT: &str = "TransactionConflict";
/// Maximum wait before a retry of a transaction that conflicted with another one.
const CONFLICT_WAIT: Duration = Duration::from_millis(50);

/// One run of a plan: the items that it reads and those that it writes.
pub(super) struct Draft<'a> {
    known: &'a Known,
    read: BTreeSet<Key>,
    written: BTreeMap<Key, Item>,
}

impl Draft<'_> {
    /// The content of an item: as this plan has written it, else as it is known from the table.
    pub(super) fn get<T: DeserializeOwned>(&mut self, key: &Key) -> Result<Option<T>, TableError> {
        let item = if let Some(item) = self.written.get(key) {
            Some(item)
        } else {
            self.read.insert(key.clone());
            self.known.get(key).and_then(Option::as_ref)
        };
        item.map(|item| from_item(item.clone()).map_err(|_| TableError::Malformed))
            .transpose()
    }

    /// Writes `content` under a key.
    pub(super) fn put(&mut self, key: Key, content: &impl Serialize) -> Result<(), TableError> {
        let item = to_item(content).map_err(|_| TableError::Malformed)?;
        self.put_item(key, item);
        Ok(())
    }

    /// Writes a whole item under a key.
    pub(super) fn put_item(&mut self, (pk, sk): Key, mut item: Item) {
        item.insert("pk".to_owned(), string(&pk));
        item.insert("sk".to_owned(), string(sk));
        self.written.insert((pk, sk), item);
    }
}

impl Table {
    /// Executes a plan, and returns its result. Either all of its writes are done, or none.
    pub(super) async fn transact<T>(
        &self,
        plan: impl Fn(&mut Draft<'_>) -> Result<T, TableError>,
    ) -> Result<T, TableError> {
        let mut known = Known::new();
        // The items that are known from the same moment.
        let mut snapshot = BTreeSet::new();
        loop {
            let mut draft = Draft {
                known: &known,
                read: BTreeSet::new(),
                written: BTreeMap::new(),
            };
            let outcome = plan(&mut draft)?;
            let Draft { read, written, .. } = draft;
            let only_read = |key: &Key| !written.contains_key(key);
            let only_read: BTreeSet<Key> = read.into_iter().filter(only_read).collect();
            if !only_read.is_subset(&snapshot) {
                known.extend(self.read_at_once(&only_read).await?);
                snapshot = only_read;
                continue;
            }
            if written.is_empty() {
                return Ok(outcome);
            }
            match self.write_all(&written, &known).await? {
                Refusals::None => return Ok(outcome),
                Refusals::Found(found) => {
                    snapshot = found.keys().cloned().collect();
                    known.extend(found);
                }
            }
        }
    }

    /// The items with these keys, as they are at one moment.
    async fn read_at_once(&self, keys: &BTreeSet<Key>) -> Result<Known, TableError> {
        if let (1, Some(key)) = (keys.len(), keys.first()) {
            let item = self.read_item(&key.0, key.1).await?;
            return Ok(Known::from([(key.clone(), item)]));
        }
        let gets = keys
            .iter()
            .map(|(pk, sk)| {
                let get = Get::builder().table_name(&self.name);
                let get = get.key("pk", string(pk)).key("sk", string(*sk)).build();
                let get = get.map_err(|_| TableError::Malformed)?;
                Ok(TransactGetItem::builder().get(get).build())
            })
            .collect::<Result<Vec<_>, _>>()?;
        loop {
            let request = self.client.transact_get_items();
            // Boxed, because the SDK's futures are large.
            match Box::pin(request.set_transact_items(Some(gets.clone())).send()).await {
                Ok(response) => {
                    let items = response.responses.unwrap_or_default().into_iter();
                    let items = items.map(|response| response.item);
                    return Ok(keys.iter().cloned().zip(items).collect());
                }
                // One of the items is being written.
                Err(error) if is_read_conflict(&error) => wait_for_the_other().await,
                Err(error) => return Err(unavailable(&error)),
            }
        }
    }

    /// Writes all items, each on the condition that it is still as known. A repeated request has
    /// the same token, so a lost response does not make the transaction run twice.
    async fn write_all(
        &self,
        items: &BTreeMap<Key, Item>,
        known: &Known,
    ) -> Result<Refusals, TableError> {
        let puts = items
            .iter()
            .map(|(key, item)| self.put_if_unchanged(item, known.get(key).and_then(Option::as_ref)))
            .collect::<Result<Vec<_>, _>>()?;
        let request = self.client.transact_write_items();
        // Boxed, because the SDK's futures are large.
        let sent = Box::pin(request.set_transact_items(Some(puts)).send()).await;
        let Err(error) = sent else {
            return Ok(Refusals::None);
        };
        let reasons = cancellation_reasons(&error).ok_or_else(|| unavailable(&error))?;
        let (mut found, mut unseen) = (Known::new(), BTreeSet::new());
        for (key, reason) in items.keys().zip(reasons) {
            match reason.code() {
                None | Some("None") => {}
                Some("ConditionalCheckFailed") => match &reason.item {
                    Some(item) => _ = found.insert(key.clone(), Some(item.clone())),
                    // It has expired in the meantime, or the response omits it.
                    None => _ = unseen.insert(key.clone()),
                },
                Some(CONFLICT) => wait_for_the_other().await,
                Some(code) => return Err(TableError::Unavailable(code.to_owned())),
            }
        }
        if !unseen.is_empty() {
            found.extend(self.read_at_once(&unseen).await?);
        }
        Ok(Refusals::Found(found))
    }

    fn put_if_unchanged(
        &self,
        item: &Item,
        known: Option<&Item>,
    ) -> Result<TransactWriteItem, TableError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .item("writeId", write_id())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // Not every item has a version, but every write has its own id.
        let token = known.and_then(|known| {
            let field = ["version", "writeId"].into_iter();
            let mut tokens = field.filter_map(|field| Some((field, known.get(field)?.clone())));
            tokens.next()
        });
        let put = match (known, token) {
            (None, _) => put.condition_expression("attribute_not_exists(pk)"),
            (Some(_), None) => put.condition_expression("attribute_not_exists(writeId)"),
            (Some(_), Some((field, value))) => put
                .condition_expression("#token = :token")
                .expression_attribute_names("#token", field)
                .expression_attribute_values(":token", value),
        };
        let put = put.build().map_err(|_| TableError::Malformed)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// The items whose conditions failed, as they are now.
enum Refusals {
    None,
    Found(Known),
}

async fn wait_for_the_other() {
    tokio::time::sleep(CONFLICT_WAIT.mul_f64(fastrand::f64())).await;
}

fn is_read_conflict<R>(error: &SdkError<TransactGetItemsError, R>) -> bool {
    let Some(TransactGetItemsError::TransactionCanceledException(canceled)) =
        error.as_service_error()
    else {
        return false;
    };
    let mut reasons = canceled.cancellation_reasons().iter();
    reasons.any(|reason| reason.code() == Some(CONFLICT))
}

fn cancellation_reasons<R>(
    error: &SdkError<TransactWriteItemsError, R>,
) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(canceled) => {
            Some(canceled.cancellation_reasons())
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod memory {
    use super::super::id::Scope;
    use super::*;
    use crate::identity::external_id::ExternalId;

    /// Items in memory, for the tests of plans.
    #[derive(Clone, Default, PartialEq)]
    pub struct Items(Known);

    /// An app without brands.
    pub fn scope() -> Scope {
        Scope {
            app_id: "app".parse().unwrap(),
            brand_id: None,
        }
    }

    /// An external id.
    pub fn id(id: &str) -> ExternalId {
        ExternalId::try_from(id.to_owned()).unwrap()
    }

    impl Items {
        /// Executes a plan, and keeps what it wrote.
        pub fn transact<T>(
            &mut self,
            plan: impl FnOnce(&mut Draft<'_>) -> Result<T, TableError>,
        ) -> T {
            let mut draft = Draft {
                known: &self.0,
                read: BTreeSet::new(),
                written: BTreeMap::new(),
            };
            let outcome = plan(&mut draft).unwrap();
            let written = draft.written.into_iter();
            self.0.extend(written.map(|(key, item)| (key, Some(item))));
            outcome
        }

        /// The content of an item.
        pub fn get<T: DeserializeOwned>(&mut self, key: &Key) -> Option<T> {
            self.transact(|draft| draft.get(key))
        }
    }
}
