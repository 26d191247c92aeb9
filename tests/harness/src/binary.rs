//! The functions' binaries, built by cargo as `cargo lambda watch` builds them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

/// The folder of the workspace's `Cargo.toml`.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the workspace")
}

/// `cargo build` for these binaries, with the cargo that runs us, in the profile of this crate.
///
/// It uses `--bin` and not `-p`, as `cargo lambda watch` does: with `-p`, cargo would choose other
/// features for the dependencies, and build all of them a second time.
pub fn build_command(names: &[&str]) -> Command {
    let mut command = cargo();
    command.arg("build");
    for name in names {
        command.args(["--bin", name]);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command
}

/// The cargo that runs us, in the workspace.
fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace_root()).stdin(Stdio::null());
    without_cargo_variables(&mut command);
    command
}

/// Removes the variables that cargo sets for our own package: with them, a nested cargo would see
/// other variables for its build scripts, and build everything again.
pub fn without_cargo_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let about_us = name.to_str().is_some_and(|name| {
            [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        });
        if about_us {
            command.env_remove(name);
        }
    }
}

/// The functions that only tests run. They are binaries of this crate and have no package of their
/// own.
const FOR_TESTS: [&str; 2] = ["echo", "panics"];

/// Builds the binary `name`, once per process, and returns its path. It is built like the rest of
/// the workspace for the tests, and for release if we are optimised ourselves.
///
/// # Panics
/// If it does not build, with cargo's output.
pub fn build(name: &str) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(binary) = built.get(name) {
        return binary.clone();
    }
    let binary = if cfg!(debug_assertions) || FOR_TESTS.contains(&name) {
        executable(&mut build_command(&[name]), name)
    } else {
        build_release(name)
    };
    built.insert(name.to_owned(), binary.clone());
    binary
}

/// Builds `name` for release, alone (`-p`), so that each dependency has the features that are
/// deployed and not those that the rest of the workspace needs. Returns its path.
///
/// # Panics
/// If it does not build, with cargo's output.
pub fn build_release(name: &str) -> PathBuf {
    let mut command = cargo();
    command.args(["build", "--release", "--locked", "-p", name]);
    // Show the progress, since this takes minutes.
    executable(command.stderr(Stdio::inherit()), name)
}

/// The same without the flag that `.cargo/config.toml` sets for AWS-LC, in a target folder of its
/// own: like a build by a person who does not know the flag.
///
/// # Panics
/// If it does not build, with cargo's output.
pub fn build_release_with_jitter(name: &str) -> PathBuf {
    let mut command = cargo();
    command
        .env("AWS_LC_SYS_NO_JITTER_ENTROPY", "0")
        .args(["build", "--release", "--locked", "-p", name])
        .arg("--target-dir")
        .arg(workspace_root().join("target/with-jitter"));
    executable(command.stderr(Stdio::inherit()), name)
}

/// Runs `build` and returns the path of `name`.
fn executable(build: &mut Command, name: &str) -> PathBuf {
    let output = build
        .arg("--message-format=json")
        .output()
        .expect("cargo can be started");
    let binary = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.target.as_ref().is_some_and(|t| t.name == name))
        .find_map(|message| message.executable);
    let (true, Some(binary)) = (output.status.success(), binary) else {
        panic!(
            "{name} does not build:\n{}\n{}",
            rendered(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    binary
}

/// The part of cargo's JSON messages that is needed here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
    #[serde(rename = "message")]
    diagnostic: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Diagnostic {
    rendered: Option<String>,
}

fn rendered(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout)
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<Message>(line)
                .ok()?
                .diagnostic?
                .rendered
        })
        .collect()
}
