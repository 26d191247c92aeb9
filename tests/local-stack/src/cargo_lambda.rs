//! Finds cargo-lambda, or installs a pinned version into the target folder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::ProgressBar;

/// The version to install if none is found.
pub const VERSION: &str = "1.9.2";

/// The reason why cargo-lambda is missing.
#[derive(Debug, thiserror::Error)]
pub enum CargoLambdaError {
    /// Its folder cannot be used.
    #[error("{0}: {1}")]
    Folder(PathBuf, io::Error),
    /// Both ways of installing it failed.
    #[error(
        "cargo-lambda {VERSION} could not be installed.\n\
         Install it by hand, in one of these ways, and try again:\n\
         \x20 pip install cargo-lambda=={VERSION}\n\
         \x20 cargo install --locked cargo-lambda@{VERSION}\n\
         What failed:\n{0}"
    )]
    Install(String),
}

/// Returns the program: from `PATH`, else from `target/tools`, else newly installed there, which
/// takes seconds with Python and a quarter of an hour without.
pub fn find_or_install(target: &Path) -> Result<PathBuf, CargoLambdaError> {
    let on_path = PathBuf::from("cargo-lambda");
    if works(&on_path) {
        return Ok(on_path);
    }
    let tools = target.join("tools");
    let folder = |error| CargoLambdaError::Folder(tools.clone(), error);
    std::fs::create_dir_all(&tools).map_err(folder)?;
    // Two simultaneous runs must install it only once.
    let lock = File::create(tools.join("cargo-lambda.lock")).map_err(folder)?;
    lock.lock().map_err(folder)?;

    let by_wheel = tools.join(format!("cargo-lambda-{VERSION}"));
    let by_cargo = tools.join("bin/cargo-lambda");
    let in_wheel = by_wheel.join("bin/cargo-lambda");
    if let Some(found) = [&in_wheel, &by_cargo].into_iter().find(|path| works(path)) {
        return Ok(found.clone());
    }
    let wheel = install_wheel(&by_wheel).and_then(|()| runnable(in_wheel));
    wheel.or_else(|from_wheel| {
        build(&tools)
            .and_then(|()| runnable(by_cargo))
            .map_err(|from_cargo| {
                CargoLambdaError::Install(format!("  {from_wheel}\n  {from_cargo}"))
            })
    })
}

/// Whether its version has everything that the stack needs.
fn works(program: &Path) -> bool {
    let output = Command::new(program).args(["lambda", "--version"]).output();
    let Ok(output) = output else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text
        .split([' ', '.'])
        .filter_map(|part| part.parse::<u32>().ok());
    let version = (numbers.next(), numbers.next());
    output.status.success() && version >= (Some(1), Some(9))
}

fn runnable(program: PathBuf) -> Result<PathBuf, String> {
    if works(&program) {
        Ok(program)
    } else {
        Err(format!("{} does not run", program.display()))
    }
}

fn install_wheel(folder: &Path) -> Result<(), String> {
    let progress = spinner(&format!("installing cargo-lambda {VERSION} with pip"));
    let result = run(Command::new("python3").args(["-m", "venv"]).arg(folder)).and_then(|()| {
        run(Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--disable-pip-version-check"])
            .arg(format!("cargo-lambda=={VERSION}")))
    });
    progress.finish_and_clear();
    result
}

fn build(tools: &Path) -> Result<(), String> {
    eprintln!("building cargo-lambda {VERSION}: this takes a quarter of an hour, once");
    // Cargo prints its own progress.
    let mut command = Command::new("cargo");
    command
        .args(["install", "--locked", "--root"])
        .arg(tools)
        .arg(format!("cargo-lambda@{VERSION}"));
    let status = command
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo install: {status}"))
    }
}

/// Runs a command, and returns its output if it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}: {}", output.status, words.trim()))
}

/// A spinner for a slow step; hidden if standard error is not a terminal.
pub(crate) fn spinner(message: &str) -> ProgressBar {
    let progress = ProgressBar::new_spinner().with_message(message.to_owned());
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}
