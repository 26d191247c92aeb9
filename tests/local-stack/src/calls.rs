//! Records every request between the page, the functions and their backends, so that the page can
//! draw them. Tokens are decoded, and secrets are removed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use crate::issuer::keys::{claims_of, header_of};
use harness::serve::Forward;

/// A sender or receiver of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The page in the browser.
    Page,
    /// The company's login.
    Login,
    /// The functions.
    Functions,
    /// Secrets Manager, DynamoDB and S3.
    Aws,
    /// Zendesk: its SDK, its API and its webhooks.
    Zendesk,
    /// Puzzel.
    Puzzel,
}

/// One request and its response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The number of the call, from 1.
    pub number: u64,
    /// The sender.
    pub from: Party,
    /// The receiver.
    pub to: Party,
    /// Method and path, or the name of an operation.
    pub title: String,
    /// The time, in milliseconds since the start.
    pub at: f64,
    /// The time until the response, in milliseconds; `None` while it is pending.
    pub took: Option<f64>,
    /// The status of the response.
    pub status: Option<u16>,
    /// The request.
    pub request: Value,
    /// The response.
    pub response: Value,
    /// Increases with each change, so that a reader can ask for the changes only.
    #[serde(skip)]
    change: u64,
}

/// Maximum number of calls kept.
const KEPT: usize = 500;
/// The limit for a shown body: of a larger one, only the size is shown.
const SHOWN: usize = 32 << 10;
/// Larger bodies are refused, as by the embedded AWS.
pub const LARGEST_BODY: usize = 64 << 20;
/// Fields that are never shown, in bodies and in queries. A JWT in them is decoded instead.
const HIDDEN: [&str; 6] = [
    "SecretString",
    "codeVerifier",
    "codeChallenge",
    "secret",
    "userInfoId",
    "visitorToken",
];

/// The calls of one stack.
#[derive(Clone, Default)]
pub struct Calls {
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    start: Instant,
    made: u64,
    changes: u64,
    calls: VecDeque<Call>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            made: 0,
            changes: 0,
            calls: VecDeque::new(),
        }
    }
}

impl Calls {
    /// Forwards a request, returns the response, and records both.
    pub async fn relay(
        &self,
        from: Party,
        to: Party,
        target: &Forward,
        request: Request<Body>,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let operation = parts.headers.get("x-amz-target");
        let operation = operation.and_then(|it| it.to_str().ok()?.split('.').next_back());
        let title = operation.map_or_else(
            || format!("{} {}", parts.method, shown_target(&parts.uri)),
            str::to_owned,
        );
        let number = self.asked(from, to, title, shown_request(&parts.headers, &body));
        let response = target
            .send(Request::from_parts(parts, Body::from(body)))
            .await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
        self.answered(number, parts.status.as_u16(), shown_body(&body));
        Response::from_parts(parts, Body::from(body))
    }

    /// Records a call that is not an HTTP request. Pass the number to [`Calls::answered`].
    pub fn asked(&self, from: Party, to: Party, title: String, request: Value) -> u64 {
        let mut kept = self.kept();
        kept.made += 1;
        kept.changes += 1;
        let call = Call {
            number: kept.made,
            from,
            to,
            title,
            at: kept.start.elapsed().as_secs_f64() * 1000.0,
            took: None,
            status: None,
            request,
            response: Value::Null,
            change: kept.changes,
        };
        if kept.calls.len() == KEPT {
            kept.calls.pop_front();
        }
        kept.calls.push_back(call);
        kept.made
    }

    /// Records the outcome of a call.
    pub fn answered(&self, number: u64, status: u16, response: Value) {
        let mut kept = self.kept();
        kept.changes += 1;
        let (now, change) = (kept.start.elapsed().as_secs_f64() * 1000.0, kept.changes);
        let call = kept.calls.iter_mut().rfind(|call| call.number == number);
        if let Some(call) = call {
            call.took = Some(now - call.at);
            call.status = Some(status);
            call.response = response;
            call.change = change;
        }
    }

    /// The calls that are new or changed since `version`, which is taken from an earlier result.
    pub fn since(&self, version: u64) -> Value {
        let kept = self.kept();
        let new: Vec<&Call> = kept
            .calls
            .iter()
            .filter(|call| call.change > version)
            .collect();
        json!({ "version": kept.changes, "calls": new })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown_target(uri: &axum::http::Uri) -> String {
    let Some(query) = uri.query() else {
        return uri.path().to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if HIDDEN.contains(&name) => format!("{name}=(hidden)"),
        _ => pair.to_owned(),
    });
    let query: Vec<String> = pairs.collect();
    format!("{}?{}", uri.path(), query.join("&"))
}

fn shown_request(headers: &HeaderMap, body: &Bytes) -> Value {
    let authorization = headers.get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|it| it.to_str().ok()?.split_once(' '));
    match authorization {
        None => shown_body(body),
        Some((scheme, credentials)) => json!({
            "authorization": { scheme: decoded(credentials).unwrap_or(json!("(hidden)")) },
            "body": shown_body(body),
        }),
    }
}

fn shown_body(body: &Bytes) -> Value {
    match serde_json::from_slice(body) {
        _ if body.is_empty() => Value::Null,
        Ok(value) if body.len() <= SHOWN => shown(value),
        _ => json!(format!("({} bytes)", body.len())),
    }
}

fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => decoded(&text).unwrap_or(Value::String(text)),
        Value::Array(list) => list.into_iter().map(shown).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let is_hidden = HIDDEN.contains(&name.as_str());
                let value = if is_hidden {
                    json!("(hidden)")
                } else {
                    shown(value)
                };
                (name, value)
            })
            .collect(),
        other => other,
    }
}

/// A token's header and claims, without the signature that makes it valid.
fn decoded(text: &str) -> Option<Value> {
    if text.split('.').count() != 3 {
        return None;
    }
    let (header, claims) = (header_of(text)?, claims_of(text)?);
    Some(json!({ "header": header, "claims": claims, "signature": "(hidden)" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::keys::hs256;

    #[test]
    fn tokens_are_decoded_and_secrets_are_hidden() {
        let token = hs256(b"secret", &json!({"alg": "HS256"}), &json!({"sub": "1"}));
        let body = json!({"token": token, "list": [{"codeVerifier": "canary"}],
            "SecretString": "{\"keys\":\"canary\"}", "email": "ada@example.com"});
        let body = shown_body(&Bytes::from(body.to_string()));
        assert_eq!(body["token"]["claims"], json!({"sub": "1"}));
        assert_eq!(body["email"], "ada@example.com");
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Basic canary".parse().unwrap());
        let request = shown_request(&headers, &Bytes::new());
        let target = shown_target(&"/a?userInfoId=canary&b=c".parse().unwrap());
        assert_eq!(target, "/a?userInfoId=(hidden)&b=c");
        let all = format!("{body}{request}{target}");
        let signature = token.rsplit('.').next().unwrap();
        assert!(!all.contains("canary") && !all.contains(signature), "{all}");
    }

    #[test]
    fn only_new_and_changed_calls_are_returned() {
        let calls = Calls::default();
        let number = calls.asked(Party::Page, Party::Login, "POST /token".into(), Value::Null);
        let first = calls.since(0);
        assert_eq!(first["calls"].as_array().unwrap().len(), 1);
        let version = first["version"].as_u64().unwrap();
        assert_eq!(calls.since(version)["calls"], json!([]));
        calls.answered(number, 200, Value::Null);
        assert_eq!(calls.since(version)["calls"][0]["status"], 200);
    }
}
