//! `operate`: chat-identity from an operator's command line.
//!
//! It invokes the functions with the events of docs/cleanup.md, and shows the responses as tables,
//! or unchanged with `--json`.

mod backend;
mod cli;
mod commands;
mod output;
mod pairs;

use std::process::ExitCode;

use clap::Parser;

use cli::Arguments;
use commands::Outcome;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(Arguments::parse()).await {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::NotFine) => ExitCode::FAILURE,
        Err(error) => {
            output::error(error);
            ExitCode::FAILURE
        }
    }
}
