//! The base URL of an upstream. This is the only module that builds the URL of a call.
//!
//! URL parsers normalise: `/users/..` and `/users/%2e%2e` name the folder above, and CR, LF and TAB
//! are dropped silently. So ids are encoded first, and a URL from outside is checked for such
//! characters before it is parsed.

use std::net::Ipv4Addr;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use crate::id::{Flaw, check};

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The base URL of an upstream: https, or http on a loopback host, with an optional base path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// Scheme, host and port; its path is `/`.
    origin: Url,
    /// Empty, or `/` and segments without a slash at the end.
    base_path: String,
}

/// The reason why a string is not a base URL. The messages say what it may be and never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUpstreamUrl {
    /// It cannot be parsed.
    #[error("it must be an absolute URL such as https://acme.zendesk.com/sc")]
    NotAUrl,
    /// It would send credentials in plain text, or has another scheme.
    #[error("it must begin with https://, or with http:// on a loopback host")]
    Scheme,
    /// It has a user name or a password.
    #[error("it must not contain credentials")]
    Credentials,
    /// It has a query or a fragment.
    #[error("it must have no query and no fragment")]
    QueryOrFragment,
    /// Its path could be read in more than one way.
    #[error("its path must be made of letters, digits, - . _ and ~, without dot segments")]
    Path,
}

/// The reason why a path cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// A segment is empty, `.` or `..`: it would name another resource.
    #[error("a path segment is empty or a dot segment")]
    Segment,
    /// A segment or a query value has a control character.
    #[error("a path segment or query value has a control character")]
    ControlCharacter,
    /// The parser changed the URL.
    #[error("the URL was changed by its parser")]
    Changed,
}

impl UpstreamUrl {
    /// Whether the upstream is on this machine.
    pub fn is_this_machine(&self) -> bool {
        is_this_machine(&self.origin)
    }

