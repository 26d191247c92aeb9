//! The table: Markdown for the document, and the same for the terminal.

use std::fmt::Write as _;
use std::time::Duration;

use super::measure::Figures;
use super::programs::{Measured, NEWCOMER, SIGN, SMALLEST};
use super::statistics::Samples;

const COLUMNS: [&str; 13] = [
    "program",
    "cold, ms",
    "× smallest",
    "p90",
    "init, ms",
    "warm p50, µs",
    "× smallest",
    "p99",
    "peak RSS, MB",
    "× smallest",
    "CPU s for 1,000",
    "size, MB",
    "zipped",
];

/// The rows of the README.
const README: [(&str, &str); 4] = [
    (SIGN, "`sign-token`, with its logs and metrics"),
    (SMALLEST, "the smallest function on the same crates"),
    (
        NEWCOMER,
        "the same, built without this project's flag for AWS-LC",
    ),
    (
        "node",
        "the same in Node, with `jsonwebtoken` and AWS's runtime client",
    ),
];

/// A table of the measurements. Times are medians unless stated otherwise, and MB are 1,000,000
/// bytes.
pub fn markdown(programs: &[Measured], figures: &[Figures]) -> String {
    let rows: Vec<(&Measured, &Figures)> = programs.iter().zip(figures).collect();
    let smallest = rows.iter().find(|(it, _)| it.program.name == SMALLEST);
    let smallest = smallest.map(|(_, figures)| *figures);
    let mut table = row(COLUMNS.map(str::to_owned));
    table += "| --- |";
    table += &" ---: |".repeat(COLUMNS.len() - 1);
    table += "\n";
    for (measured, figures) in rows {
        table += &row(cells(measured, figures, smallest));
    }
    table
}

fn cells(measured: &Measured, figures: &Figures, smallest: Option<&Figures>) -> [String; 13] {
    let (cold, warm) = (&figures.cold, &figures.warm);
    let times = |value: fn(&Figures) -> f64| times(value(figures), smallest.map(value));
    [
        format!("`{}`", measured.program.name),
        milliseconds(cold.median()),
        times(|it| it.cold.median().as_secs_f64()),
        milliseconds(cold.per_mille(900)),
        milliseconds(figures.init.median()),
        microseconds(warm.median()),
        times(|it| it.warm.median().as_secs_f64()),
        microseconds(warm.per_mille(990)),
        megabytes(figures.peak_memory),
        #[allow(clippy::cast_precision_loss)] // far below 2^52
        times(|it| it.peak_memory as f64),
        format!("{:.3}", figures.processor_time.as_secs_f64() * 1000.0),
        megabytes(measured.size),
        megabytes(measured.zipped),
    ]
}

/// The few figures of the README.
pub fn short(programs: &[Measured], figures: &[Figures]) -> String {
    let header = ["program", "cold start", "warm, p50", "peak memory"];
    let mut table = row(header.map(str::to_owned));
    table += "| --- | ---: | ---: | ---: |\n";
    for (name, title) in README {
        let row_of = |(measured, _): &(&Measured, &Figures)| measured.program.name == name;
        if let Some((_, figures)) = programs.iter().zip(figures).find(row_of) {
            table += &row([
                title.to_owned(),
                format!("{} ms", milliseconds(figures.cold.median())),
                format!("{} µs", microseconds(figures.warm.median())),
                format!("{} MB", megabytes(figures.peak_memory)),
            ]);
        }
    }
    table
}

/// The first requests of the programs that need an upstream, in milliseconds.
pub fn first_requests(programs: &[Measured], figures: &[Figures]) -> String {
    let mut table = row([
        "program",
        "first request after init, ms",
        "warm, on a new connection",
        "×",
        "warm, on a kept connection",
    ]
    .map(str::to_owned));
    table += "| --- | ---: | ---: | ---: | ---: |\n";
    for (measured, figures) in programs.iter().zip(figures) {
        let Some(first_request) = &figures.first_request else {
            continue;
        };
        let [first, reconnected, kept] = [
            &first_request.first,
            &first_request.reconnected,
            &first_request.kept,
        ]
        .map(Samples::median);
        table += &row([
            format!("`{}`", measured.program.name),
            milliseconds(first),
            milliseconds(reconnected),
            times(first.as_secs_f64(), Some(reconnected.as_secs_f64())),
            milliseconds(kept),
        ]);
    }
    table
}

/// A row of a table.
pub fn row<const N: usize>(cells: [String; N]) -> String {
    let mut row = "|".to_owned();
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(row, " {cell} |");
    }
    row + "\n"
}

/// The ratio to the smallest value. No measurement is zero, so zero means that there is none.
fn times(value: f64, smallest: Option<f64>) -> String {
    let smallest = smallest.filter(|it| *it > 0.0);
    smallest.map_or_else(String::new, |it| format!("{:.2}", value / it))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn microseconds(time: Duration) -> String {
    thousands(time.as_secs_f64() * 1e6)
}

fn megabytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.1}")
}

/// A whole number with commas; one decimal if it has few digits.
fn thousands(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::process::Program;
    use crate::bench::work::Kind;
    use crate::bench::world::Transport;

    fn measured(name: &str) -> Measured {
        Measured {
            program: Program::binary(name, "/bin/true".into()),
            kind: Kind::Sign,
            transport: Transport::Tls,
            size: 7_654_321,
            zipped: 3_000_000,
        }
    }

    fn figures(cold: u64, warm: u64, peak_memory: u64) -> Figures {
        Figures {
            init: [Duration::from_millis(cold - 1)].into_iter().collect(),
            cold: [Duration::from_millis(cold)].into_iter().collect(),
            warm: [Duration::from_micros(warm)].into_iter().collect(),
            peak_memory,
            processor_time: Duration::from_micros(17),
            first_request: None,
        }
    }

    #[test]
    fn a_row_contains_the_figures_and_their_ratios_to_the_smallest() {
        let programs = [measured("node"), measured(SMALLEST)];
        let table = markdown(
            &programs,
            &[figures(60, 1500, 70_000_000), figures(6, 20, 8_000_000)],
        );
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "| `node` | 60.00 | 10.00 | 60.00 | 59.00 | 1,500 | 75.00 | 1,500 \
                 | 70.0 | 8.75 | 0.017 | 7.7 | 3.0 |",
                "| `smallest` | 6.00 | 1.00 | 6.00 | 5.00 | 20.0 | 1.00 | 20.0 \
                 | 8.0 | 1.00 | 0.017 | 7.7 | 3.0 |",
            ]
        );
        let columns = |line: &&str| line.matches('|').count();
        assert!(lines.iter().map(columns).all(|it| it == 14), "{table}");
    }

    #[test]
    fn without_the_smallest_there_are_no_ratios() {
        let table = markdown(&[measured("node")], &[figures(60, 543, 70)]);
        assert!(table.contains("| `node` | 60.00 |  | 60.00 |"), "{table}");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(1_234_567.8), "1,234,568");
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(thousands(100.0), "100");
        assert_eq!(thousands(23.45), "23.4");
    }
}
