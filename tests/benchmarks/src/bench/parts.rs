//! The parts of a cold start: differences between rows of one run.

use std::time::Duration;

use super::measure::Figures;
use super::programs::{FLOOR, Measured, NEWCOMER, SIGN, SIGN_PLAIN, SMALLEST};
use super::table;

/// The parts: a name, the row with the part, and the row without it.
const PARTS: [(&str, &str, Option<&str>); 4] = [
    ("process and runtime", FLOOR, None),
    (
        "roots of trust, the SDK's configuration and clients, the secret, the first response",
        SIGN_PLAIN,
        Some(FLOOR),
    ),
    (
        "the TLS handshake, both sides of it",
        SIGN,
        Some(SIGN_PLAIN),
    ),
    (
        "only without the flag: CPU jitter for the first random byte",
        NEWCOMER,
        Some(SMALLEST),
    ),
];

/// A table of the parts for which figures exist.
pub fn markdown(programs: &[Measured], figures: &[Figures]) -> String {
    let cold = |name: &str| {
        let mut rows = programs.iter().zip(figures);
        let row = rows.find(|(measured, _)| measured.program.name == name);
        row.map(|(_, figures)| figures.cold.median())
    };
    let mut table = "| part of a cold start | rows | ms |\n| --- | --- | ---: |\n".to_owned();
    for (part, with, without) in PARTS {
        let time = match without {
            None => cold(with),
            Some(without) => cold(with)
                .zip(cold(without))
                .map(|(it, less)| it.saturating_sub(less)),
        };
        if let Some(time) = time {
            let rows = without.map_or_else(
                || format!("`{with}`"),
                |without| format!("`{with}` − `{without}`"),
            );
            table += &table::row([part.to_owned(), rows, milliseconds(time)]);
        }
    }
    table
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::process::Program;
    use crate::bench::work::Kind;
    use crate::bench::world::Transport;

    #[test]
    fn a_part_is_the_difference_of_two_rows() {
        let rows = [(SIGN, 7), (SIGN_PLAIN, 5), (SMALLEST, 6)];
        let programs = rows.map(|(name, _)| Measured {
            program: Program::binary(name, "/bin/true".into()),
            kind: Kind::Sign,
            transport: Transport::Tls,
            size: 1,
            zipped: 1,
        });
        let figures = rows.map(|(_, cold)| Figures {
            cold: [Duration::from_millis(cold)].into_iter().collect(),
            ..Figures::default()
        });
        let table = markdown(&programs, &figures);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(
            table.ends_with("`sign-token` − `sign-token-without-tls` | 2.00 |\n"),
            "{table}"
        );
    }
}
