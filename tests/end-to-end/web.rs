//! The browser side: its types, its tests in Node, and the page in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::node;
use local_stack::stack::{Options, Stack};

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

/// The first browser that is here; Debian's is `chromium`.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut programs = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.find(|program| program.is_file())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_its_stories_in_a_browser() {
    let Some(folder) = folder() else { return };
    let Some(browser) = browser() else {
        eprintln!("!!! SKIPPED: no chromium is installed, so the page is not tested");
        return;
    };
    let stack = Stack::start(Options::default()).await.unwrap();
    let page = stack.url();
    let stories = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        node.args(["--test", "page.test.mjs"])
            .env("PAGE", page)
            .env("BROWSER", browser)
            .env("SCREENSHOTS", folder.join("screenshots"))
            .current_dir(folder);
        passes(&mut node);
    });
    stories.await.unwrap();
}
