//! The commands that a run carries out: `resolve`, `approve`, `recheck`, `close`, `undo`, `drain`.

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::conflicts::set;
use super::{CommandError, Outcome, Session, items, number};
use crate::cli::{Approve, Close, Recheck, Resolve, Undo};
use crate::output::{self, field};

/// The interval at which to retry while another run is active. Runs never overlap, and one takes at
/// most five minutes.
const WAIT: Duration = Duration::from_secs(5);
const WAITS: u32 = 72;

pub async fn resolve(session: &Session, resolve: &Resolve) -> Result<Outcome, CommandError> {
    let mut event = json!({
        "action": "resolve",
        "previousExternalId": resolve.previous,
        "currentExternalId": resolve.current,
        "dryRun": resolve.dry_run,
    });
    set(&mut event, "remedy", resolve.remedy.clone().into());
    set(&mut event, "by", resolve.by.clone().into());
    reported(session, &event).await
}

pub async fn approve(session: &Session, approve: &Approve) -> Result<Outcome, CommandError> {
    let event = json!({
        "action": "approve",
        "conflictId": approve.conflict,
        "version": approve.version,
        "remedy": approve.remedy,
        "by": approve.by,
    });
    reported(session, &event).await
}

pub async fn recheck(session: &Session, recheck: &Recheck) -> Result<Outcome, CommandError> {
    let mut event = json!({"action": "recheck"});
    set(&mut event, "conflictId", recheck.conflict.clone().into());
    set(&mut event, "state", recheck.state.clone().into());
    set(&mut event, "reason", recheck.reason.clone().into());
    reported(session, &event).await
}

pub async fn close(session: &Session, close: &Close) -> Result<Outcome, CommandError> {
    let event = json!({
        "action": "close",
        "conflictId": close.conflict,
        "version": close.version,
        "note": close.note,
        "by": close.by,
    });
    reported(session, &event).await
}

pub async fn undo(session: &Session, undo: &Undo) -> Result<Outcome, CommandError> {
    let event = json!({
        "action": "undo",
        "conflictId": undo.conflict,
        "version": undo.version,
        "by": undo.by,
    });
    reported(session, &event).await
}

pub async fn drain(session: &Session) -> Result<Outcome, CommandError> {
    reported(session, &json!({"action": "drain"})).await
}

/// Sends an event until no other run blocks it, and shows the report.
async fn reported(session: &Session, event: &Value) -> Result<Outcome, CommandError> {
    let waiting = ProgressBar::new_spinner();
    for _ in 0..WAITS {
        let report = session.clean(event).await?;
        let stopped = report.get("stoppedBecause").and_then(Value::as_str);
        if stopped == Some("another_run") {
            waiting.set_message("another run is active; waiting for its end");
            waiting.enable_steady_tick(Duration::from_millis(200));
            tokio::time::sleep(WAIT).await;
            continue;
        }
        waiting.finish_and_clear();
        session.show(&report, shown);
        let is_left = ["needsReview", "failed"]
            .iter()
            .any(|name| number(&report, name) > 0);
        let is_stopped = !matches!(stopped, None | Some("max_actions"));
        return Ok(if is_left || is_stopped {
            Outcome::NotFine
        } else {
            Outcome::Fine
        });
    }
    Err(CommandError::AnotherRun)
}

fn shown(report: &Value) {
    let mut table = output::table(["conflict", "state", "remedy", "reason"]);
    for conflict in items(report, "conflicts") {
        let names = ["conflictId", "state", "remedy", "reason"];
        table.add_row(names.map(|name| field(conflict, name)));
    }
    if table.row_count() > 0 {
        output::line(table);
    }
    let counts = [
        ("examined", "examined"),
        ("resolved", "resolved"),
        ("planned", "planned"),
        ("notAConflict", "not a conflict"),
        ("needsReview", "need a person"),
        ("deferred", "deferred"),
        ("failed", "failed"),
        ("requests", "requests to Zendesk"),
    ];
    let counts = counts.map(|(name, words)| format!("{} {words}", number(report, name)));
    output::line(counts.join(", "));
    let stopped = field(report, "stoppedBecause");
    if stopped != "-" {
        output::line(format_args!(
            "The run stopped because of {stopped}: see docs/cleanup.md."
        ));
    }
}
