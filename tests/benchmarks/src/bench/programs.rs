//! What is measured: built, installed and weighed.

use std::path::{Path, PathBuf};

use super::peers::{self, Missing, Peer};
use super::process::Program;
use super::work::Kind;
use super::zipped;
use harness::lambda::build_release;

/// The function that the others are compared with.
pub const SMALLEST: &str = "smallest";

/// The programs in Rust, in the order of the table.
const BINARIES: [(&str, Kind); 7] = [
    ("floor", Kind::Constant),
    (SMALLEST, Kind::Sign),
    ("sign-token", Kind::Sign),
    ("report-conflict", Kind::ReportConflict),
    ("clean-conflicts", Kind::CleanConflicts),
    ("receive-webhook", Kind::ReceiveWebhook),
    ("exchange-identity", Kind::ExchangeIdentity),
];

/// A peer's name, and how it is installed.
type Installed = (&'static str, fn() -> Result<Peer, Missing>);

const PEERS: [Installed; 2] = [("node", peers::node), ("python", peers::python)];

/// A program that is measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What is started.
    pub program: Program,
    /// What it is given to do.
    pub kind: Kind,
    /// Bytes, of the binary or of all that would be deployed.
    pub size: u64,
    /// Bytes, zipped for deployment.
    pub zipped: u64,
}

/// The programs that are measured, and a line for each that is not.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// Those that are measured.
    pub measured: Vec<Measured>,
    /// Why a peer is left out.
    pub left_out: Vec<String>,
}

/// All names that may be asked for.
pub fn names() -> impl Iterator<Item = &'static str> {
    let binaries = BINARIES.iter().map(|(name, _)| *name);
    binaries.chain(PEERS.iter().map(|(name, _)| *name))
}

/// Builds and installs those that are `wanted`. `variants` are other builds of sign-token, by
/// name, measured beside it.
pub fn prepare(
    wanted: impl Fn(&str) -> bool,
    variants: &[(String, PathBuf)],
) -> std::io::Result<Programs> {
    let mut programs = Programs::default();
    for (name, kind) in BINARIES.into_iter().filter(|(name, _)| wanted(name)) {
        let file = build_release(name);
        programs.measured.push(weighed(name, &file, kind)?);
    }
    for (name, file) in variants {
        let file = std::path::absolute(file)?;
        programs.measured.push(weighed(name, &file, Kind::Sign)?);
    }
    for (name, install) in PEERS.into_iter().filter(|(name, _)| wanted(name)) {
        match install() {
            Ok(Peer { program, folder }) => {
                let (size, zipped) = zipped::of_folder(&folder)?;
                programs.measured.push(Measured {
                    program,
                    kind: Kind::Sign,
                    size,
                    zipped,
                });
            }
            Err(why) => programs
                .left_out
                .push(format!("`{name}` is left out: {why}")),
        }
    }
    Ok(programs)
}

fn weighed(name: &str, file: &Path, kind: Kind) -> std::io::Result<Measured> {
    Ok(Measured {
        program: Program::binary(name, file.to_owned()),
        kind,
        size: file.metadata()?.len(),
        zipped: zipped::of_binary(file)?,
    })
}
