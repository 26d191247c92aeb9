//! What must hold, whatever comes in.
//!
//! Each module is about one thing that reads what others wrote. Its `check` takes an input as a
//! fuzzer makes it, panics where something does not hold, and answers whether the input was let
//! in, so that a run that never gets past the door is noticed. The fuzz targets call it, and so
//! do the workspace's own tests.

pub mod lambda_event;
pub mod path;
pub mod time;
pub mod token;
pub mod unverified_token;
pub mod webhook_event;
pub mod webhook_signature;

/// An identifier as it is compared: a string, or a whole number in its one spelling.
fn spelling(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// Whether `text` may be an external id.
fn is_external_id(text: &str) -> bool {
    (1..=255).contains(&text.chars().count())
        && !matches!(text, "." | "..")
        && !text.chars().any(char::is_control)
}
