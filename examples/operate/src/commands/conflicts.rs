//! `operate count`, `list` and `show`.

use serde_json::{Value, json};

use super::{CommandError, Outcome, Session, items};
use crate::cli::{List, Show};
use crate::output::{self, field, instant, text};

/// Maximum conflicts in one response.
const PAGE: usize = 100;

/// Counts the conflicts.
pub async fn count(session: &Session) -> Result<Outcome, CommandError> {
    let answer = session.clean(&json!({"action": "count"})).await?;
    session.show(&answer, |answer| {
        output::line(counted(answer));
        if let Some(due) = answer.get("oldestDueAt").and_then(Value::as_u64) {
            output::line(format_args!("The oldest is due since {}.", instant(due)));
        }
    });
    Ok(Outcome::Fine)
}

/// The counts in a response, by state and reason.
pub fn counted(answer: &Value) -> comfy_table::Table {
    let mut table = output::table(["state", "reason", "conflicts"]);
    let states = answer.get("states").and_then(Value::as_object);
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
        let answer = session.clean(&event).await?;
        conflicts.extend(items(&answer, "conflicts").cloned());
        next = answer.get("next").cloned().unwrap_or_default();
        if next.is_null() || conflicts.len() >= wanted {
            break;
        }
    }
    let is_more = !next.is_null();
    session.show(&json!({"conflicts": conflicts, "next": next}), |answer| {
        let mut table =
            output::table(["conflict", "version", "remedy", "reason", "user", "updated"]);
        for conflict in items(answer, "conflicts") {
            let names = [
                "conflictId",
                "version",
                "remedy",
                "reason",
                "userId",
                "updatedAt",
            ];
            table.add_row(names.map(|name| field(conflict, name)));
        }
        output::line(table);
        if is_more {
            output::line("There are more: use --all.");
        }
    });
    Ok(Outcome::Fine)
}

/// Shows everything about the conflicts of a person.
pub async fn show(session: &Session, show: &Show) -> Result<Outcome, CommandError> {
    let event = match (&show.whom_or_what, &show.external_id) {
        (Some(email), _) if email.contains('@') => json!({"action": "show", "email": email}),
        (Some(id), _) => json!({"action": "show", "conflictId": id}),
        (None, id) => json!({"action": "show", "externalId": id}),
    };
    let answer = session.clean(&event).await?;
    session.show(&answer, |answer| {
        let mut is_empty = true;
        for conflict in items(answer, "conflicts") {
            is_empty = false;
            let mut table = output::table(["field", "value"]);
            for (name, value) in conflict.as_object().into_iter().flatten() {
                add_rows(&mut table, name, value);
            }
            output::line(table);
        }
        if is_empty {
            output::line("No conflict found.");
        }
    });
    Ok(Outcome::Fine)
}

/// Adds a row for each value, at any depth.
fn add_rows(table: &mut comfy_table::Table, name: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (inner, value) in fields {
                add_rows(table, &format!("{name}.{inner}"), value);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            for (number, value) in (1..).zip(values) {
                add_rows(table, &format!("{name} {number}"), value);
            }
        }
        _ => {
            let last = name.rsplit(['.', ' ']).next().unwrap_or(name);
            let shown = field(&json!({ last: value }), last);
            table.add_row([name.to_owned(), shown]);
        }
    }
}

/// Sets a field of an event, unless the value is null.
pub fn set(event: &mut Value, name: &str, value: Value) {
    if let (false, Some(fields)) = (value.is_null(), event.as_object_mut()) {
        fields.insert(name.to_owned(), value);
    }
}
