//! The local address: serves the page, the functions under their public routes, and the routes that
//! the page needs from the stack.

use std::path::{Component, Path, PathBuf};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};

use serde_json::json;

use crate::calls::{LARGEST_BODY, Party};
use crate::cors;
use crate::local::{self, Local};

/// The paths of the functions, and the party that calls each.
const ROUTES: [(&str, Party); 4] = [
    ("/zendesk/token", Party::Page),
    ("/zendesk/conflicts", Party::Page),
    ("/webhooks/zendesk", Party::Zendesk),
    ("/puzzel/identity", Party::Page),
];
/// The routes with parameters, which the function itself reads.
const CONVERSATIONS: &str = "/puzzel/conversations/";
/// Other paths in these folders get API Gateway's response; everything else is a file.
const FOLDERS: [&str; 3] = ["/zendesk/", "/webhooks/", "/puzzel/"];

/// Allows the page to load its own files and to send requests to this address.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

#[derive(Clone)]
struct Front {
    local: Local,
    web: PathBuf,
}

/// Serves the files in `web` and the page's own routes, and forwards the product's routes to the
/// functions.
pub fn router(local: Local, web: PathBuf) -> Router {
    let routes = local::router(local.clone());
    Router::new()
        .fallback(serve)
        .with_state(Front { local, web })
        .merge(routes)
}

async fn serve(State(front): State<Front>, request: Request) -> Response {
    let path = request.uri().path();
    if FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return forward(&front.local, request).await;
    }
    let Some(file) = file(&front.web, path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::fs::read(&file).await {
        Ok(bytes) => {
            let kind = HeaderValue::from_static(content_type(&file));
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::CONTENT_SECURITY_POLICY, POLICY),
            ];
            (headers, bytes).into_response()
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Sends a request to the functions, as API Gateway would.
async fn forward(local: &Local, request: Request) -> Response {
    if let Some(preflight) = cors::preflight(&request) {
        return preflight;
    }
    let origin = cors::origin(request.headers());
    let mut response = if let Some(from) = party(request.uri().path()) {
        match as_text(request).await {
            Ok(request) => as_api_gateway(local.ask_functions(from, request).await),
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        }
    } else {
        let refusal = json!({"message": "Not Found"});
        (StatusCode::NOT_FOUND, Json(refusal)).into_response()
    };
    if let Some(origin) = origin {
        cors::allow(&mut response, origin);
    }
    response
}

/// Replaces invalid UTF-8 in a body, because a text in an event cannot contain other bytes.
/// cargo-lambda itself would respond with 500, without asking the function.
async fn as_text(request: Request) -> Result<Request, axum::Error> {
    let (mut parts, body) = request.into_parts();
    let bytes = to_bytes(body, LARGEST_BODY).await?;
    // Bodies of other content types are sent to the function as base64.
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let is_text = kind.is_none_or(|kind| {
        kind.as_bytes().starts_with(b"text/") || kind.as_bytes().starts_with(b"application/json")
    });
    if !is_text || std::str::from_utf8(&bytes).is_ok() {
        return Ok(Request::from_parts(parts, Body::from(bytes)));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Request::from_parts(parts, Body::from(text)))
}

/// Puts cargo-lambda's own failures into API Gateway's form.
fn as_api_gateway(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/"));
    if response.status() != StatusCode::INTERNAL_SERVER_ERROR || is_json {
        return response;
    }
    let failure = json!({"message": "Internal Server Error"});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(failure)).into_response()
}

/// The sender of requests to a path, if the path is a route.
fn party(path: &str) -> Option<Party> {
    if path.starts_with(CONVERSATIONS) {
        return Some(Party::Page);
    }
    let route = ROUTES.iter().find(|(route, _)| path == *route);
    route.map(|(_, party)| *party)
}

/// The file for a path, unless the path leads out of the folder. Percent-encoded paths are not
/// decoded, since no file here needs it.
fn file(web: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.strip_prefix('/')?);
    let inside = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let index = path.ends_with('/').then_some("index.html");
    inside.then(|| match index {
        Some(index) => web.join(relative).join(index),
        None => web.join(relative),
    })
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routes_go_to_the_functions() {
        assert_eq!(party("/zendesk/token"), Some(Party::Page));
        assert_eq!(party("/webhooks/zendesk"), Some(Party::Zendesk));
        assert_eq!(party("/puzzel/conversations/c/route/q"), Some(Party::Page));
        for none in [
            "/zendesk/token/",
            "/zendesk/",
            "/puzzel/other",
            "/webhooks/zendesk/x",
        ] {
            assert_eq!(party(none), None, "{none}");
        }
    }

    #[tokio::test]
    async fn a_text_is_sent_on_in_utf_8_and_other_bodies_as_they_are() {
        const JSON: Option<&str> = Some("application/json");
        const PDF: Option<&str> = Some("application/pdf");
        for (kind, sent, expected) in [
            (
                JSON,
                &b"{\"a\":\"\xff\"}"[..],
                "{\"a\":\"\u{fffd}\"}".as_bytes(),
            ),
            (None, b"\xff", "\u{fffd}".as_bytes()),
            (JSON, "Å".as_bytes(), "Å".as_bytes()),
            (PDF, b"\xff", b"\xff"),
        ] {
            let mut request = Request::new(Body::from(sent));
            let headers = request.headers_mut();
            headers.insert(header::CONTENT_LENGTH, sent.len().into());
            if let Some(kind) = kind {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            let passed = as_text(request).await.unwrap();
            let length = passed.headers().get(header::CONTENT_LENGTH).cloned();
            let body = to_bytes(passed.into_body(), LARGEST_BODY).await.unwrap();
            assert_eq!(body, expected);
            assert!(length.is_none_or(|length| length == body.len().to_string()));
        }
    }

    #[test]
    fn a_path_stays_in_the_folder() {
        let web = Path::new("web");
        assert_eq!(file(web, "/"), Some("web/index.html".into()));
        assert_eq!(file(web, "/a/b.js"), Some("web/a/b.js".into()));
        for out in ["/../Cargo.toml", "/a/../../x", "//etc/passwd", "x"] {
            assert_eq!(file(web, out), None, "{out}");
        }
    }
}
