//! Runs a program in a terminal.

use std::fs::File;
use std::io::Read;
use std::process::{Command, ExitStatus};

use regex::Regex;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The width of the terminal.
pub(crate) const COLUMNS: u16 = 80;

/// Runs a program with a terminal for input, output and errors. Returns its status and each line
/// that it wrote, including those that a progress bar overwrites.
pub(crate) fn run(mut command: Command) -> (ExitStatus, Vec<String>) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let program_side = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
    let program_side = File::from(program_side.unwrap());
    let size = Winsize {
        ws_row: 50,
        ws_col: COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&program_side, size).unwrap();
    let another = || program_side.try_clone().unwrap();
    command.stdin(another()).stdout(another()).stderr(another());
    let mut program = command.env("TERM", "xterm").spawn().unwrap();
    // Close our copies of the program's side, since the output ends only when all are closed.
    drop((command, program_side));
    let written = written(File::from(terminal));
    let status = program.wait().unwrap();
    let escapes = Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]").unwrap();
    let text = escapes.replace_all(&written, "");
    (
        status,
        text.split(['\r', '\n']).map(str::to_owned).collect(),
    )
}

/// Reads until the program has ended, which Linux reports as an error.
fn written(mut terminal: File) -> String {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = terminal.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
    }
    String::from_utf8(bytes).unwrap()
}
