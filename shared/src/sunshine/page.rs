//! Parses response bodies: one object, a list, or a page of a list.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::Error;
use super::ids::Cursor;
use super::model::Item;

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The objects of the page.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end of the list.
    pub next: Option<Cursor>,
}

/// The direction in which a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Forwards from the oldest item: clients and conversations.
    Forwards,
    /// Backwards from the newest page: messages.
    Backwards,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    has_more: Option<bool>,
    after_cursor: Option<Cursor>,
    before_cursor: Option<Cursor>,
}

#[derive(Default, Deserialize)]
struct Links {
    next: Option<String>,
    prev: Option<String>,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn members(body: &[u8]) -> Result<Members<'_>, Error> {
    serde_json::from_slice(body).map_err(|_| Error::InvalidResponse { what: "object" })
}

/// Reads the object under `key`.
pub(super) fn one<T: Item>(body: &[u8], key: &str) -> Result<T, Error> {
    let invalid = Error::InvalidResponse { what: T::WHAT };
    let members = members(body)?;
    let raw = members.get(key).ok_or(invalid.clone())?;
    T::read(raw).map_err(|_| invalid)
}

/// Reads the whole list under `key`, from a response without pages.
pub(super) fn list<T: Item>(body: &[u8], key: &str) -> Result<Vec<T>, Error> {
    let members = members(body)?;
    // Decisions depend on how many there are, so an incomplete list is an error.
    if member::<Meta>(&members, "meta")?.has_more == Some(true) {
        return Err(Error::InvalidResponse { what: "whole list" });
    }
    items(&members, key)
}

/// Reads the page under `key` that was requested with `cursor`.
pub(super) fn page<T: Item>(
    body: &[u8],
    key: &str,
    direction: Direction,
    cursor: Option<&Cursor>,
) -> Result<Page<T>, Error> {
    let members = members(body)?;
    let next = next(&members, direction)?;
    // Repeating the same page would never end.
    if next.is_some() && next.as_ref() == cursor {
        return Err(Error::InvalidResponse {
            what: "next cursor",
        });
    }
    Ok(Page {
        items: items(&members, key)?,
        next,
    })
}

fn items<T: Item>(members: &Members<'_>, key: &str) -> Result<Vec<T>, Error> {
    let invalid = || Error::InvalidResponse { what: T::WHAT };
    let list = members.get(key).ok_or_else(invalid)?;
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| invalid())?;
    list.into_iter()
        .map(|raw| T::read(raw).map_err(|_| invalid()))
        .collect()
}

/// The cursor of the next page. If there is more but no cursor, that is an error and not the end.
fn next(members: &Members<'_>, direction: Direction) -> Result<Option<Cursor>, Error> {
    let meta: Meta = member(members, "meta")?;
    let links: Links = member(members, "links")?;
    if meta.has_more == Some(false) {
        return Ok(None);
    }
    let (cursor, link) = match direction {
        Direction::Forwards => (meta.after_cursor, links.next),
        Direction::Backwards => (meta.before_cursor, links.prev),
    };
    let cursor = cursor.or_else(|| cursor_of(&link?, direction));
    if meta.has_more == Some(true) && cursor.is_none() {
        return Err(Error::InvalidResponse {
            what: "next cursor",
        });
    }
    Ok(cursor)
}

/// The cursor in a link. The link itself is never followed, because it is a URL from outside.
fn cursor_of(link: &str, direction: Direction) -> Option<Cursor> {
    let (_, query) = link.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == direction.parameter())
        .and_then(|(_, cursor)| cursor.parse().ok())
}

impl Direction {
    /// The query parameter that asks for the page at a cursor.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Forwards => "page[after]",
            Self::Backwards => "page[before]",
        }
    }
}

