//! A response or a problem, in the form that the event's kind expects.

use std::collections::BTreeMap;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use lambda_runtime::Error;
use serde::Serialize;
use serde_json::Value;

use crate::lambda::http::EventKind;
use crate::lambda::metrics::Metric;
use crate::lambda::problem::{Code, Problem};

/// A handler's response to a request that it could serve.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The body: JSON, or none.
    pub body: Option<String>,
    pub(super) metrics: Vec<Metric>,
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Response {
    /// A response with a JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| {
            Problem::new(Code::InternalError, "the response could not be written").because(error)
        })?;
        Ok(Self::new(status, Some(body)))
    }

    /// 204, without a body.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, None)
    }

    fn new(status: StatusCode, body: Option<String>) -> Self {
        Self {
            status,
            body,
            metrics: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Adds a metric.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }

    /// Adds a field for the log line of this request. It must not contain personal data.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// The response of an invocation, as Lambda returns it to the sender of the event.
///
/// It has only the fields that the documentation of each kind names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventResponse {
    /// The status.
    pub status_code: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The headers again. A load balancer with multi-value headers reads only this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_value_headers: Option<BTreeMap<String, [String; 1]>>,
    /// For payload 2.0 only, and always empty: cargo-lambda does not read a response without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookies: Option<[String; 0]>,
    /// The body, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Always false.
    pub is_base64_encoded: bool,
}

/// The response of an invocation, with the headers that every response has.
pub(super) fn response(
    outcome: Result<Response, Problem>,
    kind: EventKind,
    id: &str,
) -> Result<EventResponse, Error> {
    let mut headers = BTreeMap::new();
    let mut header = |name: HeaderName, value: String| headers.insert(name.to_string(), value);
    header(CACHE_CONTROL, "no-store".to_owned());
    let (status, media_type, body) = match outcome {
        Ok(response) => (response.status, "application/json", response.body),
        Err(problem) => {
            if problem.code == Code::Unauthenticated {
                header(WWW_AUTHENTICATE, "Bearer".to_owned());
            }
            if let Some(seconds) = problem.retry_after {
                header(RETRY_AFTER, seconds.to_string());
            }
            if let Some(methods) = problem.allow {
                header(ALLOW, methods.to_owned());
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
        header(CONTENT_TYPE, media_type.to_owned());
    }
    let multi_value_headers = match kind {
        EventKind::V2 => None,
        EventKind::V1 | EventKind::LoadBalancer => Some(
            headers
                .iter()
                .map(|(name, value)| (name.clone(), [value.clone()]))
                .collect(),
        ),
    };
    Ok(EventResponse {
        status_code: status.as_u16(),
        headers,
        multi_value_headers,
        cookies: (kind == EventKind::V2).then_some([]),
        body,
        is_base64_encoded: false,
    })
}
