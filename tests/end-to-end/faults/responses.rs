//! The allowed responses of the functions, whatever happens to their upstreams.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use harness::lambda::HttpResponse;

/// The designed responses of each function if an upstream fails and the request is valid.
const DESIGNED: [(&str, &[&str]); 4] = [
    (
        "sign-token",
        &["200", "503 keys_unavailable", "504 upstream_timeout"],
    ),
    (
        "report-conflict",
        &[
            "202",
            "503 keys_unavailable",
            "503 upstream_busy",
            "504 upstream_timeout",
        ],
    ),
    (
        "receive-webhook",
        &[
            "200",
            "503 keys_unavailable",
            "503 upstream_busy",
            "504 upstream_timeout",
        ],
    ),
    (
        "exchange-identity",
        &[
            "200",
            "204",
            "502 upstream_error",
            "503 keys_unavailable",
            "504 upstream_timeout",
        ],
    ),
];

/// The counts of each function's outcomes.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<(String, String), usize>>);

impl Tally {
    pub(crate) fn count(&self, function: &str, outcome: &str) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tally
            .entry((function.to_owned(), outcome.to_owned()))
            .or_default() += 1;
    }

    /// The number of outcomes of `function` that begin with this.
    pub(crate) fn of(&self, function: &str, outcome: &str) -> usize {
        let tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = tally
            .iter()
            .filter(|((name, came_to), _)| name == function && came_to.starts_with(outcome));
        counted.map(|(_, count)| count).sum()
    }

    pub(crate) fn print(&self) {
        let tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((function, outcome), count) in tally.iter() {
            println!("{function:18} {outcome:40} {count:6}");
        }
    }

    /// Counts a response, which must be one of the designed ones, or `besides`, in the designed
    /// form. Returns whether it is a success.
    pub(crate) fn check(&self, function: &str, response: &HttpResponse, besides: &[&str]) -> bool {
        assert_eq!(
            response.header("cache-control"),
            Some("no-store"),
            "{response:?}"
        );
        let is_success = response.status < 300;
        let outcome = if is_success {
            response.status.to_string()
        } else {
            let kind = response.header("content-type");
            assert_eq!(kind, Some("application/problem+json"), "{response:?}");
            let problem = response.json();
            assert_eq!(problem["status"], response.status, "{response:?}");
            assert!(
                problem["requestId"]
                    .as_str()
                    .is_some_and(|id| !id.is_empty())
            );
            format!("{} {}", response.status, problem["code"].as_str().unwrap())
        };
        let (_, designed) = DESIGNED.iter().find(|(name, _)| *name == function).unwrap();
        assert!(
            designed.contains(&outcome.as_str()) || besides.contains(&outcome.as_str()),
            "{function}: {response:?}"
        );
        if response.status == 503 {
            let wait = response
                .header("retry-after")
                .and_then(|it| it.parse().ok());
            assert!(wait.is_some_and(|wait: u64| wait >= 1), "{response:?}");
        }
        self.count(function, &outcome);
        is_success
    }
}
