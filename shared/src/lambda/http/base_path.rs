//! `BASE_PATH`: the path under which a domain has this API.

use std::str::FromStr;

use crate::lambda::config::{ConfigError, Variables};

/// A prefix that is removed from every path before routing: the mapping of a custom domain, the
/// behaviour of a `CloudFront` distribution, or the rule of a load balancer. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// The text is not a base path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidBasePath;

impl BasePath {
    /// Reads `BASE_PATH`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        variables.or(
            "BASE_PATH",
            Self::default(),
            "a path such as /chat, which begins with a slash and does not end with one",
        )
    }

    /// `path` without the prefix. A path without it stays unchanged.
    pub fn strip<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(self.0.as_str())
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path)
    }
}

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    fn from_str(path: &str) -> Result<Self, InvalidBasePath> {
        let segments = path.strip_prefix('/').ok_or(InvalidBasePath)?;
        let is_plain = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && !segment
                    .contains(|c: char| c.is_control() || c.is_whitespace() || "?#\\".contains(c))
        };
        if !segments.split('/').all(is_plain) {
            return Err(InvalidBasePath);
        }
        Ok(Self(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_removed_as_whole_segments() {
        let base: BasePath = "/api/chat".parse().unwrap();
        for (path, rest) in [
            ("/api/chat/zendesk/token", "/zendesk/token"),
            ("/zendesk/token", "/zendesk/token"),
            (
                "/api/chat/api/chat/zendesk/token",
                "/api/chat/zendesk/token",
            ),
            ("/api/chatter/zendesk/token", "/api/chatter/zendesk/token"),
            ("/api/chat", "/api/chat"),
            ("/API/chat/zendesk/token", "/API/chat/zendesk/token"),
        ] {
            assert_eq!(base.strip(path), rest, "{path}");
        }
        assert_eq!(
            BasePath::default().strip("/zendesk/token"),
            "/zendesk/token"
        );
    }

    #[test]
    fn a_base_path_begins_with_a_slash_and_does_not_end_with_one() {
        for wrong in [
            "chat", "/", "/chat/", "//chat", "/a//b", "/..", "/a b", "/a?b", "/a#b",
        ] {
            let variables = [("BASE_PATH", wrong)].into_iter().collect();
            let error = BasePath::from_variables(&variables)
                .unwrap_err()
                .to_string();
            let expected = format!("BASE_PATH holds {wrong:?}; it must hold a path such as /chat");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
