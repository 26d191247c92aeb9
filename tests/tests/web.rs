//! The browser side: its types, its tests in Node, and the page in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::node;

/// The folder to run Node in. `None` where there is none on this machine.
fn folder() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    node::install(target, "the browser side is not tested")
}

/// Runs a program to its end, and shows all that it wrote where it fails.
fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    let written = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{written}");
}

#[test]
fn its_types_are_right() {
    let Some(folder) = folder() else { return };
    let tsc = folder.join("node_modules/.bin/tsc");
    passes(
        Command::new(tsc)
            .args(["--project", "."])
            .current_dir(folder),
    );
}

#[test]
fn the_module_passes_its_own_tests() {
    let Some(folder) = folder() else { return };
    let mut node = Command::new("node");
    passes(
        node.args(["--test", "chat-identity.test.mjs"])
            .current_dir(folder),
    );
}
