//! Resolves the path of a request in the way that the proxies in front of a real service do.

use percent_encoding::percent_decode_str;

/// A path without its dot segments.
pub(super) struct Path {
    /// The segments, decoded once.
    pub(super) segments: Vec<String>,
    /// Whether it names another path than the one it spells: it has dot segments, encoded or not,
    /// empty segments, or a trailing slash.
    pub(super) crooked: bool,
}

impl Path {
    /// Resolves the raw path as RFC 3986 5.2.4 does, `%2e` being a dot.
    pub(super) fn resolve(raw: &str) -> Self {
        let mut segments = Vec::new();
        let mut crooked = false;
        for segment in raw.strip_prefix('/').unwrap_or(raw).split('/') {
            let decoded = percent_decode_str(segment).decode_utf8_lossy().into_owned();
            match decoded.as_str() {
                "" | "." => crooked = true,
                ".." => {
                    crooked = true;
                    segments.pop();
                }
                _ => segments.push(decoded),
            }
        }
        Self { segments, crooked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_climb_in_every_spelling() {
        for (raw, segments, crooked) in [
            (
                "/v2/apps/a/users/1",
                &["v2", "apps", "a", "users", "1"][..],
                false,
            ),
            (
                "/v2/apps/a/users/a%2Fb",
                &["v2", "apps", "a", "users", "a/b"],
                false,
            ),
            ("/v2/apps/a/users/..", &["v2", "apps", "a"], true),
            ("/v2/apps/a/users/%2E%2e", &["v2", "apps", "a"], true),
            ("/v2/apps/a/users/.%2e/", &["v2", "apps", "a"], true),
            (
                "/v2/apps/a/users/%252e%252e",
                &["v2", "apps", "a", "users", "%2e%2e"],
                false,
            ),
            ("/v2/apps/a/", &["v2", "apps", "a"], true),
            ("/v2//apps/./a", &["v2", "apps", "a"], true),
        ] {
            let path = Path::resolve(raw);
            assert_eq!(
                (path.segments, path.crooked),
                (segments.iter().map(ToString::to_string).collect(), crooked),
                "{raw}"
            );
        }
    }
}
