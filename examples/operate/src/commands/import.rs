//! `operate import`: imports a file, a thousand pairs at a time. Running it again continues where
//! it stopped, because an imported pair has no effect the second time.

use std::fs::File;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::conflicts::set;
use super::{CommandError, Outcome, Session, number};
use crate::backend::InvokeError;
use crate::cli::Import;
use crate::output;
use crate::pairs::{self, Pair, Refused};

/// Maximum pairs of one request.
const PAIRS: usize = 1000;
/// Maximum attempts of a request. A retry is harmless, because imported pairs are recognised.
const TRIES: usize = 5;

pub async fn import(session: &Session, import: &Import) -> Result<Outcome, CommandError> {
    let file = |error| CommandError::File {
        file: import.file.clone(),
        error,
    };
    let opened = File::open(&import.file).map_err(file)?;
    let (pairs, refused) = pairs::read(opened).map_err(file)?;
    let batch = batch(import)?;
    let not_before = import.not_before.as_deref().map(seconds).transpose()?;

    let bar = ProgressBar::new(u64::try_from(pairs.len()).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} pairs, {eta} left") {
        bar.set_style(style);
    }
    let (mut taken, mut known) = (0, 0);
    for chunk in pairs.chunks(PAIRS) {
        let mut event = json!({
            "action": "import",
            "batch": batch,
            "pairs": chunk.iter().map(|pair| [&pair.previous, &pair.current]).collect::<Vec<_>>(),
            "by": import.by,
        });
        set(&mut event, "notBefore", not_before.into());
        let response = sent(session, &event).await.inspect_err(|_| bar.abandon());
        let response = response.map_err(|error| with_line(error, chunk))?;
        taken += number(&response, "taken");
        known += number(&response, "known");
        bar.inc(u64::try_from(chunk.len()).unwrap_or_default());
    }
    bar.finish_and_clear();

    let written = written(import, &refused)?;
    let response = json!({
        "batch": batch, "taken": taken, "known": known, "refused": refused.len(),
        "refusedLines": written.as_deref().map(|file| file.display().to_string()),
    });
    session.show(&response, |_| {
        let pairs = output::counted(taken, "new pair", "new pairs");
        output::sentence(format_args!("{pairs} taken, {known} known before."));
        if let Some(file) = &written {
            let lines = output::counted(refused.len(), "line is", "lines are");
            let file = file.display();
            output::sentence(format_args!("{lines} refused; the reasons are in {file}."));
        }
        output::sentence("To see its progress:");
        output::command(format_args!("progress {} --watch", output::quoted(&batch)));
    });
    Ok(if refused.is_empty() {
        Outcome::Fine
    } else {
        Outcome::NotFine
    })
}

/// Sends a request, and retries it if the function could not be reached.
async fn sent(session: &Session, event: &Value) -> Result<Value, InvokeError> {
    let mut tries = 1;
    loop {
        match session.clean(event).await {
            Err(InvokeError::Unreachable { .. }) if tries < TRIES => tries += 1,
            Err(InvokeError::Refused { kind, .. }) if kind == "Unavailable" && tries < TRIES => {
                tries += 1;
            }
            response => return response,
        }
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
}

/// Names the line of the file before a message about `pairs[17]` of a request.
fn with_line(error: InvokeError, chunk: &[Pair]) -> InvokeError {
    let InvokeError::Refused { kind, message } = error else {
        return error;
    };
    let number = message
        .strip_prefix("pairs[")
        .and_then(|rest| rest.split(']').next());
    let pair = number.and_then(|number| chunk.get(number.parse::<usize>().ok()?));
    let message = match pair {
        Some(pair) => format!("line {}: {message}", pair.line),
        None => message,
    };
    InvokeError::Refused { kind, message }
}

fn batch(import: &Import) -> Result<String, CommandError> {
    let of_file = || import.file.file_stem()?.to_str().map(ToOwned::to_owned);
    let batch = import.batch.clone().or_else(of_file);
    batch.ok_or_else(|| CommandError::Flag("give the migration a name with --batch".to_owned()))
}

/// A time as seconds since 1970.
fn seconds(time: &str) -> Result<i64, CommandError> {
    if let Ok(seconds) = time.parse() {
        return Ok(seconds);
    }
    let time = OffsetDateTime::parse(time, &Rfc3339).map_err(|_| {
        let expected =
            "--not-before must be a time such as 2026-12-01T22:00:00Z, or seconds since 1970";
        CommandError::Flag(expected.to_owned())
    })?;
    Ok(time.unix_timestamp())
}

/// Writes the lines that are not pairs, if there are any.
fn written(import: &Import, refused: &[Refused]) -> Result<Option<PathBuf>, CommandError> {
    if refused.is_empty() {
        return Ok(None);
    }
    let file = import.refused.clone().unwrap_or_else(|| {
        let mut name = import.file.as_os_str().to_owned();
        name.push(".refused.csv");
        PathBuf::from(name)
    });
    let rows = refused.iter().map(|line| {
        let mut row = vec![line.line.to_string(), line.reason.clone()];
        row.extend(line.fields.iter().cloned());
        row
    });
    write_csv(&file, &["line", "reason", "previous", "current"], rows)?;
    Ok(Some(file))
}

/// Writes a CSV file.
pub fn write_csv(
    file: &Path,
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<(), CommandError> {
    let failed = |error: csv::Error| CommandError::File {
        file: file.to_owned(),
        error: error.into(),
    };
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_path(file)
        .map_err(failed)?;
    writer.write_record(header).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    writer.flush().map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_both_forms() {
        assert_eq!(seconds("1795348800").unwrap(), 1_795_348_800);
        assert_eq!(seconds("2026-11-22T12:00:00Z").unwrap(), 1_795_348_800);
        assert_eq!(seconds("2026-11-22T13:00:00+01:00").unwrap(), 1_795_348_800);
        assert!(seconds("tonight").is_err());
    }

    #[test]
    fn a_refused_pair_is_named_by_its_line() {
        let pair = |line| Pair {
            line,
            previous: String::new(),
            current: String::new(),
        };
        let refused = |message: &str| InvokeError::Refused {
            kind: "InvalidRequest".to_owned(),
            message: message.to_owned(),
        };
        let chunk = [pair(1002), pair(1004)];
        let error = with_line(refused("pairs[1][0] is empty"), &chunk);
        assert_eq!(
            error.to_string(),
            "InvalidRequest: line 1004: pairs[1][0] is empty"
        );
        for other in [
            "batch is empty",
            "pairs[7] is empty",
            "pairs must be a list",
        ] {
            let error = with_line(refused(other), &chunk);
            assert_eq!(error.to_string(), format!("InvalidRequest: {other}"));
        }
    }
}
