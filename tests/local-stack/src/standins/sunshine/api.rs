//! Dispatches the calls of the v2 API, and the one call of v1.1 that is used, after checking the
//! API key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::call::Call;
use super::calls;
use super::error::error;
use super::state::State;
use crate::standins::http::{Request, Response};
use crate::standins::path::Path;

/// Maximum bytes of a request body.
const BODY: usize = 100_000;

/// Responds to a call of the API, and records the path of every other request.
pub(super) fn respond(state: &mut State, base_path: &str, request: &Request) -> Response {
    let path = Path::resolve(request.path());
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let base: Vec<&str> = base_path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let inside = match segments.strip_prefix(base.as_slice()) {
        Some([version @ ("v2" | "v1.1"), "apps", app, inside @ ..]) if *app == state.app_id => {
            Some((*version, inside))
        }
        _ => None,
    };
    let call = inside.and_then(|(version, inside)| Call::parse(version, &request.method, inside));
    if path.crooked || call.is_none() {
        state.strays.push(request.line.clone());
    }
    if let Some(refusal) = refuse(state, request) {
        return refusal;
    }
    match (inside, call) {
        (Some(_), _) if state.app_deleted => error(404, "app_not_found", "App not found"),
        (None, _) => error(404, "app_not_found", "App not found"),
        // A real integration key is not allowed to do this; the worst case teaches more.
        (Some((_, [])), None) if request.method == "DELETE" => {
            state.app_deleted = true;
            Response::json(200, &json!({}))
        }
        (Some(_), None) => error(404, "not_found", "Resource not found"),
        (Some(_), Some(call)) => {
            calls::respond(state, &call, request).unwrap_or_else(|refusal| refusal)
        }
    }
}

fn refuse(state: &mut State, request: &Request) -> Option<Response> {
    if let Err(retry_after) = state.within_the_rate() {
        let busy = error(429, "too_many_requests", "Too many requests");
        return Some(match retry_after {
            Some(value) => busy.with_header("retry-after", value),
            None => busy,
        });
    }
    if !authorized(state, request) {
        return Some(error(401, "unauthorized", "Authorization is required"));
    }
    if request.body.len() > BODY {
        return Some(error(
            413,
            "request_entity_too_large",
            "Request body is too large",
        ));
    }
    let json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    (!request.body.is_empty() && !json)
        .then(|| error(415, "unsupported_media_type", "Content type must be JSON"))
}

fn authorized(state: &State, request: &Request) -> bool {
    let key = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "));
    let key = key.and_then(|key| String::from_utf8(STANDARD.decode(key).ok()?).ok());
    key.as_deref()
        .and_then(|key| key.split_once(':'))
        .is_some_and(|(id, secret)| {
            state
                .integration_keys
                .get(id)
                .is_some_and(|kept| kept == secret)
        })
}
