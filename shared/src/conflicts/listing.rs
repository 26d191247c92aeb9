//! Queries for operators: paged lists, counts, and the age of the oldest due conflict.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;

use super::record::Conflict;
use super::state::{Reason, State};
use super::table::{
    Item, Position, SHARDS, Table, TableError, conflict_key, number, string, unavailable,
};

/// Maximum records of one page of an index.
const PAGE: i32 = 100;
/// Maximum records of one page if all records are read. DynamoDB ends a page at 1 MB anyway.
const MAX_PAGE: i32 = 1000;

/// The number of items in each state, by reason.
pub type Counts = BTreeMap<State, BTreeMap<Option<Reason>, u64>>;

/// A position that is not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("next must be the value from the previous response")]
pub struct InvalidPosition;

/// A position, as an operator passes it from one response to the next request. It contains keys, a
/// state and times, and so no personal data.
#[derive(Serialize, Deserialize)]
struct Token {
    list: usize,
    key: BTreeMap<String, Key>,
}

#[derive(Serialize, Deserialize)]
enum Key {
    S(String),
    N(String),
}

/// The start of the next page of several lists that are read one after the other.
pub struct Place {
    /// The number of the list.
    pub list: usize,
    /// The position in that list; `None` is its beginning.
    pub position: Option<Position>,
}

