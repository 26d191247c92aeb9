//! The pattern that selects the requests of a fault or a hold.

use serde::{Deserialize, Serialize};

/// A method and a path, as in `DELETE **/users/*`: the method or `*`, then the raw path, in which
/// `*` matches any characters except `/`, and `**` matches any characters. A method alone matches
/// any path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Pattern {
    /// Whether it matches a request with this method and raw path.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        let (wanted, glob) = self.0.split_once(' ').unwrap_or((&self.0, "**"));
        (wanted == "*" || wanted == method) && matches(glob, path)
    }
}

fn matches(glob: &str, path: &str) -> bool {
    if let Some(rest) = glob.strip_prefix("**") {
        return path
            .char_indices()
            .any(|(at, _)| matches(rest, path.get(at..).unwrap_or_default()))
            || matches(rest, "");
    }
    if let Some(rest) = glob.strip_prefix('*') {
        let end = path.find('/').unwrap_or(path.len());
        return (0..=end).any(|at| path.get(at..).is_some_and(|left| matches(rest, left)));
    }
    match (glob.chars().next(), path.chars().next()) {
        (None, None) => true,
        (Some(wanted), Some(found)) if wanted == found => matches(
            glob.get(wanted.len_utf8()..).unwrap_or_default(),
            path.get(found.len_utf8()..).unwrap_or_default(),
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_segment_and_two_do_not() {
        for (pattern, method, path, expected) in [
            ("DELETE **/users/*", "DELETE", "/sc/v2/apps/a/users/1", true),
            (
                "DELETE **/users/*",
                "DELETE",
                "/sc/v2/apps/a/users/1/personalinformation",
                false,
            ),
            ("DELETE **/users/*", "GET", "/sc/v2/apps/a/users/1", false),
            (
                "* /v2/apps/*/users/**",
                "PATCH",
                "/v2/apps/a/users/1/x/y",
                true,
            ),
            (
                "* /v2/apps/*/users/**",
                "PATCH",
                "/v2/apps/a/b/users/1",
                false,
            ),
            ("GET", "GET", "/anything/at/all", true),
            ("GET **", "GET", "", true),
            ("* /a*c", "GET", "/abbc", true),
            ("* /a*c", "GET", "/abbcd", false),
        ] {
            assert_eq!(
                Pattern::from(pattern).matches(method, path),
                expected,
                "{pattern} on {method} {path}"
            );
        }
    }
}
