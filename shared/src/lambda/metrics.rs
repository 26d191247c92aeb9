//! Metrics in CloudWatch's embedded metric format: one line of JSON on standard output, so that no
//! request waits for the network.
//!
//! Source: "Specification: Embedded metric format", Amazon CloudWatch user guide.

use std::io::Write;
use std::sync::OnceLock;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::lambda::clock::now_millis;
use crate::lambda::telemetry;

/// The namespace of every metric.
pub const NAMESPACE: &str = "chat-identity";

/// The dimension `stack` of a function without the variable for it.
const NO_STACK: &str = "local";

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
    /// One more dimension and its value, under which the metric is counted too. CloudWatch bills
    /// each value as a metric of its own, so there must be few of them.
    #[serde(skip)]
    pub by: Option<(&'static str, &'static str)>,
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
    /// One occurrence.
    pub fn once(name: &'static str) -> Self {
        Self::count(name, 1)
    }

    /// This many occurrences.
    pub fn count(name: &'static str, times: u32) -> Self {
        Self {
            name,
            unit: Unit::Count,
            value: f64::from(times),
            by: None,
        }
    }

    /// The same, counted under `dimension` too. The dimension is a field of the line: no two
    /// metrics of a line may give it different values.
    #[must_use]
    pub fn by(mut self, dimension: &'static str, value: &'static str) -> Self {
        self.by = Some((dimension, value));
        self
    }
}

/// Writes a line with `metrics` under the dimensions `stack` and `function`, and with `fields`,
/// which can be searched. Fields must not contain personal data. Outside a running function,
/// nothing is written.
pub fn emit(metrics: &[Metric], fields: &[(&'static str, Value)]) {
    let Some(function) = telemetry::function() else {
        return;
    };
    let line = Line {
        stack: stack(),
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

/// `STACK_NAME`, which distinguishes the deployments of one account.
fn stack() -> &'static str {
    static STACK: OnceLock<String> = OnceLock::new();
    STACK.get_or_init(|| {
        std::env::var("STACK_NAME")
            .ok()
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| NO_STACK.to_owned())
    })
}

/// A line. One is written for every response, so it is serialized directly, and not as a tree of
/// [`Value`]s first.
struct Line<'a> {
    stack: &'static str,
    function: &'static str,
    timestamp: u64,
    metrics: &'a [Metric],
    fields: &'a [(&'static str, Value)],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        let metadata = Metadata {
            timestamp: self.timestamp,
            cloud_watch_metrics: self.directives(),
        };
        line.serialize_entry("_aws", &metadata)?;
        line.serialize_entry("stack", self.stack)?;
        line.serialize_entry("function", self.function)?;
        for (name, value) in self.metrics.iter().filter_map(|metric| metric.by) {
            line.serialize_entry(name, value)?;
        }
        for (name, value) in self.fields {
            line.serialize_entry(name, value)?;
        }
        for metric in self.metrics {
            line.serialize_entry(metric.name, &metric.value)?;
        }
        line.end()
    }
}

impl Line<'_> {
    /// One directive for all plain metrics, and one for each metric with an extra dimension.
    fn directives(&self) -> Vec<Directive<'_>> {
        let (plain, by): (Vec<&Metric>, Vec<&Metric>) =
            self.metrics.iter().partition(|metric| metric.by.is_none());
        let directive = |dimensions, metrics| Directive {
            namespace: NAMESPACE,
            dimensions,
            metrics,
        };
        let mut directives = Vec::with_capacity(1 + by.len());
        if !plain.is_empty() {
            directives.push(directive(vec![vec!["stack", "function"]], plain));
        }
        for metric in by {
            let dimension = metric.by.iter().map(|(dimension, _)| *dimension);
            let more = ["stack", "function"].into_iter().chain(dimension).collect();
            directives.push(directive(
                vec![vec!["stack", "function"], more],
                vec![metric],
            ));
        }
        directives
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: Vec<Vec<&'static str>>,
    metrics: Vec<&'a Metric>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(timestamp: u64, metrics: &[Metric], fields: &[(&'static str, Value)]) -> Value {
        let line = Line {
            stack: "chat",
            function: "sign-token",
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
                        "Dimensions": [["stack", "function"]],
                        "Metrics": [{"Name": "Signed", "Unit": "Count"}],
                    }],
                },
                "stack": "chat",
                "function": "sign-token",
                "status": 200,
                "Signed": 1.0,
            })
        );
    }

    #[test]
    fn a_metric_with_a_dimension_of_its_own_is_counted_with_it_and_without_it() {
        let metrics = [
            Metric::once("Signed"),
            Metric::once("EmailOmitted").by("reason", "no_claim"),
        ];
        let line = line(0, &metrics, &[]);
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"],
            json!([
                {
                    "Namespace": "chat-identity",
                    "Dimensions": [["stack", "function"]],
                    "Metrics": [{"Name": "Signed", "Unit": "Count"}],
                },
                {
                    "Namespace": "chat-identity",
                    "Dimensions": [["stack", "function"], ["stack", "function", "reason"]],
                    "Metrics": [{"Name": "EmailOmitted", "Unit": "Count"}],
                },
            ])
        );
        assert_eq!(line["reason"], "no_claim");
        assert_eq!(line["EmailOmitted"], 1.0);
    }
}
