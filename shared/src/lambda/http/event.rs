//! The events that carry an HTTP request, in the forms that AWS has for them.
//!
//! One type reads them all. The event types of `aws_lambda_events` do not parse if a claim of the
//! authorizer is anything but text, so the authorizer's part stays unread here:
//! [`caller`](crate::identity::caller) reads what its identity source needs.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The form of an event, which determines the form of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Payload format 2.0: an HTTP API, or a function URL.
    V2,
    /// Payload format 1.0: a REST API, or an HTTP API that is set to it.
    V1,
    /// The target group of a load balancer.
    LoadBalancer,
}

/// An event, as far as this service reads it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    /// Payload 2.0.
    pub(super) raw_path: Option<String>,
    /// Payload 1.0 and load balancers.
    pub(super) path: Option<String>,
    /// Payload 1.0 and load balancers.
    pub(super) http_method: Option<String>,
    headers: Option<HashMap<String, Option<String>>>,
    multi_value_headers: Option<HashMap<String, Option<Vec<String>>>>,
    pub(super) path_parameters: Option<HashMap<String, String>>,
    pub(super) body: Option<String>,
    pub(super) is_base64_encoded: Option<bool>,
    pub(super) request_context: RequestContext,
}

#[derive(Deserialize)]
pub(super) struct RequestContext {
    /// Payload 2.0.
    pub(super) http: Option<Http>,
    /// Load balancers.
    elb: Option<IgnoredAny>,
    pub(super) stage: Option<String>,
    /// Payload 1.0: the path as the client sent it.
    pub(super) path: Option<String>,
    pub(super) authorizer: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(super) struct Http {
    pub(super) method: String,
}

impl Event {
    pub(super) fn kind(&self) -> EventKind {
        if self.request_context.elb.is_some() {
            EventKind::LoadBalancer
        } else if self.request_context.http.is_some() {
            EventKind::V2
        } else {
            EventKind::V1
        }
    }

    /// The headers; `None` if one of them is not a header.
    ///
    /// A REST API sends each header in both fields, with all its values in `multiValueHeaders`. A
    /// header that is only in `headers` counts too.
    pub(super) fn headers(&mut self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, values) in self.multi_value_headers.take().unwrap_or_default() {
            for value in values.unwrap_or_default() {
                headers.append(header_name(&name)?, header_value(&value)?);
            }
        }
        let mut others = HeaderMap::new();
        for (name, value) in self.headers.take().unwrap_or_default() {
            let name = header_name(&name)?;
            if let Some(value) = value
                && !headers.contains_key(&name)
            {
                others.append(name, header_value(&value)?);
            }
        }
        headers.extend(others);
        Some(headers)
    }
}

fn header_name(name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).ok()
}

fn header_value(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes()).ok()
}
