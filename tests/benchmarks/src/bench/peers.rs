//! The same signing in Node and in Python, with AWS's runtime clients: installed into
//! `target/peers`, at the versions that `tests/benchmarks/peers` pins.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::Program;
use harness::lambda::workspace_root;

/// The build tools of `aws-lambda-ric`: the required commands, and Debian's packages for them.
const BUILD_TOOLS: [&str; 7] = [
    "cmake",
    "autoconf",
    "automake",
    "libtoolize",
    "unzip",
    "make",
    "g++",
];
const PACKAGES: [&str; 7] = [
    "cmake", "autoconf", "automake", "libtool", "unzip", "make", "g++",
];

/// The reason why a peer is left out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(String);

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A peer: the program, and the folder of its deployment.
pub struct Peer {
    /// The program to start.
    pub program: Program,
    /// The handler and its dependencies.
    pub folder: PathBuf,
}

/// The signer in Node.
pub fn node() -> Result<Peer, Missing> {
    let (node, npm) = (find("node")?, find("npm")?);
    let folder = copy("node", &["package.json", "package-lock.json", "index.mjs"])?;
    install(&folder, "package-lock.json", || {
        install_build_tools()?;
        run(Command::new(&npm).arg("ci").current_dir(&folder))?;
        // Remove the build sources. The package's own script should do that, but fails with
        // Debian's `sh`.
        Ok(fs::remove_dir_all(
            folder.join("node_modules/aws-lambda-ric/deps"),
        )?)
    })?;
    let client = folder.join("node_modules/aws-lambda-ric/bin/index.mjs");
    Ok(Peer {
        program: Program {
            name: "node".to_owned(),
            file: node,
            arguments: vec![client.into(), "index.handler".into()],
            folder: Some(folder.clone()),
        },
        folder,
    })
}

/// The signer in Python.
pub fn python() -> Result<Peer, Missing> {
    let python = find("python3")?;
    let folder = copy("python", &["requirements.txt", "handler.py"])?;
    // Beside the deployed folder, not in it.
    let environment = folder.with_file_name("python-venv");
    let interpreter = environment.join("bin/python");
    install(&folder, "requirements.txt", || {
        let venv = ["-m", "venv", "--clear"];
        run(Command::new(&python).args(venv).arg(&environment))?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        let list = ["--requirement", "requirements.txt", "--target", "."];
        run(Command::new(&interpreter)
            .args(pip)
            .args(list)
            .current_dir(&folder))
    })?;
    Ok(Peer {
        program: Program {
            name: "python".to_owned(),
            file: interpreter,
            arguments: ["-m", "awslambdaric", "handler.handler"]
                .map(Into::into)
                .into(),
            folder: Some(folder.clone()),
        },
        folder,
    })
}

/// Copies the peer's files into their own folder, to which dependencies can be added.
fn copy(peer: &str, files: &[&str]) -> Result<PathBuf, Missing> {
    let source = workspace_root().join("tests/benchmarks/peers").join(peer);
    let folder = workspace_root().join("target/peers").join(peer);
    fs::create_dir_all(&folder)?;
    for file in files {
        fs::copy(source.join(file), folder.join(file))?;
    }
    Ok(folder)
}

/// Runs `install`, unless it already succeeded with the same list of versions.
fn install(
    folder: &Path,
    versions: &str,
    install: impl FnOnce() -> Result<(), Missing>,
) -> Result<(), Missing> {
    let versions = fs::read(folder.join(versions))?;
    let stamp = folder.with_extension("installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == versions) {
        return Ok(());
    }
    install()?;
    Ok(fs::write(stamp, versions)?)
}

fn install_build_tools() -> Result<(), Missing> {
    let missing = || BUILD_TOOLS.iter().find(|tool| find(tool).is_err());
    if missing().is_none() {
        return Ok(());
    }
    if rustix::process::getuid().is_root() && find("apt-get").is_ok() {
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        run(Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(PACKAGES))?;
    }
    missing().map_or(Ok(()), |tool| {
        let packages = PACKAGES.join(" ");
        Err(Missing(format!(
            "{tool} is not installed; install {packages}"
        )))
    })
}

/// The path of the program that a shell would start.
fn find(name: &str) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| Missing(format!("{name} is not installed")))
}

/// Runs a command, and returns the end of its output if it fails.
fn run(command: &mut Command) -> Result<(), Missing> {
    let name = command.get_program().to_owned();
    let name = Path::new(&name).file_name().map(OsStr::to_owned);
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    eprintln!("installing a peer: {name} …");
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let (status, last) = (output.status, last.unwrap_or_default());
    Err(Missing(format!("{name} ended with {status}: {last}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_installed_once_for_a_list_of_versions_and_again_after_a_failure() {
        let folder = std::env::temp_dir().join(format!("peer-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut installed = 0;
        let mut after = |versions: &str, outcome: Result<(), Missing>| {
            fs::write(folder.join("versions"), versions).unwrap();
            let outcome = install(&folder, "versions", || {
                installed += 1;
                outcome
            });
            (outcome.is_ok(), installed)
        };
        let broken = Err(Missing("broken".to_owned()));
        assert_eq!(after("1", broken), (false, 1));
        assert_eq!(after("1", Ok(())), (true, 2));
        assert_eq!(after("1", Ok(())), (true, 2));
        assert_eq!(after("2", Ok(())), (true, 3));
        fs::remove_dir_all(&folder).unwrap();
        fs::remove_file(folder.with_extension("installed")).unwrap();
    }

    #[test]
    fn a_failed_command_is_reported_with_the_end_of_its_output() {
        let failed = run(Command::new("sh").args(["-c", "echo words; echo last >&2; exit 3"]));
        let error = failed.unwrap_err().to_string();
        assert!(
            error.starts_with("sh ended with") && error.ends_with("3: last"),
            "{error}"
        );
    }
}
