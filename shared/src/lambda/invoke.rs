//! Requests by direct invoke: an operator's actions, parsed strictly, and refused with a type.

use std::fmt;

use lambda_runtime::Diagnostic;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The reason why an operator's request is refused. The message goes to the operator, and names
/// fields, never a value that may be personal; `Debug` goes to the log, so it prints only the type.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// The request is not one that the function accepts.
    #[error("{0}")]
    InvalidRequest(String),
    /// The configuration does not allow it.
    #[error("{0}")]
    NotAllowed(String),
    /// The record has another version now.
    #[error("{0}")]
    Changed(String),
    /// A call to AWS failed, or the invocation's time was too short.
    #[error("{0}")]
    Unavailable(String),
    /// The function has a fault.
    #[error("{0}")]
    Internal(String),
}

impl OperatorError {
    /// The type in the response (`errorType`).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "InvalidRequest",
            Self::NotAllowed(_) => "NotAllowed",
            Self::Changed(_) => "Changed",
            Self::Unavailable(_) => "Unavailable",
            Self::Internal(_) => "Internal",
        }
    }

    /// The error for a `field` that is not `expected`, which completes "must be".
    pub fn invalid(field: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self::InvalidRequest(format!("{field} must be {expected}"))
    }
}

impl fmt::Debug for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl From<OperatorError> for Diagnostic {
    fn from(error: OperatorError) -> Self {
        Self {
            error_type: error.kind().to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// Reads the fields of an action. An error names the field and what serde expected of it.
pub fn fields<T: DeserializeOwned>(request: Value) -> Result<T, OperatorError> {
    serde_path_to_error::deserialize(request).map_err(|error| {
        let path = error.path().to_string();
        let reason = without_values(&error.into_inner().to_string());
        // serde names a field that is missing or unknown itself.
        OperatorError::InvalidRequest(if path == "." {
            reason
        } else {
            format!("{path}: {reason}")
        })
    })
}

/// serde's reason without the value that was sent: it may be an email or an external id, and the
/// response may be stored somewhere. The name of an unknown field stays, if it looks like a name.
fn without_values(reason: &str) -> String {
    let quoted = |text: &str| text.split('`').nth(1).map(ToOwned::to_owned);
    let is_name = |name: &String| {
        name.len() <= 40
            && name
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    let Some((found, expected)) = reason.split_once(", expected") else {
        return reason.to_owned();
    };
    let found = if found.starts_with("unknown field") {
        match quoted(found).filter(is_name) {
            Some(name) => format!("unknown field `{name}`"),
            None => "unknown field".to_owned(),
        }
    } else if found.starts_with("unknown variant") {
        "unknown value".to_owned()
    } else {
        found
            .split(['`', '"'])
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    format!("{found}, expected{expected}")
}

/// Takes the field `action` out of a request. `takes` lists the actions.
pub fn action(request: &mut Value, takes: &str) -> Result<String, OperatorError> {
    request
        .as_object_mut()
        .and_then(|fields| fields.remove("action"))
        .and_then(|action| action.as_str().map(ToOwned::to_owned))
        .ok_or_else(|| OperatorError::invalid("action", takes))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Request {
        #[expect(dead_code, reason = "only read to see what is refused")]
        limit: u8,
        #[expect(dead_code, reason = "only read to see what is refused")]
        pairs: Vec<(String, String)>,
    }

    #[test]
    fn an_error_names_the_field_and_the_reason() {
        for (request, expected) in [
            (json!({"limit": 1}), "missing field `pairs`"),
            (
                json!({"limit": 1, "pairs": [], "x": 1}),
                "unknown field `x`",
            ),
            (json!({"limit": "1", "pairs": []}), "limit: invalid type"),
            (
                json!({"limit": 1, "pairs": [["a", "b"], ["a"]]}),
                "pairs[1]: invalid length",
            ),
            (json!([]), "invalid"),
            (
                json!({"limit": 1, "pairs": [], "a@b.c": 1}),
                "unknown field, expected",
            ),
        ] {
            let error = fields::<Request>(request).unwrap_err();
            assert_eq!(error.kind(), "InvalidRequest");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn no_error_repeats_what_was_sent() {
        for reason in [
            "invalid type: string \"CANARY, x\", expected u8",
            "invalid type: string \"CANARY\", expected u8",
            "invalid value: integer `700007`, expected u8",
            "unknown variant `CANARY`, expected one of `a`, `b`",
            "unknown field `CANARY@x`, expected `a`",
        ] {
            let shown = without_values(reason);
            assert!(!shown.contains("CANARY") && !shown.contains('7'), "{shown}");
            assert!(shown.contains("expected"), "{shown}");
        }
        assert_eq!(without_values("missing field `by`"), "missing field `by`");
    }

    #[test]
    fn the_log_shows_the_type_alone() {
        let error = OperatorError::invalid("anna@example.com", "something else");
        assert_eq!(format!("{error:?}"), "InvalidRequest");
    }

    #[test]
    fn the_action_is_taken_out() {
        let mut request = json!({"action": "check"});
        assert_eq!(action(&mut request, "check"), Ok("check".to_owned()));
        assert_eq!(request, json!({}));
        for wrong in [json!({}), json!({"action": 1}), json!("check"), json!(null)] {
            let error = action(&mut wrong.clone(), "check").unwrap_err();
            assert_eq!(error.to_string(), "action must be check", "{wrong}");
        }
    }
}
