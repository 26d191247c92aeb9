//! The faults to inject: latency, refusals, lost and broken responses.

use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::http::{Request, Response};
use super::lock::lock;
use super::pattern::Pattern;

/// The effect on a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Fault {
    /// The request waits, and is then handled as if this fault did not exist.
    Delay {
        /// The wait.
        millis: u64,
    },
    /// This response is sent, and the request has no effect.
    Answer {
        /// The status.
        status: u16,
        /// The `Retry-After` header: seconds or a date.
        #[serde(default)]
        retry_after: Option<String>,
        /// The `content-type`; default JSON.
        #[serde(default = "json")]
        content_type: String,
        /// The body; default empty.
        #[serde(default)]
        body: String,
    },
    /// The response is a JSON string of this many letters (default 50 MB), and the request has no
    /// effect.
    Huge {
        /// The number of letters.
        #[serde(default = "fifty_megabytes")]
        bytes: usize,
    },
    /// No response comes, and the connection stays open.
    Hang {
        /// Whether the request takes effect.
        #[serde(default)]
        handled: bool,
    },
    /// The request takes effect; its response comes one byte at a time.
    Trickle {
        /// The pause before each byte.
        millis: u64,
    },
    /// The connection is reset, and the request has no effect.
    Reset,
    /// The request takes effect, and the connection is closed without a response.
    Drop,
    /// The request takes effect; half of its response comes, then the connection is closed.
    Truncate,
}

impl Fault {
    /// Responds with a status and a JSON body, which may be empty.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer {
            status,
            retry_after: None,
            content_type: json(),
            body: body.into(),
        }
    }

    /// Responds with 429, with or without `Retry-After`.
    pub fn busy(retry_after: Option<&str>) -> Self {
        Self::Answer {
            status: 429,
            retry_after: retry_after.map(Into::into),
            content_type: json(),
            body: r#"{"errors":[{"code":"too_many_requests","title":"Too many requests"}]}"#.into(),
        }
    }

    /// Responds with a page of HTML, as a proxy in front of a service does.
    pub fn html(status: u16) -> Self {
        let body = "<!doctype html><title>Error</title><h1>Something went wrong</h1>".into();
        Self::Answer {
            status,
            retry_after: None,
            content_type: "text/html; charset=utf-8".into(),
            body,
        }
    }

    /// The response that the fault sends instead of handling the request, if any.
    pub(super) fn response(&self) -> Option<Response> {
        match self {
            Self::Answer {
                status,
                retry_after,
                content_type,
                body,
            } => {
                let mut response = Response::empty(*status).with_body(body.as_bytes());
                if !body.is_empty() {
                    response = response.with_header("content-type", content_type);
                }
                Some(match retry_after {
                    Some(value) => response.with_header("retry-after", value),
                    None => response,
                })
            }
            Self::Huge { bytes } => {
                let body = format!("\"{}\"", "a".repeat(*bytes));
                Some(
                    Response::empty(200)
                        .with_header("content-type", json())
                        .with_body(body),
                )
            }
            _ => None,
        }
    }
}

fn json() -> String {
    "application/json; charset=utf-8".into()
}

fn fifty_megabytes() -> usize {
    50_000_000
}

/// A fault, the requests that it applies to, and how often it is injected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The requests that it applies to.
    #[serde(rename = "match")]
    pub pattern: Pattern,
    /// The fault.
    pub fault: Fault,
    /// The number of requests that it still applies to; `None` for all until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The fraction of the matching requests that it hits; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
}

/// A random choice that is the same each time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    /// The probability, from 0 to 1.
    pub probability: f64,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Rule {
    /// A fault for every matching request, until it is cleared.
    pub fn new(pattern: impl Into<Pattern>, fault: Fault) -> Self {
        Self {
            pattern: pattern.into(),
            fault,
            times: None,
            chance: None,
        }
    }

    /// Limits it to this many requests.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Hits each request with a probability. The seed is printed when the rule is added.
    #[must_use]
    pub fn chance(self, probability: f64, seed: u64) -> Self {
        Self {
            chance: Some(Chance { probability, seed }),
            ..self
        }
    }
}

/// The rules of a stand-in, in the order in which they were added.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Active>>);

struct Active {
    rule: Rule,
    random: Option<StdRng>,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        let random = rule.chance.map(|chance| {
            println!(
                "fault {:?}: probability {}, seed {}",
                rule.pattern, chance.probability, chance.seed
            );
            StdRng::seed_from_u64(chance.seed)
        });
        lock(&self.0).push(Active { rule, random });
    }

    /// The rules that still apply.
    pub fn all(&self) -> Vec<Rule> {
        lock(&self.0)
            .iter()
            .map(|active| active.rule.clone())
            .collect()
    }

    /// Removes every rule.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// The effect on a request: the sum of the delays of all matching rules, and the first other
    /// fault.
    pub(super) fn strike(&self, request: &Request) -> (Duration, Option<Fault>) {
        let mut delay = Duration::ZERO;
        let mut fault = None;
        lock(&self.0).retain_mut(|Active { rule, random }| {
            let is_delay = matches!(rule.fault, Fault::Delay { .. });
            if !rule.pattern.matches(&request.method, request.path())
                || (fault.is_some() && !is_delay)
            {
                return true;
            }
            if let (Some(chance), Some(random)) = (rule.chance, random)
                && !random.random_bool(chance.probability.clamp(0.0, 1.0))
            {
                return true;
            }
            match rule.fault {
                Fault::Delay { millis } => delay += Duration::from_millis(millis),
                ref other => fault = Some(other.clone()),
            }
            rule.times = rule.times.map(|times| times.saturating_sub(1));
            rule.times != Some(0)
        });
        (delay, fault)
    }
}
