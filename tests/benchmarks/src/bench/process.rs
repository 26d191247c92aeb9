//! The process of a function: started as by Lambda, and observed through the kernel.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The size of the log's pipe: the maximum that Linux allows without privileges.
const PIPE: usize = 1 << 20;
/// The kept part of a log, to explain a failure.
const KEPT: usize = 16 << 10;

/// A program that can be started as a function.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in the table.
    pub name: String,
    /// The program's file.
    pub file: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its working directory, if that matters.
    pub folder: Option<PathBuf>,
}

impl Program {
    /// A binary without arguments.
    pub fn binary(name: &str, file: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            file,
            arguments: Vec::new(),
            folder: None,
        }
    }

    fn command(&self, api: SocketAddr, environment: &[(String, String)]) -> Command {
        let mut command = Command::new(&self.file);
        command
            .args(&self.arguments)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", &self.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/measured")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// A running function. It is killed when dropped.
///
/// It logs into a pipe, as in Lambda. No one waits at the other end, because a reader that each
/// line wakes up would use the processor on which the function is measured. The pipe is large
/// enough for hundreds of lines, and [`Process::drain`] empties it between invocations.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pipe: PipeReader,
    log: Vec<u8>,
}

impl Process {
    /// Starts `program` with these variables and Lambda's own only.
    pub fn spawn(
        program: &Program,
        api: SocketAddr,
        environment: &[(String, String)],
    ) -> io::Result<Self> {
        let (pipe, output) = io::pipe()?;
        fcntl_setpipe_size(&pipe, PIPE)?;
        // Only the reading end is non-blocking; the function's end blocks as usual.
        ioctl_fionbio(&pipe, true)?;
        let mut command = program.command(api, environment);
        let child = command.stdout(output.try_clone()?).stderr(output).spawn()?;
        Ok(Self {
            child,
            pipe,
            log: Vec::new(),
        })
    }

    /// A descriptor that becomes readable once the process has ended.
    pub fn end(&self) -> io::Result<OwnedFd> {
        Ok(pidfd_open(
            Pid::from_child(&self.child),
            PidfdFlags::empty(),
        )?)
    }

    /// Reads the log so far.
    pub fn drain(&mut self) -> io::Result<()> {
        let mut bytes = [0; KEPT];
        loop {
            match self.pipe.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => self.log.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            let excess = self.log.len().saturating_sub(KEPT);
            self.log.drain(..excess);
        }
        Ok(())
    }

    /// The end of its log.
    pub fn log(&mut self) -> String {
        // An unreadable log is left out.
        let _ = self.drain();
        String::from_utf8_lossy(&self.log).into_owned()
    }

    /// Its peak memory so far, in bytes.
    pub fn peak_memory(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        peak_memory(&status).ok_or_else(|| io::Error::other("no VmHWM in /proc"))
    }

    /// The processor time of all its threads so far.
    pub fn processor_time(&self) -> io::Result<Duration> {
        // `stat` has it too, but only in hundredths of a second.
        let mut nanoseconds = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let spent = text.split(' ').next().and_then(|it| it.parse::<u64>().ok());
            nanoseconds += spent.ok_or_else(|| io::Error::other("no time in schedstat"))?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended on its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peak_memory(status: &str) -> Option<u64> {
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut program = Program::binary("sh", "/bin/sh".into());
        program.arguments = vec!["-c".into(), script.into()];
        Process::spawn(&program, ([127, 0, 0, 1], 1).into(), &[]).unwrap()
    }

    #[test]
    fn only_the_end_of_a_log_is_kept() {
        let mut process = shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done");
        process.child.wait().unwrap();
        let log = process.log();
        assert!(log.ends_with("line 20000\n"), "{log}");
        assert_eq!(log.len(), KEPT);
    }

    #[test]
    fn a_log_is_read_without_waiting_for_more() {
        let mut process = shell("echo up; while :; do :; done");
        while process.log().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(process.log(), "up\n");
    }

    #[test]
    fn the_kernel_reports_memory_and_processor_time() {
        let process = shell("while :; do :; done");
        assert!(process.peak_memory().unwrap() > 0);
        let before = process.processor_time().unwrap();
        while process.processor_time().unwrap() < before + Duration::from_millis(1) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn peak_memory_is_read_from_its_own_line() {
        let status = "VmPeak:\t  900 kB\nVmHWM:\t    12 kB\nVmRSS:\t 10 kB\n";
        assert_eq!(peak_memory(status), Some(12 * 1024));
        assert_eq!(peak_memory("VmPeak:\t 900 kB\n"), None);
    }
}
