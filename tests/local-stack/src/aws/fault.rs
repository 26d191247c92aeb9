//! The faults between a function and an AWS service.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::recorded::{Recorded, Service};

/// A fault for the matching requests. The first match in the list applies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// The service.
    pub service: Service,
    /// The operation (for S3: the method); `None` for all operations of the service.
    #[serde(default)]
    pub operation: Option<String>,
    /// The delay before the effect.
    #[serde(default)]
    pub delay_ms: u64,
    /// The effect on the request.
    pub effect: Effect,
    /// The number of requests that it still hits; `None` for all.
    #[serde(default)]
    pub times: Option<u32>,
}

/// The effect of a fault on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Only the delay.
    Delay,
    /// The service responds with an error, and does nothing.
    Error {
        /// The HTTP status.
        status: u16,
        /// AWS's own code, such as `AccessDeniedException`.
        code: String,
    },
    /// The service does its work, and the last byte of its response's body is lost.
    Shorten,
    /// The connection closes before the service sees the request.
    DropRequest,
    /// The service does its work, and the connection closes before the response.
    DropResponse,
}

impl Fault {
    /// Applies `effect` to every request to `service`.
    pub fn new(service: Service, effect: Effect) -> Self {
        Self {
            service,
            operation: None,
            delay_ms: 0,
            effect,
            times: None,
        }
    }

    /// Responds with AWS's error `code` and `status` to every request to `service`.
    pub fn error(service: Service, status: u16, code: &str) -> Self {
        let code = code.to_owned();
        Self::new(service, Effect::Error { status, code })
    }

    /// Limits it to this operation.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Limits it to the next `times` requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Delays its effect.
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

/// The fault for this request, which counts as one use.
pub(super) fn take(faults: &mut [Fault], request: &Recorded) -> Option<Fault> {
    let fault = faults.iter_mut().find(|fault| fault.matches(request))?;
    fault.times = fault.times.map(|times| times - 1);
    Some(fault.clone())
}

/// An error in the format of the service.
pub(super) fn error(service: Service, status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = "requested by a test";
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
