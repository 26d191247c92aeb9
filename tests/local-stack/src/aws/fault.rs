//! What can go wrong between a function and an AWS service.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::recorded::{Recorded, Service};

/// A fault, for the requests that it matches. The first of the list that matches applies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// The service.
    pub service: Service,
    /// One operation (for S3: a method); all of the service where there is none.
    #[serde(default)]
    pub operation: Option<String>,
    /// How much later the effect comes.
    #[serde(default)]
    pub delay_ms: u64,
    /// What happens instead of an answer.
    pub effect: Effect,
    /// How many more requests it hits; all where there is no number.
    #[serde(default)]
    pub times: Option<u32>,
}

/// What a fault does to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Nothing but the delay.
    Delay,
    /// The service answers with an error, and does nothing.
    Error {
        /// The HTTP status.
        status: u16,
        /// AWS's own code, such as `AccessDeniedException`.
        code: String,
    },
    /// The service does its work, and the last byte of its answer's body is lost.
    Shorten,
    /// The connection closes before the service has seen the request.
    DropRequest,
    /// The service does its work, and the connection closes before the answer.
    DropAnswer,
}

impl Fault {
    /// `effect` on every request to `service`.
    pub fn new(service: Service, effect: Effect) -> Self {
        Self {
            service,
            operation: None,
            delay_ms: 0,
            effect,
            times: None,
        }
    }

    /// AWS's error `code` with `status`, on every request to `service`.
    pub fn error(service: Service, status: u16, code: &str) -> Self {
        let code = code.to_owned();
        Self::new(service, Effect::Error { status, code })
    }

    /// Only on this operation.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Only on the next `times` requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    fn matches(&self, request: &Recorded) -> bool {
        self.service == request.service
            && self.times != Some(0)
            && self
                .operation
                .as_ref()
                .is_none_or(|operation| *operation == request.operation)
    }
}

/// The fault for this request, used up by one.
pub(super) fn take(faults: &mut [Fault], request: &Recorded) -> Option<Fault> {
    let fault = faults.iter_mut().find(|fault| fault.matches(request))?;
    fault.times = fault.times.map(|times| times - 1);
    Some(fault.clone())
}

/// An error in the service's own form.
pub(super) fn error(service: Service, status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = "asked for by a test";
    let (kind, body) = match service {
        Service::S3 => (
            "application/xml",
            format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
        ),
        Service::DynamoDb => (
            "application/x-amz-json-1.0",
            json!({"__type": code, "message": message}).to_string(),
        ),
        Service::SecretsManager => (
            "application/x-amz-json-1.1",
            json!({"__type": code, "message": message}).to_string(),
        ),
    };
    let kind = HeaderValue::from_static(kind);
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}
