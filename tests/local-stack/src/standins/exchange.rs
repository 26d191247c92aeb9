//! One request over the wire, with its response.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// One request and its outcome.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// The number of the request, from 0.
    pub number: usize,
    /// The number of the connection, from 1.
    pub connection: u64,
    /// The request line, exactly as received.
    pub line: String,
    /// The method; empty for a request that was not HTTP.
    pub method: String,
    /// The path, neither decoded nor normalised, without the query.
    pub path: String,
    /// The request's body, if it is JSON; it is not shown.
    #[serde(skip)]
    pub body: Option<Value>,
    /// The time at which the request was complete, counted from the stand-in's start; milliseconds
    /// in JSON.
    #[serde(serialize_with = "millis")]
    pub arrived: Duration,
    /// The time at which the response was written, counted from the stand-in's start.
    #[serde(serialize_with = "maybe_millis")]
    pub answered: Option<Duration>,
    /// The status of the response; none if it was lost or never sent.
    pub status: Option<u16>,
    /// Whether the request took effect, with or without a response.
    pub handled: bool,
}

fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1000.0)
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn maybe_millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64() * 1000.0)
        .serialize(serializer)
}
