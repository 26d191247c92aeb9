//! A request, read from an event.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use lambda_http::aws_lambda_events::alb::AlbTargetGroupRequest;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayRequestAuthorizer, ApiGatewayV2httpRequest};
use lambda_runtime::Error;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::lambda::deadline::Deadline;
use crate::lambda::problem::{Code, Problem};

/// The most bytes a request's body may have.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// A request as the handlers see it.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, without the stage.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The path parameters where the event has them, decoded.
    pub path_parameters: HashMap<String, String>,
    /// What API Gateway's authorizer found out.
    pub authorizer: Option<ApiGatewayRequestAuthorizer>,
    /// The id of the invocation.
    pub id: String,
    /// By when the handler must be done.
    pub deadline: Deadline,
    body: Option<String>,
    is_base64_encoded: bool,
}

impl Request {
    /// Checks that the request is for one of `routes`, each a method and a path: 404 where no
    /// path fits, 405 where only the method does not.
    pub fn check_route(&self, method: &Method, path: &str) -> Result<(), Problem> {
        if self.path != path {
            return Err(not_found());
        }
        self.check_method(method)
    }

    /// Checks the method: 405 where it is another.
    pub fn check_method(&self, method: &Method) -> Result<(), Problem> {
        if self.method == method {
            return Ok(());
        }
        let mut problem = Problem::new(
            Code::MethodNotAllowed,
            format!("this path takes {method} only"),
        );
        problem.allow = Some(match *method {
            Method::PUT => "PUT",
            _ => "POST",
        });
        Err(problem)
    }

    /// The body's bytes: 400 where it is not the base64 it says it is, 413 where it is too large.
    pub fn body_bytes(&self) -> Result<Vec<u8>, Problem> {
        let body = self.body.as_deref().unwrap_or_default();
        // Base64 takes four characters for three bytes, so what is longer need not be decoded.
        if body.len() > MAX_BODY_BYTES.div_ceil(3) * 4 {
            return Err(too_large());
        }
        let bytes = if self.is_base64_encoded {
            BASE64.decode(body).map_err(|_| {
                Problem::new(
                    Code::InvalidRequest,
                    "the body is not the base64 it says it is",
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

    /// The JSON object in the body; `T::default()` where there is no body. `takes` tells the
    /// caller what the body may hold.
    pub fn json<T: DeserializeOwned + Default>(&self, takes: &'static str) -> Result<T, Problem> {
        let bytes = self.body_bytes()?;
        if bytes.is_empty() {
            return Ok(T::default());
        }
        if let Some(kind) = self.headers.get(CONTENT_TYPE)
            && !is_json(kind)
        {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "send the body as application/json",
            ));
        }
        // serde reads a struct from an array too, which is not what is documented.
        let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
        let parsed = is_object.then(|| serde_json::from_slice(&bytes).ok());
        parsed
            .flatten()
            .ok_or_else(|| Problem::new(Code::InvalidRequest, format!("the body must be {takes}")))
    }

    fn from_api_gateway(event: ApiGatewayV2httpRequest) -> Self {
        let raw_path = event.raw_path.unwrap_or_default();
        Self {
            method: event.request_context.http.method,
            path: without_stage(raw_path, event.request_context.stage.as_deref()),
            headers: event.headers,
            path_parameters: event.path_parameters,
            authorizer: event.request_context.authorizer,
            id: String::new(),
            deadline: Deadline::after(Duration::ZERO),
            body: event.body,
            is_base64_encoded: event.is_base64_encoded,
        }
    }

    fn from_load_balancer(event: AlbTargetGroupRequest) -> Self {
        let mut headers = event.multi_value_headers;
        headers.extend(event.headers);
        Self {
            method: event.http_method,
            path: event.path.unwrap_or_default(),
            headers,
            path_parameters: HashMap::new(),
            authorizer: None,
            id: String::new(),
            deadline: Deadline::after(Duration::ZERO),
            body: event.body,
            is_base64_encoded: event.is_base64_encoded,
        }
    }

    /// Reads an event. A problem where it is an HTTP event that cannot be read.
    ///
    /// It has no id and no time yet: [`run`](super::run) gives it those of the invocation.
    pub fn from_event(event: &str) -> Result<Result<Self, Problem>, Error> {
        if let Ok(event) = serde_json::from_str(event) {
            return Ok(Ok(Self::from_api_gateway(event)));
        }
        if let Ok(event) = serde_json::from_str(event) {
            return Ok(Ok(Self::from_load_balancer(event)));
        }
        // What cannot be read is looked at no further than to tell why.
        let unread = serde_json::from_str::<UnreadEvent<'_>>(event)
            .map_err(|_| "the event is no HTTP request; invoke this function through its route")?;
        let authorizer = unread.request_context.authorizer;
        // What an authorizer has put there and cannot be read is no proof of who is calling.
        let is_malformed = authorizer.is_some_and(|it| {
            serde_json::from_str::<Option<ApiGatewayRequestAuthorizer>>(it.get()).is_err()
        });
        Ok(Err(if is_malformed {
            unauthenticated("the authorizer's context is malformed")
        } else {
            Problem::new(Code::InvalidRequest, "the request cannot be read")
        }))
    }
}

/// As much of an event as is read of one that cannot be read as a whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnreadEvent<'a> {
    #[serde(borrow)]
    request_context: UnreadContext<'a>,
}

#[derive(Deserialize)]
struct UnreadContext<'a> {
    #[serde(borrow, default)]
    authorizer: Option<&'a RawValue>,
}

/// 401: who is calling is not known. `cause` goes to the log.
pub fn unauthenticated(cause: &'static str) -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "log in, and send the request with a valid token",
    )
    .because(cause)
}

/// 404: no such path.
pub fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is nothing at this path")
}

fn too_large() -> Problem {
    Problem::new(
        Code::PayloadTooLarge,
        format!("the body may have {MAX_BODY_BYTES} bytes"),
    )
}

fn is_json(content_type: &HeaderValue) -> bool {
    content_type
        .to_str()
        .ok()
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// An HTTP API puts the name of a stage that is not the default one before the path.
fn without_stage(path: String, stage: Option<&str>) -> String {
    stage
        .filter(|stage| *stage != "$default")
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'))
        .map(ToOwned::to_owned)
        .unwrap_or(path)
}
