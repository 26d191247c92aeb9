//! The three routes, and the ids in their paths.

use std::borrow::Cow;
use std::str::FromStr;

use http::Method;
use percent_encoding::percent_decode_str;
use shared::id::InvalidId;
use shared::lambda::http::{Request, not_found};
use shared::lambda::problem::{Code, Problem};

/// A route, with its parameters as they appear in the path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `POST /puzzel/identity`
    Exchange,
    /// `POST /puzzel/conversations/{conversationId}/route/{queueKey}`
    StartChat {
        conversation: &'a str,
        queue: &'a str,
    },
    /// `PUT /puzzel/conversations/{conversationId}/identity`
    SetIdentity { conversation: &'a str },
}

impl<'a> Route<'a> {
    /// The route of `request`: 404 if no path matches, 405 if only the method does not.
    pub(crate) fn of(request: &'a Request) -> Result<Self, Problem> {
        let route = Self::of_path(&request.path).ok_or_else(not_found)?;
        request.check_method(match route {
            Self::Exchange | Self::StartChat { .. } => &Method::POST,
            Self::SetIdentity { .. } => &Method::PUT,
        })?;
        Ok(route)
    }

    /// A parameter that contains a slash makes an invalid id and not another path, since API
    /// Gateway may already have decoded the path.
    fn of_path(path: &'a str) -> Option<Self> {
        if path == "/puzzel/identity" {
            return Some(Self::Exchange);
        }
        let rest = path.strip_prefix("/puzzel/conversations/")?;
        if let Some((conversation, queue)) = rest.split_once("/route/") {
            return Some(Self::StartChat {
                conversation,
                queue,
            });
        }
        rest.strip_suffix("/identity")
            .map(|conversation| Self::SetIdentity { conversation })
    }
}

/// The id in the path parameter `name`: the event's value, else `encoded`, decoded once.
pub(crate) fn parameter<T: FromStr<Err = InvalidId>>(
    request: &Request,
    name: &'static str,
    encoded: &str,
) -> Result<T, Problem> {
    let decoded = match request.path_parameters.get(name) {
        Some(value) => Some(Cow::Borrowed(value.as_str())),
        None => percent_decode_str(encoded).decode_utf8().ok(),
    };
    decoded
        .ok_or(InvalidId("percent-encoded UTF-8"))
        .and_then(|value| value.parse())
        .map_err(|error| Problem::new(Code::InvalidRequest, format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_their_routes() {
        let start = |conversation, queue| {
            Some(Route::StartChat {
                conversation,
                queue,
            })
        };
        for (path, route) in [
            ("/puzzel/identity", Some(Route::Exchange)),
            ("/puzzel/conversations/c1/route/q%201", start("c1", "q%201")),
            ("/puzzel/conversations/c1/route/a/b", start("c1", "a/b")),
            ("/puzzel/conversations/c1/route/", start("c1", "")),
            (
                "/puzzel/conversations/c1/identity",
                Some(Route::SetIdentity { conversation: "c1" }),
            ),
            ("/puzzel/identity/", None),
            ("/puzzel/conversations/c1/route", None),
            ("/puzzel/conversations/identity", None),
            ("/puzzel/conversations/c1", None),
            ("/zendesk/token", None),
            ("", None),
        ] {
            assert_eq!(Route::of_path(path), route, "{path}");
        }
    }
}
