//! The functions under `cargo lambda watch`, as a process group that ends with us.

mod deadline;

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::net::{TcpListener, TcpStream};

use harness::lambda::{without_cargo_variables, workspace_root};
use harness::serve::Server;

/// Marks the processes of one stack. cargo-lambda gives each function its own process group, and if
/// it dies, this mark is the only way to find the processes that it leaves behind.
const MARK: &str = "CHAT_IDENTITY_STACK";

/// The time for cargo-lambda to end its functions; it needs a second for itself.
const GRACE: Duration = Duration::from_secs(4);

/// Variables of the product, which the functions would otherwise inherit from the shell.
const OURS: [&str; 21] = [
    "AWS_",
    "ARCHIVE_",
    "CONFLICTS_",
    "EMAIL_",
    "EXTERNAL_ID_",
    "IDENTITY_",
    "BASE_PATH",
    "MAX_ACTIONS_",
    "MERGE_CALL",
    "NAME_CLAIM",
    "OIDC_",
    "PREVIOUS_",
    "PUZZEL_",
    "RELEASE_AFTER_",
    "REMEDY",
    "SECRET_TTL_",
    "SIGNING_KEY_",
    "SUNSHINE_",
    "TOKEN_",
    "TRUST_",
    "WEBHOOK_",
];

/// The reason why the functions do not run.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A process, port or file is not available.
    #[error("cargo lambda watch: {0}")]
    Io(#[from] io::Error),
    /// It ended before it listened.
    #[error("cargo lambda watch ended with {0}:\n{1}")]
    Ended(ExitStatus, String),
}

/// A running `cargo lambda watch`. Dropping it ends it and its functions.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    address: SocketAddr,
    // Must end after the functions, for which `drop` waits.
    _deadlines: Server,
    mark: String,
    log: PathBuf,
}

impl Watch {
    /// Starts it on a free port, with its output and that of the functions in the file `log`, and
    /// waits until it listens. With `reload`, it rebuilds and restarts the functions when the code
    /// changes.
    pub async fn start(
        program: &Path,
        environment: &[(String, String)],
        log: &Path,
        reload: bool,
    ) -> Result<Self, WatchError> {
        // The port is free now, but may be taken before cargo-lambda binds it.
        let mut tries = 0..3;
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            drop(listener);
            let deadlines = deadline::proxy(address).await?;
            let mut watch = Self::spawn(program, environment, log, reload, address, deadlines)?;
            match watch.listening().await {
                Err(WatchError::Ended(..)) if tries.next().is_some() => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(watch),
            }
        }
    }

    fn spawn(
        program: &Path,
        environment: &[(String, String)],
        log: &Path,
        reload: bool,
        address: SocketAddr,
        deadlines: Server,
    ) -> io::Result<Self> {
        let port = address.port();
        let mark = format!("{}-{port}", std::process::id());
        let output = File::create(log)?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if OURS
                .iter()
                .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
            {
                command.env_remove(name);
            }
        }
        without_cargo_variables(&mut command);
        command
            .args([
                "lambda",
                "watch",
                "--disable-cors",
                "--invoke-address",
                "127.0.0.1",
            ])
            .args(["--invoke-port", &port.to_string()])
            .args([
                "--config",
                &deadline::cargo_config(address, deadlines.address()),
            ])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env(MARK, &mark)
            .current_dir(workspace_root())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C must reach only us; we end the rest in order.
            .process_group(0);
        if !reload {
            command.arg("--ignore-changes");
        }
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        Ok(Self {
            child: command.spawn()?,
            address,
            _deadlines: deadlines,
            mark,
            log: log.to_owned(),
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its output and that of the functions.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The file of [`Watch::log`].
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    async fn listening(&mut self) -> Result<(), WatchError> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(WatchError::Ended(status, self.log()));
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn stop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let signal = |signal| group.map(|group| kill_process_group(group, signal));
        signal(Signal::TERM);
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if began.elapsed() > GRACE {
                signal(Signal::KILL);
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        for left in marked(&self.mark) {
            let _ = kill_process(left, Signal::KILL);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The processes with our mark in their environment, if the system shows it (Linux).
fn marked(mark: &str) -> Vec<Pid> {
    let wanted = format!("{MARK}={mark}");
    let has_mark = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable == wanted.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(has_mark)
        .filter_map(Pid::from_raw)
        .collect()
}
