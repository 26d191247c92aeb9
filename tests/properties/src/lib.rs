//! Properties that must hold for every input.
//!
//! Each module is about one piece of code that parses input from others. Its `check` takes an input
//! in the form that a fuzzer generates, panics if a property does not hold, and returns whether the
//! input was accepted, so that a run whose inputs are all refused is noticed. The fuzz targets call
//! it, and so do the workspace's own tests.

pub mod lambda_event;
pub mod path;
pub mod time;
pub mod token;
pub mod unverified_token;
pub mod webhook_event;
pub mod webhook_signature;

/// An identifier as it is compared: a string, or a whole number in its canonical form.
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
