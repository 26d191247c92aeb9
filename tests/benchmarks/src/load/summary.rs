//! The table of the measurements, printed and written into the docs.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::open_loop::Measured;

/// The markers around the generated text in the docs.
const BEGIN: &str = "<!-- load:begin -->";
const END: &str = "<!-- load:end -->";

const HEAD: &str = "| load | offered/s | served/s | refused | wrong | p50 ms | p99 ms | p99.9 ms | sent late, p99 ms |\n\
     | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |";

/// One load and its results.
#[derive(Debug)]
pub struct Row {
    what: String,
    rate: f64,
    span: Duration,
    measured: Measured,
}

/// The summary of a program.
#[derive(Debug, Default)]
pub struct Summary {
    heading: &'static str,
    conditions: String,
    rows: Vec<Row>,
    /// The errors found; there must be none.
    wrong: Vec<String>,
}

impl Row {
    pub(super) fn new(what: String, rate: f64, span: Duration, measured: Measured) -> Self {
        Self {
            what,
            rate,
            span,
            measured,
        }
    }
}

impl Summary {
    pub(super) fn new(heading: &'static str, conditions: String) -> Self {
        println!("{heading}: {conditions}\n\n{HEAD}");
        Self {
            heading,
            conditions,
            ..Self::default()
        }
    }

    /// Adds a row, and prints it.
    pub(super) fn add(&mut self, row: Row) {
        self.wrong.extend(row.measured.wrong.iter().cloned());
        println!("{}", line(&row));
        self.rows.push(row);
    }

    pub(super) fn add_wrong(&mut self, wrong: impl IntoIterator<Item = String>) {
        self.wrong.extend(wrong);
    }

    /// All errors: responses that are not as designed or belong to another user, and promised
    /// records that are missing.
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// The table under its heading, as Markdown.
    pub fn markdown(&self) -> String {
        let mut table = format!("### {}\n\n{}\n\n{HEAD}", self.heading, self.conditions);
        for row in &self.rows {
            let _ = write!(table, "\n{}", line(row));
        }
        table.push('\n');
        table
    }

    /// Writes the table into the docs, in place of the one under its heading.
    ///
    /// # Errors
    /// If the file cannot be read or written, or has no place for it.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("# Load\n\n{BEGIN}\n{END}\n")
            }
            read => read?,
        };
        let written = placed(&text, self.heading, &self.markdown());
        let message = || format!("{} has no {BEGIN} and {END}", file.display());
        std::fs::write(file, written.ok_or_else(|| io::Error::other(message()))?)
    }
}

/// `text` with `section` between the markers, in place of the one with the same heading; `None` if
/// there are no markers.
fn placed(text: &str, heading: &str, section: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (there, after) = rest.split_once(END)?;
    let is_other = |one: &&str| {
        let of = one.lines().next().unwrap_or_default().trim();
        !of.is_empty() && of != heading
    };
    let mut sections: Vec<String> = there
        .split("### ")
        .filter(is_other)
        .map(|other| format!("### {}\n", other.trim_end()))
        .collect();
    sections.push(section.to_owned());
    sections.sort();
    Some(format!(
        "{before}{BEGIN}\n{}{END}{after}",
        sections.join("\n")
    ))
}

/// A description of the machine and its other load: the load, the stand-ins and the functions share
/// it.
pub(super) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let build = if cfg!(debug_assertions) {
        "unoptimised"
    } else {
        "optimised"
    };
    let busy = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').next().unwrap_or_default();
    format!(
        "sent by an {build} build that shares {processors} processors with what it loads (load average at the start: {busy})"
    )
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn line(row: &Row) -> String {
    let measured = &row.measured;
    let millis = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let refused: Vec<String> = measured
        .refused
        .iter()
        .map(|(how, count)| format!("{count} × {how}"))
        .collect();
    let refused = if refused.is_empty() {
        "0".to_owned()
    } else {
        refused.join(", ")
    };
    format!(
        "| {} | {:.0} | {:.0} | {refused} | {} | {} | {} | {} | {} |",
        row.what,
        row.rate,
        measured.served.len() as f64 / row.span.as_secs_f64(),
        measured.wrong.len(),
        millis(measured.latency(0.5)),
        millis(measured.latency(0.99)),
        millis(measured.latency(0.999)),
        millis(measured.lag(0.99)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_only_the_one_with_its_heading() {
        let empty = format!("# Benchmarks\n\n{BEGIN}\n{END}\n\nmore\n");
        let first = placed(&empty, "B", "### B\n\nold\n").unwrap();
        let both = placed(&first, "A", "### A\n\nother\n").unwrap();
        let again = placed(&both, "B", "### B\n\nnew\n").unwrap();
        assert_eq!(
            again,
            format!("# Benchmarks\n\n{BEGIN}\n### A\n\nother\n\n### B\n\nnew\n{END}\n\nmore\n")
        );
        assert_eq!(placed(&again, "B", "### B\n\nnew\n").unwrap(), again);
        assert_eq!(placed("no marks", "A", ""), None);
    }
}
