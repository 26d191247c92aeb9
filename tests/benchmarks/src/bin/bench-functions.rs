//! `cargo bench-functions`: measures the functions' release binaries, see `docs/benchmarks.md`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use benchmarks::bench::document::{self, Measurement};
use benchmarks::bench::limits::{Limit, limits};
use benchmarks::bench::machine::Machine;
use benchmarks::bench::measure::{Amount, measure};
use benchmarks::bench::processors::Processors;
use benchmarks::bench::programs::{self, Programs};
use benchmarks::bench::table;
use benchmarks::bench::world::World;
use clap::{Parser, ValueEnum};
use harness::lambda::workspace_root;

/// Measures each function's release binary beside its peers, cold and warm.
#[derive(Parser)]
#[command(name = "cargo bench-functions --")]
struct Arguments {
    /// Only these, separated by commas
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(programs::names()))]
    only: Vec<String>,
    /// Another build of sign-token, measured beside it under this name (may be repeated)
    #[arg(long, value_name = "NAME=FILE", value_parser = variant)]
    variant: Vec<(String, PathBuf)>,
    /// Few rounds: enough to check that it works, too few to quote
    #[arg(long)]
    quick: bool,
    /// The number of cold starts of each
    #[arg(long, default_value_t = 40, default_value_if("quick", "true", "5"))]
    cold: usize,
    /// The number of warm invocations of each
    #[arg(
        long,
        default_value_t = 20_000,
        default_value_if("quick", "true", "1000")
    )]
    warm: usize,
    /// Everything on one processor, or wherever the kernel puts it
    #[arg(long, value_enum, default_value_t = Pin::Yes)]
    pin: Pin,
    /// Also write the result into docs/benchmarks.md and the README
    #[arg(long, conflicts_with_all = ["only", "variant"])]
    write: bool,
    /// Fail if a limit is broken
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pin {
    Yes,
    No,
    Both,
}

fn variant(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (name, file) = text.split_once('=').ok_or("a name, `=`, and a file")?;
    Ok((name.to_owned(), file.into()))
}

// Not a tokio program: the stand-ins have their own runtime, and this thread reads the clock.
fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|it| it == name);
    let programs = programs::prepare(wanted, &arguments.variant)?;
    let amount = Amount {
        cold: arguments.cold,
        warm: arguments.warm,
    };
    let processors = Processors::allowed()?;
    let machine = Machine::this(&processors);
    let mut measurements = Vec::new();
    if arguments.pin != Pin::No {
        processors.pin()?;
        measurements.push(measured("Everything on one processor", &programs, amount)?);
        processors.release()?;
    }
    if arguments.pin != Pin::Yes {
        measurements.push(measured("Wherever the kernel puts it", &programs, amount)?);
    }
    let report = document::report(&machine, &command(), amount, &programs, &measurements);
    println!("{report}");
    if arguments.write {
        write("docs/benchmarks.md", &report)?;
        // The README quotes the first setting.
        if let Some((_, figures)) = measurements.first() {
            write("README.md", &table::short(&programs.measured, figures))?;
        }
    }
    let is_broken = measurements.iter().any(|(_, figures)| {
        let limits = limits(&programs.measured, figures);
        limits.iter().any(Limit::is_broken)
    });
    if arguments.check && is_broken {
        return Err("a limit is broken".into());
    }
    Ok(())
}

/// Writes `report` between the markers of a file.
fn write(file: &str, report: &str) -> Result<(), Box<dyn Error>> {
    let file = workspace_root().join(file);
    let document = std::fs::read_to_string(&file)?;
    Ok(std::fs::write(
        &file,
        document::replace(&document, report)?,
    )?)
}

/// Measures one setting, in its own world, whose threads stay on the processors of this one.
fn measured(
    setting: &str,
    programs: &Programs,
    amount: Amount,
) -> Result<Measurement, Box<dyn Error>> {
    eprintln!("measuring: {setting}");
    let world = World::start()?;
    let figures = measure(&world, &programs.measured, amount)?;
    Ok((setting.to_owned(), figures))
}

/// The command line of this run.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        return "cargo bench-functions".to_owned();
    }
    format!("cargo bench-functions -- {}", arguments.join(" "))
}
