//! A request, read from an event.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use lambda_runtime::Error;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::EventKind;
use super::event::Event;
use crate::lambda::deadline::Deadline;
use crate::lambda::problem::{Code, Problem};

/// Maximum bytes of a request's body.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// A request as the handlers see it.
pub struct Request {
    /// The form of the event that carried it.
    pub kind: EventKind,
    /// The method.
    pub method: Method,
    /// The path, without the stage and the base path.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The path parameters if the event has them, decoded.
    pub path_parameters: HashMap<String, String>,
    /// The result of API Gateway's authorizer, as JSON.
    pub authorizer: Option<Box<RawValue>>,
    /// The id of the invocation.
    pub id: String,
    /// The instant by which the handler must be done.
    pub deadline: Deadline,
    body: Option<String>,
    is_base64_encoded: bool,
}

impl Request {
    /// Checks that the request is for this method and path: 404 for another path, 405 for another
    /// method.
    pub fn check_route(&self, method: &Method, path: &str) -> Result<(), Problem> {
        if self.path != path {
            return Err(not_found());
        }
        self.check_method(method)
    }

    /// Checks the method: 405 for another one.
    pub fn check_method(&self, method: &Method) -> Result<(), Problem> {
        if self.method == method {
            return Ok(());
        }
        let mut problem = Problem::new(
            Code::MethodNotAllowed,
            format!("this path accepts {method} only"),
        );
        problem.allow = Some(match *method {
            Method::PUT => "PUT",
            _ => "POST",
        });
        Err(problem)
    }

    /// The body's bytes: 400 if it is declared as base64 and is not, 413 if it is too large.
    pub fn body_bytes(&self) -> Result<Vec<u8>, Problem> {
        let body = self.body.as_deref().unwrap_or_default();
        // Base64 takes four characters for three bytes, so a longer text need not be decoded.
        if body.len() > MAX_BODY_BYTES.div_ceil(3) * 4 {
            return Err(too_large());
        }
        let bytes = if self.is_base64_encoded {
            BASE64.decode(body).map_err(|_| {
                Problem::new(
                    Code::InvalidRequest,
                    "the body is declared as base64, but is not",
                )
            })?
        } else {
            body.as_bytes().to_vec()
        };
        if bytes.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        Ok(bytes)
    }

    /// The JSON object in the body; `T::default()` without a body. `takes` says in words what the
    /// body may be, for the error if it is anything else.
    pub fn json<T: DeserializeOwned + Default>(&self, takes: &'static str) -> Result<T, Problem> {
        let bytes = self.body_bytes()?;
        if bytes.is_empty() {
            return Ok(T::default());
        }
        if let Some(media_type) = self.headers.get(CONTENT_TYPE)
            && !is_json(media_type)
        {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "send the body as application/json",
            ));
        }
        // serde would also read a struct from an array, which is not documented.
        let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
        let parsed = is_object.then(|| serde_json::from_slice(&bytes).ok());
        parsed
            .flatten()
            .ok_or_else(|| Problem::new(Code::InvalidRequest, format!("the body must be {takes}")))
    }

    /// Whether the request declares itself as JSON, with or without a body.
    pub fn says_json(&self) -> bool {
        self.headers.get(CONTENT_TYPE).is_some_and(is_json)
    }

    /// Reads an event. A problem if it is an HTTP event that cannot be read; an error if it is not
    /// an HTTP event.
    ///
    /// The request does not have its id, deadline and final path yet:
    /// [`respond`](super::respond) adds those of the invocation.
    pub fn from_event(event: &str) -> Result<Result<Self, Problem>, Error> {
        if let Ok(read) = serde_json::from_str(event) {
            return Ok(Self::read(read).ok_or_else(unreadable));
        }
        let is_http = serde_json::from_str::<UnreadEvent>(event).is_ok();
        is_http.then(|| Err(unreadable())).ok_or_else(|| {
            "the event is not an HTTP request; invoke this function through its route".into()
        })
    }

    fn read(mut event: Event) -> Option<Self> {
        let kind = event.kind();
        let headers = event.headers()?;
        let context = event.request_context;
        let method = context
            .http
            .map_or(event.http_method, |http| Some(http.method))?;
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let path = if kind == EventKind::V2 {
            event.raw_path
        } else {
            event.path
        };
        let path = path.unwrap_or_default();
        // A REST API puts the stage before `requestContext.path` only, an HTTP API before both.
        let has_stage = kind != EventKind::V1 || context.path.is_none_or(|sent| sent == path);
        let stage = context.stage.filter(|_| has_stage);
        Some(Self {
            kind,
            method,
            path: without_stage(path, stage.as_deref()),
            headers,
            path_parameters: event.path_parameters.unwrap_or_default(),
            authorizer: context.authorizer,
            id: String::new(),
            deadline: Deadline::after(Duration::ZERO),
            body: event.body,
            is_base64_encoded: event.is_base64_encoded.unwrap_or_default(),
        })
    }
}

/// An HTTP event that cannot be read as a whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnreadEvent {
    #[expect(dead_code, reason = "read only to see that it is there")]
    request_context: serde_json::Map<String, serde_json::Value>,
}

fn unreadable() -> Problem {
    Problem::new(Code::InvalidRequest, "the request cannot be read")
}

/// 401: the caller is not known. `cause` goes to the log.
pub fn unauthenticated(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "log in, and send the request with a valid token",
    )
    .because(cause)
}

/// 404: no such path.
pub fn not_found() -> Problem {
    Problem::new(Code::NotFound, "this path does not exist")
}

fn too_large() -> Problem {
    Problem::new(
        Code::PayloadTooLarge,
        format!("the body may have at most {MAX_BODY_BYTES} bytes"),
    )
}

fn is_json(content_type: &HeaderValue) -> bool {
    content_type
        .to_str()
        .ok()
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// An HTTP API puts the name of the stage before the path, unless it is the default stage.
fn without_stage(path: String, stage: Option<&str>) -> String {
    stage
        .filter(|stage| *stage != "$default")
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'))
        .map(ToOwned::to_owned)
        .unwrap_or(path)
}
