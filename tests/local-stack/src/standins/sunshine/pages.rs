//! The cursor paging of the v2 API.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::error::error;
use crate::standins::http::{Request, Response};

/// The page for a request without a cursor.
#[derive(Clone, Copy)]
pub(super) enum First {
    /// The oldest records, then forwards.
    Oldest,
    /// The newest records, then backwards.
    Newest,
}

/// One page of a list.
pub(super) struct Page {
    pub(super) range: Range<usize>,
    count: usize,
    has_more: bool,
}

impl Page {
    /// The requested page of `count` records; `place` returns the position of a cursor.
    pub(super) fn of(
        request: &Request,
        first: First,
        size: usize,
        count: usize,
        place: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, Response> {
        let invalid = || error(400, "bad_request", "Invalid page query parameters");
        let cursor = |name| {
            request
                .query(name)
                .map(|cursor| place(&cursor).ok_or_else(invalid))
                .transpose()
        };
        let (range, forwards) = match (cursor("page[after]")?, cursor("page[before]")?, first) {
            (Some(_), Some(_), _) => return Err(invalid()),
            (Some(at), None, _) => (at + 1..count.min(at + 1 + size), true),
            (None, Some(at), _) => (at.saturating_sub(size)..at, false),
            (None, None, First::Oldest) => (0..count.min(size), true),
            (None, None, First::Newest) => (count.saturating_sub(size)..count, false),
        };
        let has_more = if forwards {
            range.end < count
        } else {
            range.start > 0
        };
        Ok(Self {
            range,
            count,
            has_more,
        })
    }

    /// `meta` and `links`, given the ids of the page's first and last record.
    pub(super) fn meta_and_links(
        &self,
        request: &Request,
        ids: Option<(&str, &str)>,
    ) -> (Value, Value) {
        let mut meta = Map::from_iter([("hasMore".to_owned(), json!(self.has_more))]);
        let mut links = Map::new();
        if let Some((first, last)) = ids {
            if self.range.start > 0 {
                meta.insert("beforeCursor".into(), first.into());
                links.insert("prev".into(), link(request, "page[before]", first).into());
            }
            if self.range.end < self.count {
                meta.insert("afterCursor".into(), last.into());
                links.insert("next".into(), link(request, "page[after]", last).into());
            }
        }
        (meta.into(), links.into())
    }
}

/// `page[size]`, 1 to 100, 25 unless given.
pub(super) fn size(request: &Request) -> Result<usize, Response> {
    let Some(size) = request.query("page[size]") else {
        return Ok(25);
    };
    let size = size.parse().ok().filter(|size| (1..=100).contains(size));
    size.ok_or_else(|| error(400, "bad_request", "Invalid page query parameters"))
}

/// The same request with another cursor.
fn link(request: &Request, cursor: &str, value: &str) -> String {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let others = url::form_urlencoded::parse(query.as_bytes());
    let others = others.filter(|(name, _)| name != "page[after]" && name != "page[before]");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair(cursor, value)
        .finish();
    format!(
        "http://{}{path}?{query}",
        request.header("host").unwrap_or_default()
    )
}
