//! Readable output: tables that fit the terminal, whole ids, and formatted times.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, TableComponent};
use console::Term;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The width of a table, and of a sentence, in a file or a pipe.
const WIDTH_OF_A_PIPE: u16 = 200;

/// A table with these columns, as wide as the terminal.
pub fn table<const N: usize>(columns: [&str; N]) -> Table {
    let mut table = plain(&Term::stdout());
    table
        .set_style(TableComponent::HeaderLines, '─')
        .set_header(columns);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(last) = table.column_iter_mut().last() {
        last.set_padding((0, 0));
    }
    table
}

/// Never breaks the content of a column: an id in it can be selected and copied.
pub fn keep_whole(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

fn plain(terminal: &Term) -> Table {
    let mut table = Table::new();
    let width = terminal.size_checked().map(|(_, columns)| columns);
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width.unwrap_or(WIDTH_OF_A_PIPE));
    table
}

/// Prints a table.
pub fn show(table: &Table) {
    line(table.trim_fmt());
}

/// Prints a line as it is. A closed pipe, as from `head`, is not an error.
pub fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a sentence. It is broken between words, if the terminal is narrower.
pub fn sentence(text: impl Display) {
    line(broken(plain(&Term::stdout()), &text));
}

/// Prints an error to standard error. It is broken between words like a sentence.
pub fn error(text: impl Display) {
    let text = broken(plain(&Term::stderr()), &text);
    let _ = writeln!(io::stderr(), "{text}");
}

fn broken(mut table: Table, text: &dyn Display) -> String {
    table.add_row([shown(&text.to_string())]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
    }
    table.trim_fmt()
}

/// Prints a command for the next step, on a line of its own, so that it can be copied.
pub fn command(text: impl Display) {
    line(format_args!("  operate {text}"));
}

/// `1 pair`, or `2 pairs`.
pub fn counted(count: impl TryInto<u64>, one: &str, many: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let word = if count == 1 { one } else { many };
    format!("{count} {word}")
}

/// An argument of a command, quoted if the shell would take it apart.
pub fn quoted(argument: &str) -> String {
    let is_plain = |it: char| it.is_alphanumeric() || "-_./@+".contains(it);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// Prints a response as JSON.
pub fn json(response: &Value) {
    line(format_args!("{response:#}"));
}

/// A field of a response in readable form: `-` if it is missing, and times as times.
pub fn field(response: &Value, name: &str) -> String {
    let value = response.get(name).unwrap_or(&Value::Null);
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
        Value::String(text) => shown(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// Text without control characters, which a terminal would act on.
fn shown(text: &str) -> String {
    text.replace(|it: char| it.is_control() && it != '\n', "\u{fffd}")
}

/// Formats a time in milliseconds since 1970, or in seconds if the number is too small for that.
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
        let response = json!({"updatedAt": 1_795_465_156_715_u64, "version": 3, "reason": null});
        assert_eq!(field(&response, "updatedAt"), "2026-11-23T20:19:16Z");
        assert_eq!(
            (field(&response, "version"), field(&response, "reason")),
            ("3".into(), "-".into())
        );
    }

    #[test]
    fn an_argument_is_quoted_if_the_shell_would_take_it_apart() {
        assert_eq!(quoted("changed"), "changed");
        assert_eq!(quoted("changed users"), "'changed users'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(text(&json!("a\u{1b}[2Jb")), "a\u{fffd}[2Jb");
        assert_eq!(text(&json!(["a", "b"])), "a\nb");
    }
}
