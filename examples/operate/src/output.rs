//! Readable output: tables that fit the terminal, and formatted times.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The width of a table in a file or a pipe.
const WIDTH_OF_A_PIPE: u16 = 200;

/// A table with these columns, as wide as the terminal.
pub fn table<const N: usize>(columns: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns);
    if !io::stdout().is_terminal() {
        table.set_width(WIDTH_OF_A_PIPE);
    }
    table
}

/// Prints a line. A closed pipe, as from `head`, is not an error.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a response as JSON.
pub fn json(answer: &Value) {
    line(format_args!("{answer:#}"));
}

/// A field of a response in readable form: `-` for nothing, and times as times.
pub fn field(answer: &Value, name: &str) -> String {
    let value = answer.get(name).unwrap_or(&Value::Null);
    let is_time = name.ends_with("At") || name == "time" || name == "notBefore";
    match value.as_u64() {
        Some(number) if is_time => instant(number),
        _ => text(value),
    }
}

/// A value in readable form.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        other => other.to_string(),
    }
}

/// A time in milliseconds since 1970, or in seconds if it is too early for that.
pub fn instant(time: u64) -> String {
    let seconds = if time < 100_000_000_000 {
        time
    } else {
        time / 1000
    };
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| time.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_shown_as_times_whatever_their_unit() {
        assert_eq!(instant(1_795_465_156_715), "2026-11-23T20:19:16Z");
        assert_eq!(instant(1_795_465_156), "2026-11-23T20:19:16Z");
        let answer = json!({"updatedAt": 1_795_465_156_715_u64, "version": 3, "reason": null});
        assert_eq!(field(&answer, "updatedAt"), "2026-11-23T20:19:16Z");
        assert_eq!(
            (field(&answer, "version"), field(&answer, "reason")),
            ("3".into(), "-".into())
        );
    }
}
