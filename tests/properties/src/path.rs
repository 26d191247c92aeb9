//! The URL of a call has exactly the intended segments, below its host and base path.
//!
//! An input is `base|value|segment|segment…`.

use std::fmt::Display;
use std::fmt::Write;

use shared::http::upstream_url::{InvalidPath, UpstreamUrl, endpoint};
use shared::identity::external_id::ExternalId;
use shared::puzzel::{self, CustomerId, QueueKey};
use shared::sunshine::{self, AppId, BrandId, Cursor, LookupExternalId, UserId, ZendeskId};
use url::{Host, Url};

/// Whether the URL could be built.
pub fn check(input: &str) -> bool {
    let mut parts = input.split('|');
    let base = parts.next().unwrap_or_default();
    let value = parts.next().unwrap_or_default();
    let segments: Vec<_> = parts.collect();
    if let Ok(url) = endpoint(base) {
        is_safe(&url);
    }
    for text in segments.iter().chain([&value]) {
        ids(text);
    }
    join(base, &segments, value)
}

/// Whether a URL could be built from `segments` and the query `q=value` below `base`.
pub fn join(base: &str, segments: &[&str], value: &str) -> bool {
    let Ok(upstream) = base.parse::<UpstreamUrl>() else {
        return false;
    };
    let parsed = Url::parse(base).expect("a base URL is a URL");
    is_safe(&parsed);

    let is_dots = |it: &&str| matches!(*it, "" | "." | "..");
    let is_control = |it: &&str| it.chars().any(char::is_control);
    let url = match upstream.join(segments, &[("q", value)]) {
        Ok(url) => url,
        Err(InvalidPath::Segment) => {
            assert!(segments.iter().any(is_dots));
            return false;
        }
        Err(InvalidPath::ControlCharacter) => {
            assert!(segments.iter().chain([&value]).any(is_control));
            return false;
        }
        Err(InvalidPath::Changed) => panic!("{base:?} {segments:?}: changed by the parser"),
    };
    assert!(!segments.iter().any(is_dots));

    let mut path = parsed.path().trim_end_matches('/').to_owned();
    for segment in segments {
        path.push('/');
        path.push_str(&encoded(segment));
    }
    if path.is_empty() {
        path.push('/');
    }
    assert_eq!(url.path(), path);
    assert_eq!(url.query(), Some(format!("q={}", encoded(value)).as_str()));
    assert_eq!(url.origin(), parsed.origin());
    is_safe(&url);
    assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(&url), "read again");
    true
}

/// Nothing is sent in plain text except to this machine, and no URL contains credentials.
fn is_safe(url: &Url) {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    assert!(
        url.scheme() == "https" || (url.scheme() == "http" && is_loopback),
        "{url}"
    );
    assert_eq!((url.username(), url.password()), ("", None), "{url}");
    assert_eq!(url.fragment(), None, "{url}");
}

/// Percent-encodes everything except the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    encoded
}

/// Whether `text` is an id of any type. Each type keeps it unchanged, and it is one segment of a
/// path.
pub fn ids(text: &str) -> bool {
    fn of_word<T: std::str::FromStr + Display>(text: &str) -> bool {
        let Ok(id) = text.parse::<T>() else {
            return false;
        };
        assert_eq!(id.to_string(), text);
        assert_eq!(encoded(text), text, "a word needs no encoding");
        assert!(!text.contains('.'));
        true
    }
    let words = [
        of_word::<AppId>(text),
        of_word::<UserId>(text),
        of_word::<ZendeskId>(text),
        of_word::<BrandId>(text),
        of_word::<sunshine::ConversationId>(text),
    ];
    let ids = [
        (text
            .parse::<puzzel::ChatId>()
            .map(|it| it.as_str().to_owned()))
        .ok(),
        (text.parse::<CustomerId>().map(|it| it.as_str().to_owned())).ok(),
        (text.parse::<QueueKey>().map(|it| it.as_str().to_owned())).ok(),
        (text
            .parse::<LookupExternalId>()
            .map(|it| it.as_str().to_owned()))
        .ok(),
        (ExternalId::try_from(text.to_owned()).map(|it| it.as_str().to_owned())).ok(),
    ];
    for id in ids.iter().flatten() {
        assert_eq!(id, text);
        assert!(join("https://a.example/sc", &["users", id, "sync"], id));
    }
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert!(join("https://a.example", &["users"], cursor.as_str()));
    }
    words.contains(&true) || ids.iter().any(Option::is_some)
}
