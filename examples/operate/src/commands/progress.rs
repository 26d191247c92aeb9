//! `operate progress`: shows the progress of a migration.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::conflicts::{counted, set};
use super::import::write_csv;
use super::{CommandError, Outcome, Session, items};
use crate::cli::Progress;
use crate::output::{self, field};

/// The interval of `--watch`.
const EVERY: Duration = Duration::from_secs(5);
/// Maximum pairs shown; a file gets all of them.
const SHOWN: usize = 100;
/// The states of pairs that are still worked on automatically.
const OPEN: [&str; 3] = ["pending", "in_progress", "confirming"];

pub async fn progress(session: &Session, progress: &Progress) -> Result<Outcome, CommandError> {
    let mut answer = first_page(session, progress).await?;
    if progress.watch {
        let bar = ProgressBar::new(total(&answer));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} pairs, {msg}") {
            bar.set_style(style);
        }
        loop {
            bar.set_length(total(&answer));
            bar.set_position(total(&answer) - open(&answer));
            bar.set_message(format!("{} need a person", count(&answer, "needs_review")));
            if open(&answer) == 0 {
                break;
            }
            tokio::time::sleep(EVERY).await;
            answer = first_page(session, progress).await?;
        }
        bar.finish_and_clear();
    }
    let is_left = open(&answer) > 0
        || ["needs_review", "failed"]
            .iter()
            .any(|state| count(&answer, state) > 0);
    let pairs = rest(session, progress, &mut answer).await?;
    if let Some(file) = &progress.csv {
        let columns = [
            "previousExternalId",
            "currentExternalId",
            "state",
            "reason",
            "conflictId",
        ];
        let rows = pairs.iter().map(|pair| {
            let text = |name| {
                pair.get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            columns.map(text).to_vec()
        });
        write_csv(file, &columns, rows)?;
    }
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("pairs".to_owned(), pairs.into());
        fields.remove("next");
    }
    session.show(&answer, |answer| shown(answer, progress));
    Ok(if is_left {
        Outcome::NotFine
    } else {
        Outcome::Fine
    })
}

async fn first_page(session: &Session, progress: &Progress) -> Result<Value, CommandError> {
    page(session, progress, Value::Null).await
}

async fn page(session: &Session, progress: &Progress, next: Value) -> Result<Value, CommandError> {
    let mut event = json!({"action": "progress", "batch": progress.batch});
    set(&mut event, "state", progress.state.clone().into());
    set(&mut event, "next", next);
    Ok(session.clean(&event).await?)
}

/// The pairs of all pages if they go into a file, else of as many pages as are shown.
async fn rest(
    session: &Session,
    progress: &Progress,
    answer: &mut Value,
) -> Result<Vec<Value>, CommandError> {
    let mut pairs: Vec<Value> = items(answer, "pairs").cloned().collect();
    let mut next = answer.get("next").cloned().unwrap_or_default();
    while !next.is_null() && (progress.csv.is_some() || pairs.len() < SHOWN) {
        let more = page(session, progress, next).await?;
        pairs.extend(items(&more, "pairs").cloned());
        next = more.get("next").cloned().unwrap_or_default();
    }
    Ok(pairs)
}

fn shown(answer: &Value, progress: &Progress) {
    output::line(counted(answer));
    let mut table = output::table(["previous", "current", "state", "reason", "conflict"]);
    let names = [
        "previousExternalId",
        "currentExternalId",
        "state",
        "reason",
        "conflictId",
    ];
    for pair in items(answer, "pairs").take(SHOWN) {
        table.add_row(names.map(|name| field(pair, name)));
    }
    if table.row_count() > 0 {
        output::line(table);
    }
    if items(answer, "pairs").count() >= SHOWN && progress.csv.is_none() {
        output::line("There may be more: --csv FILE takes them all.");
    }
}

/// The number of pairs in a state.
fn count(answer: &Value, state: &str) -> u64 {
    let reasons = answer.get("states").and_then(|states| states.get(state));
    let reasons = reasons.and_then(Value::as_object).into_iter().flatten();
    reasons.filter_map(|(_, count)| count.as_u64()).sum()
}

fn open(answer: &Value) -> u64 {
    OPEN.iter().map(|state| count(answer, state)).sum()
}

fn total(answer: &Value) -> u64 {
    let states = answer
        .get("states")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    states.map(|(state, _)| count(answer, state)).sum()
}
