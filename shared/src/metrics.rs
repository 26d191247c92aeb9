//! Metrics in CloudWatch's embedded metric format: a line of JSON on standard output, so that no
//! request waits for a network.
//!
//! Source: "Specification: Embedded metric format", Amazon CloudWatch user guide.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::clock::now_millis;
use crate::telemetry;

/// The namespace of every metric.
pub const NAMESPACE: &str = "chat-identity";

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, in the singular.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Its value.
    pub value: f64,
}

/// The units used, as CloudWatch names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "CloudWatch's own names")]
pub enum Unit {
    Count,
    Seconds,
    Milliseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

impl Metric {
    /// That something happened once.
    pub fn once(name: &'static str) -> Self {
        Self::count(name, 1)
    }

    /// That something happened `times` times.
    pub fn count(name: &'static str, times: u32) -> Self {
        Self {
            name,
            unit: Unit::Count,
            value: f64::from(times),
        }
    }
}

/// Writes a line with `metrics` under the dimension `function`, and with `fields`, which can be
/// searched for. A field `code` is a dimension too, so that what was refused is counted by it; the
/// others are none, because each value would be a metric of its own. Fields must hold no personal
/// data. Nothing is written where no function is running.
pub fn emit(metrics: &[Metric], fields: &[(&'static str, Value)]) {
    let Some(function) = telemetry::function() else {
        return;
    };
    let line = line(function, now_millis(), metrics, fields);
    // Where nobody reads standard output there is nobody to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn line(
    function: &str,
    timestamp: u64,
    metrics: &[Metric],
    fields: &[(&'static str, Value)],
) -> Value {
    let definitions: Vec<_> = metrics
        .iter()
        .map(|metric| json!({"Name": metric.name, "Unit": metric.unit.as_str()}))
        .collect();
    let mut dimensions = vec![vec!["function"]];
    if fields.iter().any(|(name, _)| *name == "code") {
        dimensions.push(vec!["function", "code"]);
    }
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": timestamp,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": dimensions,
                "Metrics": definitions,
            }],
        }),
    );
    line.insert("function".to_owned(), function.into());
    for (name, value) in fields {
        line.insert((*name).to_owned(), value.clone());
    }
    for metric in metrics {
        line.insert(metric.name.to_owned(), metric.value.into());
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_embedded_metric_format() {
        let line = line(
            "sign-token",
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
    fn what_is_refused_is_counted_by_its_code() {
        let fields = [("status", 401.into()), ("code", "unauthenticated".into())];
        let line = line("sign-token", 0, &[Metric::once("Refused")], &fields);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            directive["Dimensions"],
            json!([["function"], ["function", "code"]])
        );
        assert_eq!(line["code"], "unauthenticated");
    }
}
