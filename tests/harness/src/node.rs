//! Runs the tests that need Node: our tokens with other JWT libraries, and the browser side.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::workspace_root;

/// Copies `tests/node` below `target`, with `examples/web` in it as `web`, and installs the
/// packages of its lock file. If Node is not installed, returns `None` and prints loudly that
/// `missed` is skipped.
///
/// # Panics
/// If it cannot be copied or installed.
pub fn install(target: &Path, missed: &str) -> Option<PathBuf> {
    install_folder(target, "node", &[("examples/web", "web")], missed)
}

/// The same for another folder of `tests`, with other folders copied into it.
///
/// # Panics
/// If it cannot be copied or installed.
pub fn install_folder(
    target: &Path,
    name: &str,
    with: &[(&str, &str)],
    missed: &str,
) -> Option<PathBuf> {
    for program in ["node", "npm"] {
        let version = Command::new(program).arg("--version").output();
        if !version.is_ok_and(|version| version.status.success()) {
            eprintln!("!!! SKIPPED: {program} is missing, so {missed}");
            return None;
        }
    }
    let folder = target.join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    // Tests that run at the same time must not overwrite each other's installation.
    let lock = File::create(target.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let source = workspace_root().join("tests").join(name);
    let wanted = std::fs::read(source.join("package-lock.json")).expect("the lock file");
    let installed = folder.join("installed.json");
    copy(&source, &folder);
    for (from, to) in with {
        copy(&workspace_root().join(from), &folder.join(to));
    }
    if std::fs::read(&installed).ok().as_ref() != Some(&wanted) {
        let npm = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .output()
            .expect("npm");
        let errors = String::from_utf8_lossy(&npm.stderr);
        assert!(npm.status.success(), "npm ci: {errors}");
        std::fs::write(&installed, wanted).expect("a record of the installed packages");
    }
    Some(folder)
}

/// Copies a folder with its subfolders. An existing file with the same content is left alone: a
/// test may be reading it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder") {
        let file = entry.expect("a file");
        let (source, target) = (file.path(), to.join(file.file_name()));
        if source.is_dir() {
            copy(&source, &target);
            continue;
        }
        let content = std::fs::read(source).expect("the file");
        if std::fs::read(&target).ok().as_ref() != Some(&content) {
            std::fs::write(target, content).expect("a copy");
        }
    }
}
