//! `cargo load` and `cargo load-functions`: how much load the local stack and the functions handle,
//! and how they respond to more.

use std::error::Error;
use std::process::ExitCode;

use benchmarks::load::{self, Options, Summary};
use clap::{Parser, Subcommand};
use harness::lambda::workspace_root;

/// Maximum wrong responses shown.
const SHOWN: usize = 10;

/// Sends requests at fixed times, regardless of earlier ones, and checks each response.
#[derive(Parser)]
#[command(name = "cargo load")]
struct Arguments {
    #[command(subcommand)]
    target: Target,
}

#[derive(Clone, Copy, Subcommand)]
enum Target {
    /// Send an hour's worth of traffic in a minute to the local stack, then more until it breaks
    Stack(Load),
    /// Send to each HTTP function's release binary, at higher and higher rates until it breaks
    Functions(Load),
}

#[derive(Clone, Copy, clap::Args)]
struct Load {
    /// Run everything for a few seconds with debug binaries, only to check that it works
    #[arg(long)]
    short: bool,
    /// The seed of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the table into docs/load.md
    #[arg(long)]
    write: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let target = Arguments::parse().target;
    let (Target::Stack(load) | Target::Functions(load)) = target;
    match run(target, load).await {
        Ok(summary) => ended(&summary),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(target: Target, load: Load) -> Result<Summary, Box<dyn Error>> {
    let options = Options {
        short: load.short,
        seed: load.seed,
    };
    println!("seed {}", load.seed);
    let summary = match target {
        Target::Stack(_) => load::local_stack(options).await?,
        Target::Functions(_) => load::functions(options).await?,
    };
    if load.write {
        summary.write(&workspace_root().join("docs/load.md"))?;
    }
    Ok(summary)
}

fn ended(summary: &Summary) -> ExitCode {
    let wrong = summary.wrong();
    for one in wrong.iter().take(SHOWN) {
        eprintln!("wrong: {one}");
    }
    println!("{} wrong", wrong.len());
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
