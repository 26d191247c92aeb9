//! The action `check`: reports whether a function could do its work now, before a user needs it.
//!
//! It is reachable by a direct invoke only. An event of a route has no field `action`: the fields
//! that a caller sends are in the event's body.

use serde::{Deserialize, Serialize};

/// The name of the check that a running function always passes, because it would not start
/// otherwise.
pub const CONFIGURATION: &str = "configuration";

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The name of the thing that was checked.
    pub name: &'static str,
    /// Whether it is in order; `None` if it could not be checked because another check failed.
    pub ok: Option<bool>,
    /// The finding, and what to do about it. Contains no secret and no personal data.
    pub detail: String,
}

/// The response to a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    ok: bool,
    checks: Vec<Check>,
}

impl Check {
    /// A check that passed.
    pub fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            ok: Some(true),
            detail: detail.into(),
        }
    }

    /// A check that failed.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            ok: Some(false),
            detail: detail.into(),
        }
    }

    /// The configuration, which is right if the function runs at all.
    pub fn configuration() -> Self {
        Self::passed(CONFIGURATION, "every variable has a valid value")
    }

    /// A check that could not be made.
    pub fn skipped(name: &'static str, because: &str) -> Self {
        Self {
            name,
            ok: None,
            detail: format!("skipped: {because}"),
        }
    }
}

impl FromIterator<Check> for Checks {
    fn from_iter<I: IntoIterator<Item = Check>>(checks: I) -> Self {
        let checks: Vec<_> = checks.into_iter().collect();
        Self {
            ok: checks.iter().all(|check| check.ok == Some(true)),
            checks,
        }
    }
}

/// Whether an event asks for a check.
pub fn is_asked(event: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request<'a> {
        action: &'a str,
    }
    serde_json::from_str::<Request<'_>>(event).is_ok_and(|request| request.action == "check")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_is_well_only_if_every_check_was_made_and_passed() {
        let ok = |checks: &[Check]| {
            let checks: Checks = checks.iter().cloned().collect();
            serde_json::to_value(checks).unwrap()
        };
        let passed = Check::passed("table", "");
        let response = ok(&[passed.clone(), Check::failed("api_key", "401")]);
        assert_eq!(response["ok"], false);
        assert_eq!(
            response["checks"][1],
            json!({"name": "api_key", "ok": false, "detail": "401"})
        );
        let skipped = ok(&[passed.clone(), Check::skipped("sunshine", "no key")]);
        assert_eq!(
            (&skipped["ok"], &skipped["checks"][1]["ok"]),
            (&json!(false), &json!(null))
        );
        assert_eq!(ok(&[passed])["ok"], true);
    }

    #[test]
    fn only_the_bare_action_requests_a_check() {
        assert!(is_asked(r#" {"action": "check"} "#));
        for event in [
            "{}",
            r#"{"action":"drain"}"#,
            r#"{"action":"check","requestContext":{}}"#,
            r#"{"body":"{\"action\":\"check\"}"}"#,
            "null",
        ] {
            assert!(!is_asked(event), "{event}");
        }
    }
}
