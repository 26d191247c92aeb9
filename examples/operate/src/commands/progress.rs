//! `operate progress`: shows the progress of a migration.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::conflicts::{count_of, counted, is_empty, set};
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
    let mut response = first_page(session, progress).await?;
    if progress.watch {
        let bar = ProgressBar::new(total(&response));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} pairs, {msg}") {
            bar.set_style(style);
        }
        loop {
            bar.set_length(total(&response));
            bar.set_position(total(&response) - open(&response));
            bar.set_message(format!(
                "{} for a person",
                count_of(&response, "needs_review")
            ));
            if open(&response) == 0 {
                break;
            }
            tokio::time::sleep(EVERY).await;
            response = first_page(session, progress).await?;
        }
        bar.finish_and_clear();
    }
    // A name that no import has used is probably a mistake.
    let is_left = is_empty(&response)
        || open(&response) > 0
        || ["needs_review", "failed"]
            .iter()
            .any(|state| count_of(&response, state) > 0);
    let pairs = rest(session, progress, &mut response).await?;
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
    if let Some(fields) = response.as_object_mut() {
        fields.insert("pairs".to_owned(), pairs.into());
        fields.remove("next");
    }
    session.show(&response, |response| shown(response, progress));
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
    response: &mut Value,
) -> Result<Vec<Value>, CommandError> {
    let mut pairs: Vec<Value> = items(response, "pairs").cloned().collect();
    let mut next = response.get("next").cloned().unwrap_or_default();
    while !next.is_null() && (progress.csv.is_some() || pairs.len() < SHOWN) {
        let more = page(session, progress, next).await?;
        pairs.extend(items(&more, "pairs").cloned());
        next = more.get("next").cloned().unwrap_or_default();
    }
    Ok(pairs)
}

/// Two lines for each pair, so that a terminal of 80 columns has room for all of its ids.
fn shown(response: &Value, progress: &Progress) {
    if is_empty(response) {
        let batch = &progress.batch;
        return output::sentence(format_args!("No pair was imported as {batch:?}."));
    }
    output::show(&counted(response, "pairs"));
    let mut table = output::table(["previous\n  state, reason", "current\n  conflict"]);
    for pair in items(response, "pairs").take(SHOWN) {
        let it = |name| field(pair, name);
        let state = match it("reason").as_str() {
            "-" => it("state"),
            reason => format!("{}, {reason}", it("state")),
        };
        table.add_row([
            format!("{}\n  {state}", it("previousExternalId")),
            format!("{}\n  {}", it("currentExternalId"), it("conflictId")),
        ]);
    }
    if table.row_count() > 0 {
        output::line("");
        output::show(&table);
    }
    if items(response, "pairs").count() >= SHOWN && progress.csv.is_none() {
        output::sentence("There may be more: --csv FILE writes all of them.");
    }
    if count_of(response, "planned") > 0 {
        output::sentence("Planned pairs are worked on as soon as REMEDY allows it.");
    }
}

fn open(response: &Value) -> u64 {
    OPEN.iter().map(|state| count_of(response, state)).sum()
}

fn total(response: &Value) -> u64 {
    let states = response
        .get("states")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    states.map(|(state, _)| count_of(response, state)).sum()
}
