//! `operate count`, `list` and `show`.

use serde_json::{Value, json};

use super::{CommandError, Outcome, Session, items};
use crate::cli::{List, Show};
use crate::output::{self, field, instant, text};

/// Maximum conflicts in one response.
const PAGE: usize = 100;

/// The fields of a conflict in the order in which they are shown. Others follow.
const FIELDS: [&str; 15] = [
    "conflictId",
    "version",
    "state",
    "reason",
    "remedy",
    "now",
    "email",
    "holder",
    "claimants",
    "lineages",
    "attempts",
    "nextTryAt",
    "lastError",
    "sentAt",
    "archive",
];

/// Counts the conflicts.
pub async fn count(session: &Session) -> Result<Outcome, CommandError> {
    let response = session.clean(&json!({"action": "count"})).await?;
    session.show(&response, |response| {
        if is_empty(response) {
            return output::sentence("There is no conflict.");
        }
        output::show(&counted(response, "conflicts"));
        if let Some(due) = response.get("oldestDueAt").and_then(Value::as_u64) {
            let due = instant(due);
            output::sentence(format_args!("The oldest has been due since {due}."));
        }
        for state in ["needs_review", "failed"] {
            if count_of(response, state) > 0 {
                output::command(format_args!("list {state}"));
            }
        }
    });
    Ok(Outcome::Fine)
}

/// Whether a response counts nothing.
pub fn is_empty(response: &Value) -> bool {
    let states = response.get("states").and_then(Value::as_object);
    states.is_none_or(serde_json::Map::is_empty)
}

/// The number in a state.
pub fn count_of(response: &Value, state: &str) -> u64 {
    let reasons = response.get("states").and_then(|states| states.get(state));
    let reasons = reasons.and_then(Value::as_object).into_iter().flatten();
    reasons.filter_map(|(_, count)| count.as_u64()).sum()
}

/// The counts in a response, by state and reason.
pub fn counted(response: &Value, of_what: &str) -> comfy_table::Table {
    let mut table = output::table(["state", "reason", of_what]);
    let states = response.get("states").and_then(Value::as_object);
    for (state, reasons) in states.into_iter().flatten() {
        for (reason, count) in reasons.as_object().into_iter().flatten() {
            let reason = if reason == "none" { "-" } else { reason };
            table.add_row([state.clone(), reason.to_owned(), text(count)]);
        }
    }
    table
}

/// Lists conflicts, page by page.
pub async fn list(session: &Session, list: &List) -> Result<Outcome, CommandError> {
    let wanted = if list.all {
        usize::MAX
    } else {
        list.limit.max(1)
    };
    let (mut conflicts, mut next) = (Vec::new(), Value::Null);
    loop {
        let page = PAGE.min(wanted - conflicts.len());
        let mut event = json!({"action": "list", "state": list.state, "limit": page});
        set(&mut event, "reason", list.reason.clone().into());
        set(&mut event, "next", next);
        let response = session.clean(&event).await?;
        conflicts.extend(items(&response, "conflicts").cloned());
        next = response.get("next").cloned().unwrap_or_default();
        if next.is_null() || conflicts.len() >= wanted {
            break;
        }
    }
    let is_more = !next.is_null();
    session.show(&json!({"conflicts": conflicts, "next": next}), |response| {
        listed(response, list);
        if is_more {
            output::sentence("There are more: use --all.");
        }
    });
    Ok(Outcome::Fine)
}

/// Two lines for each conflict, so that a terminal of 80 columns has room for both ids. The first
/// begins with what `approve`, `close` and `undo` take.
fn listed(response: &Value, list: &List) {
    let mut table = output::table(["conflict and version\n  user", "remedy\nupdated", "reason"]);
    for conflict in items(response, "conflicts") {
        let it = |name| field(conflict, name);
        table.add_row([
            format!("{} {}\n  {}", it("conflictId"), it("version"), it("userId")),
            format!("{}\n{}", it("remedy"), to_the_minute(&it("updatedAt"))),
            it("reason"),
        ]);
    }
    if table.row_count() == 0 {
        let state = &list.state;
        return output::sentence(match &list.reason {
            Some(reason) => format!("No conflict is {state} because of {reason}."),
            None => format!("No conflict is {state}."),
        });
    }
    output::keep_whole(&mut table, 0);
    output::show(&table);
    output::sentence("Everything about one of them:");
    output::command("show CONFLICT");
}

/// A time without its seconds.
fn to_the_minute(time: &str) -> String {
    match time.get(..16) {
        Some(minute) => minute.replace('T', " "),
        None => time.to_owned(),
    }
}

/// Shows everything about the conflicts of a person.
pub async fn show(session: &Session, show: &Show) -> Result<Outcome, CommandError> {
    let event = match (&show.email_or_conflict, &show.external_id) {
        (Some(email), _) if email.contains('@') => json!({"action": "show", "email": email}),
        (Some(id), _) => json!({"action": "show", "conflictId": id}),
        (None, id) => json!({"action": "show", "externalId": id}),
    };
    let response = session.clean(&event).await?;
    session.show(&response, |response| {
        for conflict in items(response, "conflicts") {
            shown(conflict);
        }
        if items(response, "conflicts").next().is_none() {
            output::sentence("No conflict found. A record is kept until 90 days after its end.");
        }
    });
    Ok(Outcome::Fine)
}

/// Everything that a conflict has, and the commands that may follow.
fn shown(conflict: &Value) {
    let mut table = output::table(["field", "value"]);
    let fields = conflict.as_object();
    let rest = fields.into_iter().flatten().map(|(name, _)| name.as_str());
    let rest = rest.filter(|name| !FIELDS.contains(name));
    for name in FIELDS.into_iter().chain(rest) {
        let value = conflict.get(name).unwrap_or(&Value::Null);
        add_rows(&mut table, name, value, 0);
    }
    output::show(&table);
    let it = |name| field(conflict, name);
    let (id, version) = (it("conflictId"), it("version"));
    match (it("state").as_str(), it("remedy").as_str()) {
        ("needs_review" | "failed", _) => {
            output::sentence("Once its cause is fixed:");
            output::command(format_args!("recheck {id}"));
            output::sentence("To decide it yourself, with --by NAME:");
            output::command(format_args!("approve {id} {version} --remedy REMEDY"));
            output::command(format_args!("close {id} {version} --note TEXT"));
        }
        ("planned", remedy) if remedy != "-" => {
            output::sentence("To have it done, with --by NAME:");
            output::command(format_args!("approve {id} {version} --remedy {remedy}"));
        }
        ("resolved", "release-email") => {
            output::sentence("To take it back, with --by NAME:");
            output::command(format_args!("undo {id} {version}"));
        }
        _ => {}
    }
    output::line("");
}

/// Adds a row for each value that is not null or empty, and indents the values inside another one.
fn add_rows(table: &mut comfy_table::Table, name: &str, value: &Value, depth: usize) {
    let label = format!("{:1$}{name}", "", 2 * depth);
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            table.add_row([label]);
            for (inner, value) in fields {
                add_rows(table, inner, value, depth + 1);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            for (number, value) in (1..).zip(values) {
                add_rows(table, &format!("{name} {number}"), value, depth);
            }
        }
        Value::Array(values) if values.is_empty() => {}
        _ => {
            table.add_row([label, field(&json!({ name: value }), name)]);
        }
    }
}

/// Sets a field of an event, unless the value is null.
pub fn set(event: &mut Value, name: &str, value: Value) {
    if let (false, Some(fields)) = (value.is_null(), event.as_object_mut()) {
        fields.insert(name.to_owned(), value);
    }
}
