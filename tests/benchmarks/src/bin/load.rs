//! `cargo load` and `cargo load-functions`: how much it bears, and what it says when that is more
//! than it can.

use std::error::Error;
use std::process::ExitCode;

use benchmarks::load::{self, Options, Summary};
use clap::{Parser, Subcommand};
use harness::lambda::workspace_root;

/// How many wrong answers are shown.
const SHOWN: usize = 10;

/// Sends requests at their times, whatever becomes of those before them, and checks each answer.
#[derive(Parser)]
#[command(name = "cargo load")]
struct Arguments {
    #[command(subcommand)]
    target: Target,
}

#[derive(Clone, Copy, Subcommand)]
enum Target {
    /// An hour's worth of traffic in a minute at the local stack, then more to where it breaks
    Stack(Load),
    /// Each HTTP function's release binary, at higher and higher rates to where it breaks
    Functions(Load),
}

#[derive(Clone, Copy, clap::Args)]
struct Load {
    /// A few seconds of all of it, with debug binaries: that it works, not how well
    #[arg(long)]
    short: bool,
    /// Where the random numbers start
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
