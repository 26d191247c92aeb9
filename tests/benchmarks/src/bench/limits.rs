//! The limits for the figures of one run.

use std::time::Duration;

use super::measure::Figures;
use super::programs::{FLOOR, Measured, NEWCOMER, SIGN, SIGN_PLAIN, SMALLEST};
use super::table;

/// A ratio of two figures, and its maximum.
#[derive(Clone, Debug)]
pub struct Limit {
    what: String,
    ratio: f64,
    at_most: f64,
    /// Whether it is only an aim, which may be missed.
    is_aim: bool,
}

impl Limit {
    /// Whether it fails the run.
    pub fn is_broken(&self) -> bool {
        !self.is_aim && self.ratio > self.at_most
    }
}

/// The limits for which figures exist.
pub fn limits(programs: &[Measured], figures: &[Figures]) -> Vec<Limit> {
    let rows: Vec<(&str, &Figures)> = programs
        .iter()
        .map(|it| it.program.name.as_str())
        .zip(figures)
        .collect();
    let of = |name: &str| rows.iter().find(|(it, _)| *it == name).map(|(_, it)| *it);
    let mut limits = Vec::new();
    for (what, value, of_program, at_most, is_aim) in [
        (
            "cold start",
            cold as fn(&Figures) -> f64,
            SIGN_PLAIN,
            1.6,
            false,
        ),
        ("cold start", cold, NEWCOMER, 0.4, false),
        ("cold start", cold, FLOOR, 4.0, true),
        ("warm p50", warm, SMALLEST, 1.44, false),
        ("peak memory", memory, SMALLEST, 1.1, false),
    ] {
        if let (Some(sign), Some(other)) = (of(SIGN), of(of_program)) {
            limits.push(Limit {
                what: format!("{what} of `{SIGN}` ÷ `{of_program}`"),
                ratio: value(sign) / value(other),
                at_most,
                is_aim,
            });
        }
    }
    for (name, figures) in rows {
        if let Some(it) = &figures.first_request {
            limits.push(Limit {
                what: format!("first request of `{name}` ÷ a warm one on a new connection"),
                ratio: seconds(it.first.median()) / seconds(it.reconnected.median()),
                at_most: 1.5,
                is_aim: false,
            });
        }
    }
    limits
}

/// A table of the limits.
pub fn markdown(limits: &[Limit]) -> String {
    let mut table = "| ratio | measured | at most |\n| --- | ---: | ---: |\n".to_owned();
    for limit in limits {
        let at_most = match (limit.is_aim, limit.is_broken()) {
            (true, _) => format!("{} (aim)", limit.at_most),
            (false, true) => format!("{}: **broken**", limit.at_most),
            (false, false) => limit.at_most.to_string(),
        };
        let ratio = format!("{:.2}", limit.ratio);
        table += &table::row([limit.what.clone(), ratio, at_most]);
    }
    table
}

fn cold(figures: &Figures) -> f64 {
    seconds(figures.cold.median())
}

fn warm(figures: &Figures) -> f64 {
    seconds(figures.warm.median())
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn memory(figures: &Figures) -> f64 {
    figures.peak_memory as f64
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::FirstRequest;
    use crate::bench::process::Program;
    use crate::bench::work::Kind;
    use crate::bench::world::Transport;

    fn program(name: &str) -> Measured {
        Measured {
            program: Program::binary(name, "/bin/true".into()),
            kind: Kind::Sign,
            transport: Transport::Tls,
            size: 1,
            zipped: 1,
        }
    }

    fn figures(cold: u64) -> Figures {
        Figures {
            cold: [Duration::from_millis(cold)].into_iter().collect(),
            ..Figures::default()
        }
    }

    #[test]
    fn a_ratio_above_its_limit_breaks_the_run_and_a_missed_aim_does_not() {
        let programs = [SIGN, SIGN_PLAIN, FLOOR].map(program);
        let broken = |sign, plain| {
            let limits = limits(&programs, &[figures(sign), figures(plain), figures(1)]);
            assert_eq!(limits.len(), 2);
            (limits.iter().any(Limit::is_broken), markdown(&limits))
        };
        let (is_broken, table) = broken(16, 10);
        assert!(!is_broken && !table.contains("broken"), "{table}");
        assert!(table.contains("| 1.60 | 1.6 |") && table.contains("| 16.00 | 4 (aim) |"));
        let (is_broken, table) = broken(17, 10);
        assert!(
            is_broken && table.contains("| 1.70 | 1.6: **broken** |"),
            "{table}"
        );
    }

    #[test]
    fn the_first_request_is_compared_with_a_warm_one_on_a_new_connection() {
        let samples = |time| [Duration::from_millis(time)].into_iter().collect();
        let is_broken = |first| {
            let first_request = Some(FirstRequest {
                first: samples(first),
                reconnected: samples(10),
                kept: samples(1),
            });
            let figures = Figures {
                first_request,
                ..Figures::default()
            };
            limits(&[program("report-conflict")], &[figures])[0].is_broken()
        };
        assert!(!is_broken(15) && is_broken(16));
    }
}
