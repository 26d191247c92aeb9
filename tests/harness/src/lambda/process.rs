//! A child process: every line that it writes is kept, its end is noticed, and it does not outlive
//! us.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
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

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running child. It is killed when dropped.
pub(super) struct Process {
    id: u32,
    kill: Arc<Notify>,
    status: watch::Receiver<Option<ExitStatus>>,
    supervisor: AbortHandle,
}

impl Process {
    pub(super) fn spawn(mut command: Command, output: Output) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the function's process");
        let id = child.id().expect("a running process");
        let mut readers = JoinSet::new();
        readers.spawn(read(child.stdout.take().expect("a pipe"), output.clone()));
        readers.spawn(read(child.stderr.take().expect("a pipe"), output));

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
            supervisor,
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

async fn read(stream: impl AsyncRead + Unpin, output: Output) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        output.push(String::from_utf8_lossy(&line).into_owned());
    }
}
