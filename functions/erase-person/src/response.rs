//! The response: the stored data of a person, the erased data, and the remaining data.

use std::time::Duration;

use serde::Serialize;
use serde_dynamo::aws_sdk_dynamodb_1::from_item;
use serde_json::{Value, json};

use crate::archive::ArchivedUser;
use crate::person::{Item, Person, Verdict};
use crate::table::ItemErasure;

/// Lambda's responses are limited to 6 MB. Above this size the archived users are omitted, and the
/// keys stay.
const LARGEST_RESPONSE: usize = 5 << 20;
/// The range of point-in-time recovery.
const RECOVERABLE_FOR: Duration = Duration::from_hours(35 * 24);

/// The counts of the erased data.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Erased {
    /// Deleted items of the table.
    pub items: usize,
    /// Items of other people from which the person was removed.
    pub edited: usize,
    /// Deleted versions of objects.
    pub versions: usize,
}

impl Erased {
    /// Counts the result for an item.
    pub fn count(&mut self, erasure: ItemErasure) {
        match erasure {
            ItemErasure::Deleted => self.items += 1,
            ItemErasure::Edited => self.edited += 1,
            ItemErasure::Nothing => {}
        }
    }
}

/// The response.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureResponse {
    dry_run: bool,
    /// The items of the table, as stored, and what an erasure does with each.
    table: Vec<Found>,
    /// The copies in the archive.
    archive: Vec<ArchivedUser>,
    /// Whether the archived users were omitted because the response would be too long.
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<Erased>,
    remains: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    erasure: &'static str,
    item: Value,
}

impl ErasureResponse {
    /// The response with the data found and, if an erasure was requested, the data erased.
    pub fn new(
        person: &Person,
        items: Vec<Item>,
        copies: Vec<ArchivedUser>,
        erased: Option<Erased>,
    ) -> Self {
        let table = items.into_iter().map(|item| Found {
            erasure: match person.verdict(&item) {
                Verdict::Edit(_) => "edit",
                Verdict::Keep | Verdict::Delete => "delete",
            },
            item: from_item(item).unwrap_or_default(),
        });
        let mut response = Self {
            dry_run: erased.is_none(),
            table: table.collect(),
            archive: copies,
            truncated: false,
            remains: remains(erased.is_some()),
            erased,
        };
        response.shorten();
        response
    }

    fn shorten(&mut self) {
        let length = serde_json::to_vec(&self).map_or(0, |response| response.len());
        if length > LARGEST_RESPONSE {
            self.truncated = true;
            for copy in &mut self.archive {
                copy.users.clear();
            }
        }
    }
}

/// The data that no function can reach.
fn remains(is_erased: bool) -> Vec<Value> {
    let now = Duration::from_millis(shared::lambda::clock::now_millis());
    let until = (now + RECOVERABLE_FOR).as_secs();
    let mut remains = vec![
        json!({
            "where": "Zendesk",
            "until": null,
            "why": "this function changes nothing there; delete the user in Zendesk too",
        }),
        json!({
            "where": "the queue of failed runs",
            "until": null,
            "why": "a failed request that an operator sent asynchronously stays for at most 14 days",
        }),
        json!({
            "where": "backups of your own, and what operators saved",
            "until": null,
            "why": "no function knows of them",
        }),
    ];
    if is_erased {
        let recovery = json!({
            "where": "point-in-time recovery of the table",
            "until": until,
            "why": "AWS keeps each state for 35 days, and nothing can be taken out of it; after a restore, erase again",
        });
        remains.insert(0, recovery);
    }
    remains
}
