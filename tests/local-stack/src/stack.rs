//! The local stack: starts everything in order and stops it in reverse.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

pub use crate::backends::{BUCKET, Backends, KID, TABLE, conflicts_table};

use crate::cargo_lambda::{self, CargoLambdaError, spinner};
use crate::front;
use crate::local::Local;
use crate::watch::{Watch, WatchError};
use harness::lambda::{build_command, workspace_root};
use harness::serve::{Forward, Server};

/// The functions; for an HTTP function also a path that it serves.
const FUNCTIONS: [(&str, Option<&str>); 6] = [
    ("sign-token", Some("/zendesk/token")),
    ("report-conflict", Some("/zendesk/conflicts")),
    ("clean-conflicts", None),
    ("receive-webhook", Some("/webhooks/zendesk")),
    ("exchange-identity", Some("/puzzel/identity")),
    ("erase-person", None),
];

/// The options of a stack.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port of the local address; `None` for a free one.
    pub port: Option<u16>,
    /// Whether to keep DynamoDB's data from one run to the next.
    pub keep_data: bool,
    /// Whether to rebuild and restart the functions when the code changes.
    pub reload: bool,
    /// `REMEDY`; `plan` if not given. A release does not wait.
    pub remedy: Option<String>,
}

/// The reason why the stack does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages explain them
pub enum StackError {
    #[error("the local stack: {0}")]
    Io(#[from] io::Error),
    #[error("the functions do not build (see cargo's output above)")]
    Build,
    #[error(transparent)]
    CargoLambda(#[from] CargoLambdaError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("{name} does not start:\n{log}")]
    NotStarted { name: &'static str, log: String },
}

/// Maximum time until a function's first response. It is built already, but cargo checks once more.
const FIRST_RESPONSE: Duration = Duration::from_mins(1);

/// A running stack. The fields are dropped in this order, the reverse of the start.
pub struct Stack {
    front: Server,
    watch: Watch,
    cargo_lambda: PathBuf,
    /// The backends of the functions.
    pub backends: Arc<Backends>,
    _folder: Folder,
}

impl Stack {
    /// Builds the functions and starts everything.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let present: Vec<_> = FUNCTIONS
            .into_iter()
            .filter(|(name, _)| workspace_root().join("functions").join(name).exists())
            .collect();
        let cargo_lambda = tokio::task::spawn_blocking({
            let names: Vec<&str> = present.iter().map(|(name, _)| *name).collect();
            move || {
                // Cargo prints its own progress.
                if build_command(&names).status()?.success() {
                    Ok(cargo_lambda::find_or_install(
                        &workspace_root().join("target"),
                    )?)
                } else {
                    Err(StackError::Build)
                }
            }
        })
        .await
        .map_err(io::Error::other)??;

        let progress = spinner("starting");
        let folder = Folder::take()?;
        let data = options.keep_data.then_some(folder.path.as_path());
        let backends = Arc::new(Backends::start(data).await?);
        let mut environment = backends.environment();
        if let Some(remedy) = options.remedy {
            environment.push(("REMEDY".to_owned(), remedy));
        }
        let log = folder.path.join("functions.log");
        let watch = Watch::start(&cargo_lambda, &environment, &log, options.reload).await?;
        // `operate --local` finds the functions here.
        std::fs::write(folder.path.join("functions.url"), functions_url(&watch))?;
        let local = Local::new(backends.clone(), Forward::new(watch.address()));
        let web = workspace_root().join("examples/web");
        let front = Server::start(front::router(local, web), options.port).await?;
        let stack = Self {
            front,
            watch,
            cargo_lambda,
            backends,
            _folder: folder,
        };
        for (name, path) in present {
            let Some(path) = path else { continue };
            progress.set_message(format!("starting {name}"));
            stack.first_response(name, path).await?;
        }
        progress.finish_and_clear();
        Ok(stack)
    }

    /// The local address.
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// The address of the functions, for `operate --local=URL`.
    pub fn functions_url(&self) -> String {
        functions_url(&self.watch)
    }

    /// The output of the functions.
    pub fn log(&self) -> String {
        self.watch.log()
    }

    /// The file with their output.
    pub fn log_file(&self) -> &Path {
        self.watch.log_file()
    }

    /// The command that invokes a function with an event other than an HTTP request.
    pub fn invoke_command(&self, function: &str, event: &Value) -> String {
        let address = self.watch.address();
        let program = if self.cargo_lambda.is_absolute() {
            format!("{} lambda", self.cargo_lambda.display())
        } else {
            "cargo lambda".to_owned()
        };
        let (host, port) = (address.ip(), address.port());
        format!("{program} invoke {function} -A {host} -P {port} --data-ascii '{event}'")
    }

    /// Invokes the function as [`Stack::invoke_command`] would.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, String> {
        let address = self.functions_url();
        let url = format!("{address}/2015-03-31/functions/{function}/invocations");
        let response = reqwest::Client::new().post(url).json(event).send().await;
        let response = response.map_err(|error| error.to_string())?;
        response.json().await.map_err(|error| error.to_string())
    }

    /// The claims of the fictitious user.
    pub fn user() -> Value {
        json!({"sub": "123456", "name": "Ada Example",
               "email": "ada@example.com", "email_verified": true})
    }

    /// Starts a function with its first request, so that no user has to wait for that. The request
    /// is a `GET`, which every function refuses. It bypasses the front, so that the page does not
    /// show it.
    async fn first_response(&self, name: &'static str, path: &str) -> Result<(), StackError> {
        let functions = Forward::new(self.watch.address());
        let began = Instant::now();
        loop {
            let request = Request::get(path).header(header::HOST, "localhost");
            let request = request.body(Body::empty()).map_err(io::Error::other)?;
            let response = tokio::time::timeout(FIRST_RESPONSE / 10, functions.send(request)).await;
            if response.is_ok_and(|response| response.status().is_client_error()) {
                return Ok(());
            }
            // cargo-lambda keeps a request waiting if the function has ended, and reports that only
            // in its log.
            let log = self.log();
            if log.contains("command exited") || began.elapsed() > FIRST_RESPONSE {
                return Err(StackError::NotStarted { name, log });
            }
        }
    }
}

fn functions_url(watch: &Watch) -> String {
    format!("http://{}", watch.address())
}

/// A folder under `.local` that no other running stack uses.
struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    fn take() -> io::Result<Self> {
        Self::take_in(&workspace_root().join(".local"))
    }

    fn take_in(parent: &Path) -> io::Result<Self> {
        for number in 1.. {
            let path = parent.join(number.to_string());
            std::fs::create_dir_all(&path)?;
            let lock = File::create(path.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path, lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is being started may have it open as well.
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stacks_have_two_folders_and_a_free_folder_is_reused() {
        let parent = std::env::temp_dir().join(format!("chat-identity-{}", std::process::id()));
        let first = Folder::take_in(&parent).unwrap();
        let second = Folder::take_in(&parent).unwrap();
        assert_ne!(first.path, second.path);
        let path = first.path.clone();
        // This simulates a process that is being started at this moment.
        let inherited = first.lock.try_clone().unwrap();
        drop(first);
        assert_eq!(Folder::take_in(&parent).unwrap().path, path);
        drop(inherited);
        std::fs::remove_dir_all(parent).unwrap();
    }
}
