//! Errors of the v2 API.

use serde_json::json;

use crate::standins::http::Response;

/// An error in the format of the contract.
pub(super) fn error(status: u16, code: &str, title: &str) -> Response {
    Response::json(
        status,
        &json!({ "errors": [{ "code": code, "title": title }] }),
    )
}
