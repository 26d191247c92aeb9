//! Metrics in CloudWatch's embedded metric format: one line of JSON on standard output, so that no
//! request waits for the network.
//!
//! Source: "Specification: Embedded metric format", Amazon CloudWatch user guide.

use std::io::Write;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::lambda::clock::now_millis;
use crate::lambda::telemetry;

/// The namespace of every metric.
pub const NAMESPACE: &str = "chat-identity";

/// A measured value. It serializes as the definition that the format requires, without the value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metric {
    /// Its name, in the singular.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Its value.
    #[serde(skip)]
    pub value: f64,
}

/// The units in use, by CloudWatch's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "CloudWatch's own names")]
pub enum Unit {
    Count,
    Seconds,
    Milliseconds,
}

impl Metric {
    /// A count of one.
    pub fn once(name: &'static str) -> Self {
        Self::count(name, 1)
    }

    /// A count of `times`.
    pub fn count(name: &'static str, times: u32) -> Self {
        Self {
            name,
            unit: Unit::Count,
            value: f64::from(times),
        }
    }
}

/// Writes a line with `metrics` under the dimension `function`, and with `fields`, which can be
/// searched. A field `code` is a dimension as well, so that refusals are counted by code. The other
/// fields are not dimensions, because each value would become a metric of its own. Fields must not
/// contain personal data. Outside a running function, nothing is written.
pub fn emit(metrics: &[Metric], fields: &[(&'static str, Value)]) {
    let Some(function) = telemetry::function() else {
        return;
    };
    let line = Line {
        function,
        timestamp: now_millis(),
        metrics,
        fields,
    };
    let Ok(mut line) = serde_json::to_vec(&line) else {
        return;
    };
    line.push(b'\n');
    // One write, so that lines cannot interleave. A closed standard output is ignored.
    let _ = std::io::stdout().lock().write_all(&line);
}

/// A line. One is written for every response, so it is serialized directly, without a tree of
/// values.
struct Line<'a> {
    function: &'static str,
    timestamp: u64,
    metrics: &'a [Metric],
    fields: &'a [(&'static str, Value)],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let has_code = self.fields.iter().any(|(name, _)| *name == "code");
        let dimensions: &[&[&str]] = if has_code {
            &[&["function"], &["function", "code"]]
        } else {
            &[&["function"]]
        };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry(
            "_aws",
            &Metadata {
                timestamp: self.timestamp,
                cloud_watch_metrics: [Directive {
                    namespace: NAMESPACE,
                    dimensions,
                    metrics: self.metrics,
                }],
            },
        )?;
        line.serialize_entry("function", self.function)?;
        for (name, value) in self.fields {
            line.serialize_entry(name, value)?;
        }
        for metric in self.metrics {
            line.serialize_entry(metric.name, &metric.value)?;
        }
        line.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: &'a [&'a [&'a str]],
    metrics: &'a [Metric],
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(timestamp: u64, metrics: &[Metric], fields: &[(&'static str, Value)]) -> Value {
        let function = "sign-token";
        let line = Line {
            function,
            timestamp,
            metrics,
            fields,
        };
        serde_json::to_value(line).unwrap()
    }

    #[test]
    fn a_line_is_embedded_metric_format() {
        let line = line(
            1_700_000_000_000,
            &[Metric::once("Signed")],
            &[("status", 200.into())],
        );
        assert_eq!(
            line,
            json!({
                "_aws": {
                    "Timestamp": 1_700_000_000_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "chat-identity",
                        "Dimensions": [["function"]],
                        "Metrics": [{"Name": "Signed", "Unit": "Count"}],
                    }],
                },
                "function": "sign-token",
                "status": 200,
                "Signed": 1.0,
            })
        );
    }

    #[test]
    fn refusals_are_counted_by_code() {
        let fields = [("status", 401.into()), ("code", "unauthenticated".into())];
        let line = line(0, &[Metric::once("Refused")], &fields);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            directive["Dimensions"],
            json!([["function"], ["function", "code"]])
        );
        assert_eq!(line["code"], "unauthenticated");
    }
}
