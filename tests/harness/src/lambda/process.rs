//! A child process: every line that it writes is kept, its end is noticed, and it does not outlive
//! us.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::unix::pipe::Receiver;
use tokio::process::Command;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

/// The lines that a process wrote to standard output and standard error.
#[derive(Clone, Debug, Default)]
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    written: Arc<Notify>,
}

impl Output {
    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.locked().clone()
    }

    /// The lines so far that are JSON: the log and the metrics.
    pub fn json(&self) -> Vec<serde_json::Value> {
        let lines = self.lines();
        let parsed = lines.iter().map(|line| serde_json::from_str(line));
        parsed.filter_map(Result::ok).collect()
    }

    /// Waits for a matching line; one that was already written counts.
    pub async fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            // Register before reading the lines, so that no line is missed in between.
            written.as_mut().enable();
            if let Some(line) = self.locked().iter().find(|line| wanted(line)) {
                return line.clone();
            }
            written.await;
        }
    }

    fn push(&self, line: String) {
        self.locked().push(line);
        self.written.notify_waiters();
    }

    fn locked(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.lines)
    }
}

/// The reading end of a pipe from the child.
struct Pipe {
    end: Receiver,
    /// The bytes of a line that is not complete.
    begun: Mutex<Vec<u8>>,
    output: Output,
}

impl Pipe {
    fn new(end: OwnedFd, output: Output) -> io::Result<Self> {
        Ok(Self {
            end: Receiver::from_owned_fd(end)?,
            begun: Mutex::default(),
            output,
        })
    }

    /// Takes everything that is in the pipe now, whether or not the runtime knows of it yet.
    fn drain(&self) {
        self.take(|bytes| Ok(rustix::io::read(&self.end, bytes)?));
    }

    /// Takes everything until the child closes the pipe.
    async fn follow(&self) {
        let mut is_open = true;
        while is_open && self.end.readable().await.is_ok() {
            is_open = self.take(|bytes| self.end.try_read(bytes));
        }
    }

    /// Takes what `read` reads. Returns whether more can come.
    fn take(&self, read: impl Fn(&mut [u8]) -> io::Result<usize>) -> bool {
        let mut begun = lock(&self.begun);
        let mut bytes = [0; 4096];
        let is_open = loop {
            match read(&mut bytes) {
                Ok(0) => break false,
                Ok(length) => begun.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() == ErrorKind::WouldBlock,
            }
        };
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            self.push(&line[..end]);
        }
        if !is_open && !begun.is_empty() {
            self.push(&std::mem::take(&mut *begun));
        }
        is_open
    }

    fn push(&self, line: &[u8]) {
        self.output.push(String::from_utf8_lossy(line).into_owned());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running child. It is killed when dropped.
pub(super) struct Process {
    id: u32,
    kill: Arc<Notify>,
    status: watch::Receiver<Option<ExitStatus>>,
    pipes: [Arc<Pipe>; 2],
    supervisor: AbortHandle,
}

impl Process {
    pub(super) fn spawn(mut command: Command, output: &Output) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the function's process");
        let id = child.id().expect("a running process");
        let stdout = child.stdout.take().expect("a pipe").into_owned_fd();
        let stderr = child.stderr.take().expect("a pipe").into_owned_fd();
        let pipes = [stdout, stderr].map(|end| {
            let pipe = end.and_then(|end| Pipe::new(end, output.clone()));
            Arc::new(pipe.expect("a pipe"))
        });
        let mut readers = JoinSet::new();
        for pipe in pipes.clone() {
            readers.spawn(async move { pipe.follow().await });
        }

        let kill = Arc::new(Notify::new());
        let (sender, status) = watch::channel(None);
        let supervisor = tokio::spawn({
            let kill = kill.clone();
            async move {
                let ended = tokio::select! {
                    ended = child.wait() => ended,
                    () = kill.notified() => {
                        let _ = child.start_kill();
                        child.wait().await
                    }
                };
                // Read all output before the end is reported, since a test may then look for the
                // last line.
                while readers.join_next().await.is_some() {}
                sender.send_replace(ended.ok());
            }
        })
        .abort_handle();
        Self {
            id,
            kill,
            status,
            pipes,
            supervisor,
        }
    }

    /// Takes everything that the process has written so far.
    pub(super) fn drain(&self) {
        for pipe in &self.pipes {
            pipe.drain();
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    pub(super) async fn exited(&self) -> ExitStatus {
        let mut status = self.status.clone();
        let ended = status.wait_for(Option::is_some).await;
        ended.ok().and_then(|status| *status).expect("a status")
    }

    pub(super) async fn wait(&self) {
        self.exited().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}
