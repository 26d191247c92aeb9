//! From a Lambda HTTP event to a request, and from an answer or a problem to the response.
//!
//! Events of HTTP APIs and function URLs (payload 2.0) and of load balancers are understood. The
//! event types are `lambda_http`'s; its conversion to `http::Request` is not used, because it
//! panics on a body that is not the base64 it says it is and on a path that is no URI.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use lambda_http::Body;
use lambda_http::aws_lambda_events::alb::AlbTargetGroupRequest;
use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayRequestAuthorizer, ApiGatewayV2httpRequest, ApiGatewayV2httpResponse,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::deadline::Deadline;
use crate::metrics::{self, Metric, Unit};
use crate::problem::{Code, Problem};

/// The most bytes a request's body may have.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// What is kept back of an invocation's time, to answer in.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

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

/// What a handler answers where all is well.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body: JSON, or none.
    pub body: Option<String>,
    metrics: Vec<Metric>,
}

impl Answer {
    /// An answer with a JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| {
            Problem::new(Code::UpstreamError, "the answer could not be written").because(error)
        })?;
        Ok(Self {
            status,
            body: Some(body),
            metrics: Vec::new(),
        })
    }

    /// 204, without a body.
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            metrics: Vec::new(),
        }
    }

    /// The same with a metric.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }
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
    /// It has no id and no time yet: [`run`] gives it those of the invocation.
    pub fn from_event(event: &str) -> Result<Result<Self, Problem>, Error> {
        if let Ok(event) = serde_json::from_str(event) {
            return Ok(Ok(Self::from_api_gateway(event)));
        }
        if let Ok(event) = serde_json::from_str(event) {
            return Ok(Ok(Self::from_load_balancer(event)));
        }
        let context = serde_json::from_str::<Value>(event)
            .ok()
            .and_then(|mut event| event.get_mut("requestContext").map(Value::take))
            .ok_or("the event is no HTTP request; invoke this function through its route")?;
        // What an authorizer has put there and cannot be read is no proof of who is calling.
        Ok(Err(
            if context.get("authorizer").is_some_and(|it| !it.is_null()) {
                unauthenticated("the authorizer's context is malformed")
            } else {
                Problem::new(Code::InvalidRequest, "the request cannot be read")
            },
        ))
    }
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

/// Answers the Lambda runtime's events with `handler`, until the environment ends.
pub async fn run<H>(handler: H) -> Result<(), Error>
where
    H: AsyncFn(&Request) -> Result<Answer, Problem>,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        respond(handler, event).await
    }))
    .await
}

/// One invocation: from event to response, with its line of metrics. An error where the event is
/// no HTTP request.
pub async fn respond<H>(
    handler: &H,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<ApiGatewayV2httpResponse, Error>
where
    H: AsyncFn(&Request) -> Result<Answer, Problem>,
{
    let started = Instant::now();
    let id = event.context.request_id;
    let outcome = match Request::from_event(event.payload.get())? {
        Err(problem) => Err(problem),
        Ok(mut request) => {
            request.deadline = Deadline::of_invocation(event.context.deadline).less(ANSWER_MARGIN);
            request.id.clone_from(&id);
            let answer = tokio::time::timeout_at(request.deadline.instant(), handler(&request));
            caught(answer).await?.unwrap_or_else(|_elapsed| {
                Err(Problem::new(
                    Code::UpstreamTimeout,
                    "what this request needs did not answer in time; try again",
                ))
            })
        }
    };
    record(&id, started.elapsed(), &outcome);
    response(outcome, &id)
}

/// What `work` comes to. An error that does not say why where it panics: a panic's own words may
/// hold what was worked on.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_panic| "the function panicked; its log tells where".into())
}

static WARM: AtomicBool = AtomicBool::new(false);

/// The one line that every invocation writes: what came of it, and the metrics.
fn record(id: &str, duration: Duration, outcome: &Result<Answer, Problem>) {
    let mut metrics = vec![Metric {
        name: "Duration",
        unit: Unit::Milliseconds,
        value: duration.as_secs_f64() * 1000.0,
    }];
    let mut fields = vec![("requestId", Value::from(id))];
    if !WARM.swap(true, Ordering::Relaxed) {
        metrics.push(Metric::once("ColdStart"));
    }
    match outcome {
        Ok(answer) => {
            fields.push(("status", answer.status.as_u16().into()));
            metrics.extend(&answer.metrics);
        }
        Err(problem) => {
            let code = problem.code.as_str();
            fields.push(("status", problem.code.status().as_u16().into()));
            fields.push(("code", code.into()));
            metrics.push(Metric::once("Refused"));
            if let Some(cause) = &problem.cause {
                tracing::warn!(code, cause = %Causes(cause.as_ref()), "refused");
            }
        }
    }
    metrics::emit(&metrics, &fields);
}

/// An error with its sources, in one line.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

fn response(outcome: Result<Answer, Problem>, id: &str) -> Result<ApiGatewayV2httpResponse, Error> {
    let mut response = ApiGatewayV2httpResponse::default();
    let mut header = |name: HeaderName, value: HeaderValue| {
        response
            .multi_value_headers
            .insert(name.clone(), value.clone());
        response.headers.insert(name, value);
    };
    header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (status, kind, body) = match outcome {
        Ok(answer) => (answer.status, "application/json", answer.body),
        Err(problem) => {
            if problem.code == Code::Unauthenticated {
                header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            if let Some(seconds) = problem.retry_after {
                header(RETRY_AFTER, seconds.into());
            }
            if let Some(methods) = problem.allow {
                header(ALLOW, HeaderValue::from_static(methods));
            }
            let body = serde_json::to_string(&problem.body(id))?;
            (
                problem.code.status(),
                "application/problem+json",
                Some(body),
            )
        }
    };
    if body.is_some() {
        header(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response.status_code = i64::from(status.as_u16());
    response.body = body.map(Body::Text);
    Ok(response)
}

#[cfg(test)]
mod tests;