    /// The URL of a call: `segments` below the base path, each fully encoded, and `query`.
    ///
    /// # Errors
    /// If a segment could lead to another path than the intended one.
    pub fn join(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Url, InvalidPath> {
        let mut path = self.base_path.clone();
        for segment in segments {
            if let Err(Flaw::Empty | Flaw::DotSegment) = check(segment, usize::MAX) {
                return Err(InvalidPath::Segment);
            }
            path.push('/');
            path.push_str(&encode(segment)?);
        }
        let pairs: Result<Vec<_>, _> = query
            .iter()
            .map(|(name, value)| Ok(format!("{}={}", encode(name)?, encode(value)?)))
            .collect();
        let query = Some(pairs?.join("&")).filter(|query| !query.is_empty());

        let mut url = self.origin.clone();
        url.set_path(&path);
        url.set_query(query.as_deref());
        let as_written = (url.path() == path || path.is_empty())
            && url.query() == query.as_deref()
            && url.origin() == self.origin.origin();
        as_written.then_some(url).ok_or(InvalidPath::Changed)
    }
}

fn encode(text: &str) -> Result<String, InvalidPath> {
    if text.chars().any(char::is_control) {
        return Err(InvalidPath::ControlCharacter);
    }
    Ok(utf8_percent_encode(text, RESERVED).to_string())
}

/// The whole URL of a call from an upstream's own document: https, or http on a loopback host only,
/// without credentials or a fragment.
pub fn endpoint(text: &str) -> Result<Url, InvalidUpstreamUrl> {
    let altered = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.contains(altered) {
        return Err(InvalidUpstreamUrl::NotAUrl);
    }
    let (scheme, rest) = text.split_once("://").ok_or(InvalidUpstreamUrl::NotAUrl)?;
    let url = Url::parse(text).map_err(|_| InvalidUpstreamUrl::NotAUrl)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    // The parser accepts `https:user@host` and `https:///user@host` as URLs, too.
    if !scheme.eq_ignore_ascii_case(url.scheme()) || authority.is_empty() {
        return Err(InvalidUpstreamUrl::NotAUrl);
    }
    match url.scheme() {
        "https" => {}
        "http" if url.host().as_ref().is_some_and(is_loopback) => {}
        _ => return Err(InvalidUpstreamUrl::Scheme),
    }
    if url.fragment().is_some() {
        return Err(InvalidUpstreamUrl::QueryOrFragment);
    }
    if authority.contains('@') {
        return Err(InvalidUpstreamUrl::Credentials);
    }
    Ok(url)
}

impl FromStr for UpstreamUrl {
    type Err = InvalidUpstreamUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUpstreamUrl> {
        let url = endpoint(text)?;
        if url.query().is_some() {
            return Err(InvalidUpstreamUrl::QueryOrFragment);
        }
        let (_, rest) = text.split_once("://").ok_or(InvalidUpstreamUrl::NotAUrl)?;
        let (_, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let base_path = path.trim_end_matches('/');
        let plain = base_path.split('/').skip(1).all(is_plain_segment);
        if !plain || url.path().trim_end_matches('/') != base_path {
            return Err(InvalidUpstreamUrl::Path);
        }
        let base_path = base_path.to_owned();
        let mut origin = url;
        origin.set_path("");
        Ok(Self { origin, base_path })
    }
}

fn is_plain_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

/// Whether a request to `url` would stay on this machine. That is true for more hosts than those
/// for which plain http is allowed.
pub fn is_this_machine(url: &Url) -> bool {
    let is_this = |address: Ipv4Addr| address.is_loopback() || address.is_unspecified();
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => is_this(address),
        Some(Host::Ipv6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.to_ipv4_mapped().is_some_and(is_this)
        }
        None => false,
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn base(text: &str) -> UpstreamUrl {
        text.parse().unwrap()
    }

    fn joined(text: &str) -> String {
        base(text).join(&["v2", "apps"], &[]).unwrap().to_string()
    }

    #[test]
    fn all_hosts_with_and_without_a_slash() {
        for text in [
            "https://acme.zendesk.com/sc",
            "https://acme.zendesk.com/sc/",
        ] {
            assert_eq!(joined(text), "https://acme.zendesk.com/sc/v2/apps");
        }
        for text in ["https://api.smooch.io", "https://API.smooch.io:443/"] {
            assert_eq!(joined(text), "https://api.smooch.io/v2/apps");
        }
        for origin in [
            "http://127.0.0.1:9000",
            "http://127.8.9.1",
            "http://[::1]:1",
            "http://localhost:1",
        ] {
            assert_eq!(joined(origin), format!("{origin}/v2/apps"));
        }
    }

    #[test]
    fn an_invalid_base_url_is_refused() {
        use InvalidUpstreamUrl as E;
        for (text, why) in [
            ("", E::NotAUrl),
            ("acme.zendesk.com", E::NotAUrl),
            ("https:acme.zendesk.com", E::NotAUrl),
            ("https://acme.zendesk.com\\@evil.example", E::NotAUrl),
            ("https://ac\tme.zendesk.com", E::NotAUrl),
            (" https://acme.zendesk.com", E::NotAUrl),
            ("http://acme.zendesk.com", E::Scheme),
            ("http://localhost.evil.example", E::Scheme),
            ("http://128.0.0.1", E::Scheme),
            ("ftp://127.0.0.1", E::Scheme),
            ("https://user@acme.zendesk.com", E::Credentials),
            ("https://user:pass@acme.zendesk.com", E::Credentials),
            ("https://@acme.zendesk.com", E::Credentials),
            ("https://acme.zendesk.com/sc?a=b", E::QueryOrFragment),
            ("https://acme.zendesk.com?", E::QueryOrFragment),
            ("https://acme.zendesk.com/sc#", E::QueryOrFragment),
            ("https://acme.zendesk.com/a/../sc", E::Path),
            ("https://acme.zendesk.com/%2e%2e/sc", E::Path),
            ("https://acme.zendesk.com/a//sc", E::Path),
            ("https://acme.zendesk.com/s%63", E::Path),
            ("https:///acme.zendesk.com", E::NotAUrl),
            ("https:user@acme.zendesk.com://", E::NotAUrl),
            ("https:///user@acme.zendesk.com", E::NotAUrl),
        ] {
            assert_eq!(text.parse::<UpstreamUrl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn every_spelling_of_this_machine_is_recognised() {
        let is_this = |url: &str| is_this_machine(&Url::parse(url).unwrap());
        for url in [
            "http://127.0.0.1:9001/",
            "https://127.8.9.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
        ] {
            assert!(is_this(url), "{url}");
        }
        for url in [
            "https://128.0.0.1/",
            "https://localhost.example/",
            "https://[::2]/",
        ] {
            assert!(!is_this(url), "{url}");
        }
        assert!(base("http://127.0.0.1:9").is_this_machine());
        assert!(!base("https://a.example").is_this_machine());
    }

    #[test]
    fn a_segment_that_leads_elsewhere_is_refused() {
        for segment in ["", ".", ".."] {
            assert_eq!(
                base("https://a.example").join(&["users", segment], &[]),
                Err(InvalidPath::Segment)
            );
        }
        for segment in ["12\n34", "\r", "a\tb", "a\0b", "a\u{7f}", "a\u{85}"] {
            let refused = Err(InvalidPath::ControlCharacter);
            assert_eq!(base("https://a.example").join(&[segment], &[]), refused);
            assert_eq!(
                base("https://a.example").join(&["a"], &[("b", segment)]),
                refused
            );
        }
    }

    #[test]
    fn everything_else_is_encoded() {
        let url = base("https://a.example/sc").join(
            &["%2e%2e", "a/b", "a\\..\\b", "kø 1", "..."],
            &[
                ("filter[identities.email]", "a+b@c.example"),
                ("x", "1&y=2"),
            ],
        );
        assert_eq!(
            url.unwrap().as_str(),
            "https://a.example/sc/%252e%252e/a%2Fb/a%5C..%5Cb/k%C3%B8%201/...\
             ?filter%5Bidentities.email%5D=a%2Bb%40c.example&x=1%26y%3D2"
        );
    }

    /// Hostile ids: strings of the characters that parsers treat specially, and of any others.
    fn hostile() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just(".".to_owned()),
            Just("..".to_owned()),
            Just("%2e".to_owned()),
            Just("/".to_owned()),
            Just("\\".to_owned()),
            Just("?".to_owned()),
            Just("#".to_owned()),
            Just("@".to_owned()),
            any::<char>().prop_map(String::from),
            "[a-f0-9]{1,3}",
        ];
        proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(42),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_segment_is_preserved_or_refused(segment in hostile(), value in hostile()) {
            let Ok(url) = base("https://a.example/sc").join(&["users", &segment, "sync"], &[("q", &value)]) else {
                let dots = matches!(segment.as_str(), "" | "." | "..");
                prop_assert!(dots || segment.chars().chain(value.chars()).any(char::is_control));
                return Ok(());
            };
            let reparsed = Url::parse(url.as_str()).unwrap();
            prop_assert_eq!(&reparsed, &url);
            let segments: Vec<_> = reparsed.path().split('/').collect();
            prop_assert_eq!(segments.len(), 5);
            let decoded = percent_encoding::percent_decode_str(segments[3]).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), segment.as_str());
            prop_assert_eq!([segments[1], segments[2], segments[4]], ["sc", "users", "sync"]);
            let pairs: Vec<_> = reparsed.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, vec![("q".to_owned(), value)]);
        }
    }
}
