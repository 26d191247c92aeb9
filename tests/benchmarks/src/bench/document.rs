//! `docs/benchmarks.md` and the README: the program writes the text between the markers, people
//! write the rest.

use std::fmt::Write as _;

use super::limits;
use super::machine::Machine;
use super::measure::{Amount, Figures};
use super::parts;
use super::programs::Programs;
use super::table;

const BEGIN: &str = "<!-- measured:begin -->";
const END: &str = "<!-- measured:end -->";

/// With fewer measurements, a percentile says little.
const ENOUGH: Amount = Amount {
    cold: 30,
    warm: 20_000,
};

/// The document has no place for the measurements.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there must be one line {BEGIN}, and one line {END} after it")]
pub struct NoMarkers;

/// One setting, and its measurements.
pub type Measurement = (String, Vec<Figures>);

/// The report of one run.
pub fn report(
    machine: &Machine,
    command: &str,
    amount: Amount,
    programs: &Programs,
    measurements: &[Measurement],
) -> String {
    let (cold, warm) = (amount.cold, amount.warm);
    let mut report = format!(
        "Measured with `{command}`: {cold} cold starts and {warm} warm invocations of each.\n\n"
    );
    if amount.cold < ENOUGH.cold || amount.warm < ENOUGH.warm {
        report +=
            "**A quick run: it shows that everything works, but do not quote its figures.**\n\n";
    }
    report += &machine.describe();
    for (setting, figures) in measurements {
        let table = table::markdown(&programs.measured, figures);
        let first = table::first_requests(&programs.measured, figures);
        let limits = limits::markdown(&limits::limits(&programs.measured, figures));
        let parts = parts::markdown(&programs.measured, figures);
        // Writing to a string cannot fail.
        let _ = write!(
            report,
            "\n{setting}:\n\n{table}\nThe first request:\n\n{first}\nWhat must hold:\n\n{limits}\nWhere the time goes:\n\n{parts}"
        );
    }
    report += "\nWhat one event asks for:\n\n";
    let mut events: Vec<(&str, Vec<String>)> = Vec::new();
    for measured in &programs.measured {
        let (name, work) = (
            format!("`{}`", measured.program.name),
            measured.kind.describe(),
        );
        match events.iter_mut().find(|(event, _)| *event == work) {
            Some((_, names)) => names.push(name),
            None => events.push((work, vec![name])),
        }
    }
    for (work, names) in events {
        let _ = writeln!(report, "- {}: {work}.", names.join(", "));
    }
    for why in &programs.left_out {
        let _ = writeln!(report, "\n{why}.");
    }
    report
}

/// `document` with the text between the markers replaced by `report`.
pub fn replace(document: &str, report: &str) -> Result<String, NoMarkers> {
    let (before, rest) = once(document, BEGIN)?;
    let (_, after) = once(rest, END)?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", report.trim()))
}

fn once<'a>(text: &'a str, marker: &str) -> Result<(&'a str, &'a str), NoMarkers> {
    let (before, after) = text.split_once(marker).ok_or(NoMarkers)?;
    if after.contains(marker) {
        return Err(NoMarkers);
    }
    Ok((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::processors::Processors;

    #[test]
    fn a_run_that_is_too_short_says_so() {
        let machine = Machine::this(&Processors::allowed().unwrap());
        let says_quick = |cold, warm| {
            let amount = Amount { cold, warm };
            let report = report(&machine, "command", amount, &Programs::default(), &[]);
            report.contains("A quick run")
        };
        assert!(says_quick(29, 20_000) && says_quick(30, 19_999));
        assert!(!says_quick(30, 20_000));
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let document = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nby hand\n");
        let new = replace(&document, "| new |\n").unwrap();
        assert_eq!(
            new,
            format!("# Title\n\n{BEGIN}\n| new |\n{END}\n\nby hand\n")
        );
        assert_eq!(replace(&new, "| new |\n"), Ok(new.clone()));
    }

    #[test]
    fn a_document_without_both_markers_in_order_is_left_alone() {
        for document in [
            "no markers".to_owned(),
            BEGIN.to_owned(),
            format!("{END}\n{BEGIN}"),
            format!("{BEGIN}\n{BEGIN}\n{END}"),
            format!("{BEGIN}\n{END}\n{END}"),
        ] {
            assert_eq!(replace(&document, "new"), Err(NoMarkers), "{document}");
        }
    }
}
