//! The programs to measure: builds, installs and weighs them.

use std::path::{Path, PathBuf};

use super::peers::{self, Missing, Peer};
use super::process::Program;
use super::work::Kind;
use super::world::Transport;
use super::zipped;
use harness::lambda::{build_release, build_release_with_jitter};

/// The function that the others are compared with.
pub const SMALLEST: &str = "smallest";
/// The smallest function, built without the flag of `.cargo/config.toml`.
pub const NEWCOMER: &str = "smallest-without-flag";
/// The function whose cold start is promised.
pub const SIGN: &str = "sign-token";
/// The same binary without TLS.
pub const SIGN_PLAIN: &str = "sign-token-without-tls";
/// The minimal function.
pub const FLOOR: &str = "floor";

/// A program in Rust.
struct Binary {
    /// Its name in the table.
    name: &'static str,
    package: &'static str,
    build: fn(&str) -> PathBuf,
    kind: Kind,
    transport: Transport,
}

impl Binary {
    const fn of(package: &'static str, kind: Kind) -> Self {
        Self {
            name: package,
            package,
            build: build_release,
            kind,
            transport: Transport::Tls,
        }
    }
}

/// The programs in Rust, in the order of the table.
const BINARIES: [Binary; 10] = [
    Binary::of(FLOOR, Kind::Constant),
    Binary {
        name: NEWCOMER,
        build: build_release_with_jitter,
        ..Binary::of(SMALLEST, Kind::Sign)
    },
    Binary::of(SMALLEST, Kind::Sign),
    Binary {
        name: SIGN_PLAIN,
        transport: Transport::Plain,
        ..Binary::of(SIGN, Kind::Sign)
    },
    Binary::of(SIGN, Kind::Sign),
    Binary {
        name: "sign-token-bearer",
        ..Binary::of(SIGN, Kind::SignBearer)
    },
    Binary::of("report-conflict", Kind::ReportConflict),
    Binary::of("receive-webhook", Kind::ReceiveWebhook),
    Binary::of("exchange-identity", Kind::ExchangeIdentity),
    Binary::of("clean-conflicts", Kind::CleanConflicts),
];

/// A peer's name, and its installation.
type Installed = (&'static str, fn() -> Result<Peer, Missing>);

const PEERS: [Installed; 2] = [("node", peers::node), ("python", peers::python)];

/// A program that is measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The program to start.
    pub program: Program,
    /// Its workload.
    pub kind: Kind,
    /// Its connection to AWS.
    pub transport: Transport,
    /// The size in bytes, of the binary or of the whole deployment.
    pub size: u64,
    /// The zipped size in bytes.
    pub zipped: u64,
}

/// The programs that are measured, and a line for each that is not.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// The measured programs.
    pub measured: Vec<Measured>,
    /// The reason for each peer that is left out.
    pub left_out: Vec<String>,
}

/// All names that may be selected.
pub fn names() -> impl Iterator<Item = &'static str> {
    let binaries = BINARIES.iter().map(|binary| binary.name);
    binaries.chain(PEERS.iter().map(|(name, _)| *name))
}

/// Builds and installs the `wanted` programs. `variants` are other builds of sign-token, by name,
/// which are measured beside it.
pub fn prepare(
    wanted: impl Fn(&str) -> bool,
    variants: &[(String, PathBuf)],
) -> std::io::Result<Programs> {
    let mut programs = Programs::default();
    for binary in BINARIES.iter().filter(|binary| wanted(binary.name)) {
        let file = (binary.build)(binary.package);
        let (kind, transport) = (binary.kind, binary.transport);
        programs
            .measured
            .push(weighed(binary.name, &file, kind, transport)?);
    }
    for (name, file) in variants {
        let file = std::path::absolute(file)?;
        programs
            .measured
            .push(weighed(name, &file, Kind::Sign, Transport::Tls)?);
    }
    for (name, install) in PEERS.into_iter().filter(|(name, _)| wanted(name)) {
        match install() {
            Ok(Peer { program, folder }) => {
                let (size, zipped) = zipped::of_folder(&folder)?;
                programs.measured.push(Measured {
                    program,
                    kind: Kind::Sign,
                    transport: Transport::Tls,
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

fn weighed(name: &str, file: &Path, kind: Kind, transport: Transport) -> std::io::Result<Measured> {
    Ok(Measured {
        program: Program::binary(name, file.to_owned()),
        kind,
        transport,
        size: file.metadata()?.len(),
        zipped: zipped::of_binary(file)?,
    })
}
