//! An answer or a problem, written as a response.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::Error;
use serde::Serialize;

use crate::lambda::metrics::Metric;
use crate::lambda::problem::{Code, Problem};

/// What a handler answers where all is well.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body: JSON, or none.
    pub body: Option<String>,
    pub(super) metrics: Vec<Metric>,
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

/// The response of an invocation, with the headers that all have.
pub(super) fn response(
    outcome: Result<Answer, Problem>,
    id: &str,
) -> Result<ApiGatewayV2httpResponse, Error> {
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