fn member<T>(members: &Members<'_>, key: &'static str) -> Result<T, Error>
where
    T: Default + for<'de> Deserialize<'de>,
{
    match members.get(key) {
        None => Ok(T::default()),
        Some(raw) => serde_json::from_str::<Option<T>>(raw.get())
            .map(Option::unwrap_or_default)
            .map_err(|_| Error::InvalidResponse { what: key }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model::{Message, User};
    use super::*;

    fn next_of(direction: Direction, meta: &Value, links: &Value) -> Result<Option<String>, Error> {
        let body = json!({"messages": [], "meta": meta, "links": links}).to_string();
        let page = page::<Message>(body.as_bytes(), "messages", direction, None)?;
        Ok(page.next.map(String::from))
    }

    const LOST: Error = Error::InvalidResponse {
        what: "next cursor",
    };

    #[test]
    fn each_direction_has_its_cursor() {
        let meta = json!({"hasMore": true, "afterCursor": "a", "beforeCursor": "b"});
        let after = next_of(Direction::Forwards, &meta, &Value::Null);
        assert_eq!(after, Ok(Some("a".to_owned())));
        let before = next_of(Direction::Backwards, &meta, &Value::Null);
        assert_eq!(before, Ok(Some("b".to_owned())));
    }

    #[test]
    fn a_cursor_is_also_read_from_a_link() {
        let meta = json!({"hasMore": true});
        let links = json!({
            "next": "https://a.example/x?page[after]=a%2B&z=1",
            "prev": "https://a.example/x?y=1&page%5Bbefore%5D=b",
        });
        let after = next_of(Direction::Forwards, &meta, &links);
        assert_eq!(after, Ok(Some("a+".to_owned())));
        let before = next_of(Direction::Backwards, &meta, &links);
        assert_eq!(before, Ok(Some("b".to_owned())));
        let other_way = json!({"next": "https://a.example/x?page[before]=a"});
        assert_eq!(next_of(Direction::Forwards, &meta, &other_way), Err(LOST));
    }

    #[test]
    fn a_missing_cursor_is_the_end_only_if_there_is_no_more() {
        let end = json!({"hasMore": false, "beforeCursor": "b"});
        assert_eq!(next_of(Direction::Backwards, &end, &Value::Null), Ok(None));
        assert_eq!(
            next_of(Direction::Backwards, &Value::Null, &Value::Null),
            Ok(None)
        );
        for meta in [
            json!({"hasMore": true}),
            json!({"hasMore": true, "beforeCursor": null}),
            json!({"hasMore": true, "afterCursor": "a"}),
        ] {
            assert_eq!(
                next_of(Direction::Backwards, &meta, &Value::Null),
                Err(LOST)
            );
        }
        for meta in [
            json!({"hasMore": "true"}),
            json!({"beforeCursor": ""}),
            json!(1),
        ] {
            let invalid = Err(Error::InvalidResponse { what: "meta" });
            assert_eq!(next_of(Direction::Backwards, &meta, &Value::Null), invalid);
        }
    }

    #[test]
    fn a_page_that_repeats_is_an_error() {
        let body = json!({"messages": [], "meta": {"hasMore": true, "beforeCursor": "b"}});
        let body = body.to_string();
        let again = "b".parse().unwrap();
        let page = page::<Message>(
            body.as_bytes(),
            "messages",
            Direction::Backwards,
            Some(&again),
        );
        assert_eq!(page.unwrap_err(), LOST);
    }

    #[test]
    fn an_incomplete_list_of_users_is_an_error() {
        let read =
            |body: Value| list::<User>(body.to_string().as_bytes(), "users").map(|l| l.len());
        assert_eq!(read(json!({"users": []})), Ok(0));
        assert_eq!(
            read(json!({"users": [], "meta": {"hasMore": false}})),
            Ok(0)
        );
        assert!(read(json!({"users": [], "meta": {"hasMore": true}})).is_err());
        assert!(read(json!({})).is_err());
        assert!(read(json!({"users": null})).is_err());
        assert!(read(json!({"users": [{"id": ".."}]})).is_err());
    }
}
