//! The commands that a run carries out: `resolve`, `approve`, `recheck`, `close`, `undo`, `drain`.

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::conflicts::set;
use super::{CommandError, Outcome, Session, items, number};
use crate::cli::{Approve, Close, Recheck, Resolve, Undo};
use crate::output::{self, field};

/// The interval at which to retry while another run is active, because runs never overlap.
const WAIT: Duration = Duration::from_secs(5);
/// Maximum retries: six minutes in total, and a run takes at most five.
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
    let mut table = output::table(["conflict", "state\n  reason", "remedy"]);
    for conflict in items(report, "conflicts") {
        let it = |name| field(conflict, name);
        let state = match it("reason").as_str() {
            "-" => it("state"),
            reason => format!("{}\n  {reason}", it("state")),
        };
        table.add_row([it("conflictId"), state, it("remedy")]);
    }
    if table.row_count() > 0 {
        output::keep_whole(&mut table, 0);
        output::show(&table);
    }
    output::sentence(summary(report));
    let stopped = field(report, "stoppedBecause");
    if stopped != "-" {
        output::sentence(format_args!(
            "The run stopped because of {stopped}: see docs/cleanup.md."
        ));
    }
    if number(report, "needsReview") > 0 {
        output::command("list needs_review");
    }
    if number(report, "failed") > 0 {
        output::command("list failed");
    }
}

/// The counts of a report that are not 0, in words.
fn summary(report: &Value) -> String {
    let counts = [
        ("resolved", "resolved"),
        ("planned", "planned"),
        ("notAConflict", "not a conflict"),
        ("needsReview", "for a person to review"),
        ("deferred", "left for a later run"),
        ("failed", "failed"),
    ];
    let counts = counts.map(|(name, words)| (number(report, name), words));
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let examined = output::counted(number(report, "examined"), "conflict", "conflicts");
    let requests = output::counted(number(report, "requests"), "request", "requests");
    let colon = if counts.is_empty() { "" } else { ": " };
    format!(
        "Examined {examined}{colon}{}. {requests} to Zendesk.",
        counts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_omits_counts_of_zero() {
        let report =
            json!({"examined": 2, "resolved": 1, "planned": 0, "needsReview": 1, "requests": 11});
        assert_eq!(
            summary(&report),
            "Examined 2 conflicts: 1 resolved, 1 for a person to review. 11 requests to Zendesk."
        );
        assert_eq!(
            summary(&json!({"examined": 0, "requests": 1})),
            "Examined 0 conflicts. 1 request to Zendesk."
        );
    }
}