impl Place {
    /// The place as text.
    pub fn to_text(&self) -> String {
        let key = self.position.iter().flatten().filter_map(|(name, value)| {
            let key = match value {
                AttributeValue::S(text) => Key::S(text.clone()),
                AttributeValue::N(number) => Key::N(number.clone()),
                _ => return None,
            };
            Some((name.clone(), key))
        });
        let token = Token {
            list: self.list,
            key: key.collect(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    /// The place that [`Place::to_text`] wrote.
    pub fn from_text(text: &str) -> Result<Self, InvalidPosition> {
        let token = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidPosition)?;
        let token: Token = serde_json::from_slice(&token).map_err(|_| InvalidPosition)?;
        let key: Position = token
            .key
            .into_iter()
            .map(|(name, key)| match key {
                Key::S(text) => (name, AttributeValue::S(text)),
                Key::N(number) => (name, AttributeValue::N(number)),
            })
            .collect();
        Ok(Self {
            list: token.list,
            position: (!key.is_empty()).then_some(key),
        })
    }
}

/// The position of a conflict in the index `state`.
fn position_of(conflict: &Conflict) -> Position {
    Item::from([
        ("pk".to_owned(), string(conflict_key(conflict.id()))),
        ("sk".to_owned(), string("conflict")),
        ("state".to_owned(), string(conflict.state().as_str())),
        ("updatedAt".to_owned(), number(conflict.updated_at())),
    ])
}

impl Table {
    /// Up to `limit` conflicts in `state` (with this `reason` if it is given), the most recently
    /// changed first; and the start of the next page.
    pub async fn list(
        &self,
        state: State,
        reason: Option<Reason>,
        limit: usize,
        start: Option<Position>,
    ) -> Result<(Vec<Conflict>, Option<Position>), TableError> {
        let (mut found, mut position) = (Vec::new(), start);
        loop {
            let wanted = limit - found.len();
            // The index knows no reasons, so read whole pages and filter them.
            let page = if reason.is_some() {
                PAGE
            } else {
                i32::try_from(wanted).unwrap_or(PAGE).min(PAGE)
            };
            let (conflicts, next) = self.in_state(state, page, position).await?;
            let is_wanted = |it: &Conflict| reason.is_none_or(|reason| it.reason() == Some(reason));
            let mut matching = conflicts.into_iter().filter(is_wanted);
            found.extend(matching.by_ref().take(wanted));
            let is_more = matching.next().is_some();
            if found.len() >= limit {
                // If matches on this page are left over, continue after the last one returned.
                let next = match found.last().filter(|_| is_more) {
                    Some(last) => Some(position_of(last)),
                    None => next,
                };
                return Ok((found, next));
            }
            match next {
                Some(next) => position = Some(next),
                None => return Ok((found, None)),
            }
        }
    }

    /// Every conflict that `is_wanted`. It reads every conflict in the index `state`, because no
    /// index has external ids.
    pub async fn find(
        &self,
        is_wanted: impl Fn(&Conflict) -> bool,
    ) -> Result<Vec<Conflict>, TableError> {
        let mut found = Vec::new();
        for state in State::ALL {
            let mut start = None;
            loop {
                let (conflicts, next) = self.in_state(state, MAX_PAGE, start).await?;
                found.extend(conflicts.into_iter().filter(|it| is_wanted(it)));
                match next {
                    Some(next) => start = Some(next),
                    None => break,
                }
            }
        }
        Ok(found)
    }

    /// Counts the conflicts in a state by their reasons.
    pub async fn count(&self, state: State) -> Result<BTreeMap<Option<Reason>, u64>, TableError> {
        self.count_partition(state.as_str()).await
    }

    /// Counts the items of a partition of the index `state`, by reason.
    pub(super) async fn count_partition(
        &self,
        partition: &str,
    ) -> Result<BTreeMap<Option<Reason>, u64>, TableError> {
        #[derive(Deserialize)]
        struct Counted {
            #[serde(default)]
            reason: Option<Reason>,
        }
        let (mut counts, mut start) = (BTreeMap::new(), None);
        loop {
            let query = self
                .query_state(partition)
                .projection_expression("#reason")
                .expression_attribute_names("#reason", "reason")
                .set_exclusive_start_key(start)
                .send();
            // Boxed, because the SDK's futures are large.
            let page = Box::pin(query).await.map_err(|error| unavailable(&error))?;
            for item in page.items.unwrap_or_default() {
                let counted: Counted = from_item(item).map_err(|_| TableError::Malformed)?;
                *counts.entry(counted.reason).or_default() += 1;
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(counts);
            }
        }
    }

    /// The number of conflicts in a state. Counting stops on the page that reaches `most`, so a
    /// result of `most` or more is a lower bound.
    pub async fn count_up_to(&self, state: State, most: u64) -> Result<u64, TableError> {
        let (mut count, mut start) = (0, None);
        loop {
            let query = self
                .query_state(state.as_str())
                .select(Select::Count)
                .set_exclusive_start_key(start)
                .send();
            let page = Box::pin(query).await.map_err(|error| unavailable(&error))?;
            count += u64::try_from(page.count).unwrap_or_default();
            start = page.last_evaluated_key;
            if start.is_none() || count >= most {
                return Ok(count);
            }
        }
    }

    /// The earliest time at which an item of any queue became due, in milliseconds since 1970;
    /// `None` if nothing is due at `now`.
    pub async fn oldest_due(&self, now: u64) -> Result<Option<u64>, TableError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Due {
            due_at: u64,
        }
        let mut oldest = None;
        for shard in SHARDS {
            let (first, _) = self.due_in::<Due>(shard, now, 1, None).await?;
            let first = first.into_iter().map(|it| it.due_at);
            oldest = oldest.into_iter().chain(first).min();
        }
        Ok(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was_given() {
        let position = Item::from([
            ("pk".to_owned(), string("conflict#1")),
            ("updatedAt".to_owned(), number(7)),
        ]);
        let place = Place {
            list: 3,
            position: Some(position.clone()),
        };
        let again = Place::from_text(&place.to_text()).unwrap();
        assert_eq!((again.list, again.position), (3, Some(position)));
        let beginning = Place {
            list: 1,
            position: None,
        };
        let again = Place::from_text(&beginning.to_text()).unwrap();
        assert_eq!((again.list, again.position), (1, None));
    }

    #[test]
    fn anything_else_is_not_a_place() {
        for text in ["", "abc", "e30", "bnVsbA"] {
            assert!(Place::from_text(text).is_err(), "{text}");
        }
    }
}
