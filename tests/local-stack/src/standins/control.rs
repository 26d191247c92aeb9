//! The part of `/_control/` that both stand-ins have:
//!
//! | call under `/_control/` | does |
//! | --- | --- |
//! | `POST faults` with a [`Rule`] | adds it |
//! | `GET faults`, `DELETE faults` | lists, clears them |
//! | `GET requests`, `DELETE requests` | lists the exchanges and counts connections, forgets them |
//! | `POST holds` `{"match", "point", "nth"?}` | stops a request at a point; returns `{"id"}` |
//! | `GET holds/{id}` | returns the exchange once it has reached the point |
//! | `DELETE holds/{id}` | lets it continue |

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::faults::Rule;
use super::http::{Request, Response};
use super::line::Line;
use super::lock::lock;
use super::pattern::Pattern;
use super::traffic::Point;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewHold {
    #[serde(rename = "match")]
    pattern: Pattern,
    point: Point,
    #[serde(default = "next")]
    nth: usize,
}

fn next() -> usize {
    1
}

/// Handles a call; `None` if it is not one of these.
pub(super) async fn respond(line: &Line, what: &str, request: &Request) -> Option<Response> {
    let (kind, id) = what
        .split_once('/')
        .map_or((what, None), |(kind, id)| (kind, Some(id)));
    if let ("holds", Some(id)) = (kind, id) {
        return Some(
            held(line, id, request)
                .await
                .unwrap_or_else(|| Response::empty(404)),
        );
    }
    Some(match (request.method.as_str(), what) {
        ("GET", "faults") => Response::json(200, &line.faults.all()),
        ("POST", "faults") => request.json::<Rule>().map_or_else(invalid, |rule| {
            line.faults.add(rule);
            Response::empty(204)
        }),
        ("DELETE", "faults") => {
            line.faults.clear();
            Response::empty(204)
        }
        ("GET", "requests") => {
            let traffic = json!({ "connections": line.traffic.connections(), "requests": line.traffic.all() });
            Response::json(200, &traffic)
        }
        ("DELETE", "requests") => {
            line.traffic.clear();
            Response::empty(204)
        }
        ("POST", "holds") => request.json::<NewHold>().map_or_else(invalid, |new| {
            let hold = line.traffic.hold(new.pattern, new.nth, new.point);
            let mut holds = lock(&line.holds);
            let id = holds.keys().next_back().map_or(1, |last| last + 1);
            holds.insert(id, Arc::new(hold));
            Response::json(200, &json!({ "id": id }))
        }),
        _ => return None,
    })
}

async fn held(line: &Line, id: &str, request: &Request) -> Option<Response> {
    let id = id.parse().ok()?;
    let hold = lock(&line.holds).get(&id).cloned()?;
    match request.method.as_str() {
        "GET" => Some(Response::json(200, &hold.reached().await?)),
        "DELETE" => {
            hold.release();
            Some(Response::empty(204))
        }
        _ => None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_or_else` wants it")]
fn invalid(error: serde_json::Error) -> Response {
    Response::json(400, &json!({ "error": error.to_string() }))
}
