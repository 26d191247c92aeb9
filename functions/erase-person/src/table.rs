//! The table, item by item: it is read as a whole, and this is the only code that deletes from it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use shared::aws::sdk::{SdkConfig, failure};
use shared::conflicts::random_mark;
use shared::lambda::invoke::OperatorError;

use crate::person::{Item, Person, Verdict};

/// Maximum attempts on an item that others keep changing.
const TRIES: usize = 10;

/// The table.
pub struct Table {
    client: Client,
    name: String,
}

/// The result for an item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ItemErasure {
    /// It is gone.
    Deleted,
    /// It stays, without the person.
    Edited,
    /// It contained no data of the person any more.
    Nothing,
}

impl Table {
    /// The table `name`.
    pub fn connect(sdk: &SdkConfig, name: String) -> Self {
        Self {
            client: Client::new(sdk),
            name,
        }
    }

    /// A page of all items, and the position of the next page.
    pub async fn page(
        &self,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), OperatorError> {
        let scan = self
            .client
            .scan()
            .table_name(&self.name)
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send();
        // Boxed, because the SDK's futures are large.
        let page = Box::pin(scan).await.map_err(|error| unavailable(&error))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    /// Removes the person from an item. An item that was changed since it was read is read again.
    pub async fn erase(&self, person: &Person, item: Item) -> Result<ItemErasure, OperatorError> {
        let mut item = item;
        for _ in 0..TRIES {
            let (is_done, erased) = match person.verdict(&item) {
                Verdict::Keep => return Ok(ItemErasure::Nothing),
                Verdict::Delete => (self.delete(&item).await?, ItemErasure::Deleted),
                Verdict::Edit(edited) => (self.put(&item, edited).await?, ItemErasure::Edited),
            };
            if is_done {
                return Ok(erased);
            }
            match self.get(&item).await? {
                Some(now) => item = now,
                None => return Ok(ItemErasure::Nothing),
            }
        }
        Err(OperatorError::Unavailable(
            "an item changed each time before it could be erased; send the request again"
                .to_owned(),
        ))
    }

    /// Deletes an item, unless it was changed since it was read.
    async fn delete(&self, item: &Item) -> Result<bool, OperatorError> {
        let (condition, seen) = unchanged(item);
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key(item)))
            .condition_expression(condition)
            .set_expression_attribute_values(seen)
            .send();
        is_written(Box::pin(delete).await)
    }

    /// Writes `edited` over `item`, unless that was changed since it was read.
    async fn put(&self, item: &Item, mut edited: Item) -> Result<bool, OperatorError> {
        // A worker that read the record before must not write the person back.
        if let Some(AttributeValue::N(version)) = edited.get_mut("version")
            && let Ok(number) = version.parse::<u64>()
        {
            *version = (number + 1).to_string();
        }
        if edited.contains_key("writeId") {
            edited.insert("writeId".to_owned(), AttributeValue::S(random_mark()));
        }
        let (condition, seen) = unchanged(item);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(edited))
            .condition_expression(condition)
            .set_expression_attribute_values(seen)
            .send();
        is_written(Box::pin(put).await)
    }

    async fn get(&self, item: &Item) -> Result<Option<Item>, OperatorError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key(item)))
            .consistent_read(true)
            .send();
        let there = Box::pin(get).await.map_err(|error| unavailable(&error))?;
        Ok(there.item)
    }
}

/// The condition that an item was not written since it was read: each write leaves a new mark in
/// it.
fn unchanged(item: &Item) -> (&'static str, Option<Item>) {
    match item.get("writeId") {
        Some(mark) => (
            "writeId = :seen",
            Some(Item::from([(":seen".to_owned(), mark.clone())])),
        ),
        None => (
            "attribute_exists(pk) AND attribute_not_exists(writeId)",
            None,
        ),
    }
}

fn key(item: &Item) -> Item {
    let parts = item
        .iter()
        .filter(|(name, _)| *name == "pk" || *name == "sk");
    parts
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether a write was done; it was not if its condition did not hold.
fn is_written<T, E: ProvideErrorMetadata>(
    result: Result<T, SdkError<E>>,
) -> Result<bool, OperatorError> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if failure(&error).why == "ConditionalCheckFailedException" => Ok(false),
        Err(error) => Err(unavailable(&error)),
    }
}

fn unavailable<E: ProvideErrorMetadata>(error: &SdkError<E>) -> OperatorError {
    let why = failure(error).why;
    OperatorError::Unavailable(format!("the table is not available ({why})"))
}
