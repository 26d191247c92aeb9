//! The browser side: its types, its tests in Node, and the page in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::lambda::workspace_root;
use harness::node;
use local_stack::stack::{Options, Stack};
use serde_json::Value;

/// The folder to run Node in. `None` if there is no Node on this machine.
fn folder() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    node::install(target, "the browser side is not tested")
}

/// Runs a program to its end, and shows its output if it fails.
fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    let written = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{written}");
}

/// Runs test files in Node.
fn node_test(folder: &Path, files: &[&str]) -> Command {
    let mut node = Command::new("node");
    node.arg("--test").args(files).current_dir(folder);
    node
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
    let files = [
        "chat-identity.test.mjs",
        "ended.test.mjs",
        "logins.test.mjs",
        "remembered.test.mjs",
        "requests.test.mjs",
        "sessions.test.mjs",
    ];
    passes(&mut node_test(&folder, &files));
}

/// A single test, because both parts install the package into the same project.
#[test]
fn the_package_works_in_a_vite_project_and_in_a_browser() {
    let Some(folder) = folder() else { return };
    passes(&mut node_test(&folder, &["package.test.mjs"]));
    let Some(browser) = browser() else { return };
    passes(node_test(&folder, &["browser.test.mjs"]).env("BROWSER", browser));
}

#[test]
fn the_package_has_the_version_of_the_workspace() {
    let manifest = workspace_root().join("examples/web/package.json");
    let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}

/// The first installed browser; Debian's is `chromium`.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut programs = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let program = programs.find(|program| program.is_file());
    if program.is_none() {
        eprintln!("!!! SKIPPED: no chromium is installed, so nothing is tested in a browser");
    }
    program
}

#[test]
#[ignore = "it downloads a compiler of 90 MB: .ci/run nightly"]
fn the_snippets_for_apps_compile() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let missed = "the snippets for apps are not compiled";
    let Some(folder) = node::install_folder(target, "mobile", &[], missed) else {
        return;
    };
    if Command::new("javac").arg("-version").output().is_err() {
        eprintln!("!!! SKIPPED: javac is missing, so {missed}");
        return;
    }
    let page = workspace_root().join("docs/mobile.md");
    passes(
        Command::new("node")
            .arg("compile.mjs")
            .arg(page)
            .current_dir(folder),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_plays_its_stories_in_a_browser() {
    let Some(folder) = folder() else { return };
    let Some(browser) = browser() else { return };
    let stack = Stack::start(Options::default()).await.unwrap();
    let page = stack.url();
    let stories = tokio::task::spawn_blocking(move || {
        let mut node = node_test(&folder, &["page.test.mjs"]);
        node.env("PAGE", page)
            .env("BROWSER", browser)
            .env("SCREENSHOTS", folder.join("screenshots"));
        passes(&mut node);
    });
    stories.await.unwrap();
}
