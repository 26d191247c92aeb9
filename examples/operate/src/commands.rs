//! One function for each command: from its flags to events, and from the responses to the output.

mod check;
mod conflicts;
mod erase;
mod import;
mod progress;
mod runs;

use std::io;
use std::path::PathBuf;

use serde_json::Value;

use crate::backend::{Functions, InvokeError};
use crate::cli::{Arguments, Command};
use crate::output;

/// The function that clears conflicts.
const CLEANUP: &str = "clean-conflicts";

/// The outcome of a command, which determines the exit status.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, or there was nothing to do.
    Fine,
    /// It was done, and something needs a person.
    NotFine,
}

/// The reason why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The function did not do it.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// A file could not be read or written.
    #[error("{}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A flag has a value that is not allowed.
    #[error("{0}")]
    Flag(String),
    /// Another run did not end in time.
    #[error("another run is still at work; try again in some minutes")]
    AnotherRun,
}

/// Runs a command.
pub async fn run(arguments: Arguments) -> Result<Outcome, CommandError> {
    let session = Session {
        functions: Functions::find(&arguments.target).await?,
        json: arguments.json,
    };
    match arguments.command {
        Command::Check => check::check(&session).await,
        Command::Count => conflicts::count(&session).await,
        Command::List(list) => conflicts::list(&session, &list).await,
        Command::Show(show) => conflicts::show(&session, &show).await,
        Command::Resolve(resolve) => runs::resolve(&session, &resolve).await,
        Command::Approve(approve) => runs::approve(&session, &approve).await,
        Command::Recheck(recheck) => runs::recheck(&session, &recheck).await,
        Command::Close(close) => runs::close(&session, &close).await,
        Command::Undo(undo) => runs::undo(&session, &undo).await,
        Command::Drain => runs::drain(&session).await,
        Command::Import(import) => import::import(&session, &import).await,
        Command::Progress(progress) => progress::progress(&session, &progress).await,
        Command::Erase(erase) => erase::erase(&session, &erase).await,
    }
}

/// The functions, and the way responses are shown.
pub struct Session {
    functions: Functions,
    json: bool,
}

impl Session {
    /// Invokes the cleanup.
    async fn clean(&self, event: &Value) -> Result<Value, InvokeError> {
        self.functions.invoke(CLEANUP, event).await
    }

    /// Shows a response: as JSON if requested, else with `shown`.
    fn show(&self, response: &Value, shown: impl FnOnce(&Value)) {
        if self.json {
            output::json(response);
        } else {
            shown(response);
        }
    }
}

/// The items of a list in a response.
fn items<'a>(response: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    response
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A number in a response; 0 if it is missing.
fn number(response: &Value, name: &str) -> u64 {
    response
        .get(name)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}
