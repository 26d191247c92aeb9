//! AWS Lambda for one function: its debug binary as a child process, under a Runtime API that the
//! test controls.

mod process;
mod runtime_api;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

pub use crate::binary::{
    build, build_command, build_release, build_release_with_jitter, without_cargo_variables,
    workspace_root,
};
pub use crate::event::{HttpEvent, HttpResponse};
pub use process::Output;

use crate::openapi;
use crate::serve::Server;
use process::Process;
use runtime_api::{Outcome, RuntimeApi};

/// The default deadline of an invocation.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The reason why an invocation has no response, in Lambda's terms.
#[derive(Debug, thiserror::Error)]
pub enum LambdaError {
    /// The handler returned an error, or panicked.
    #[error("the function failed: {0}")]
    Function(Value),
    /// The function reported that it cannot start.
    #[error("the function reported an initialisation error: {0}")]
    Init(Value),
    /// The process ended.
    #[error("the process ended with {status} and wrote:\n{output}")]
    Exited {
        /// Its exit status.
        status: ExitStatus,
        /// Everything that it wrote to standard output and standard error.
        output: String,
    },
    /// The deadline passed. As with Lambda, the process is killed.
    #[error("the function did not respond before its deadline")]
    TimedOut,
}

/// A function under Lambda.
pub struct Function {
    name: String,
    program: PathBuf,
    environment: Vec<(String, String)>,
    api: Arc<RuntimeApi>,
    server: Server,
    process: Process,
    output: Output,
    /// An environment serves one event at a time.
    turn: Mutex<()>,
}

impl Function {
    /// Builds the function (once per test process), starts it with these variables and Lambda's own
    /// only, and waits until it asks for its first event.
    pub async fn start<K, V>(
        name: &str,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, LambdaError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let program = {
            let name = name.to_owned();
            tokio::task::spawn_blocking(move || build(&name))
                .await
                .expect("the function builds")
        };
        Self::start_program(name, program, environment).await
    }

    /// The same with a program that is already built.
    pub async fn start_program<K, V>(
        name: &str,
        program: PathBuf,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, LambdaError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let api = Arc::new(RuntimeApi::new(name));
        let server = Server::start(runtime_api::router(api.clone()), None)
            .await
            .expect("a port on loopback");
        let environment: Vec<(String, String)> = environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let output = Output::default();
        let command = command(name, &program, &environment, &server);
        let function = Self {
            name: name.to_owned(),
            program,
            environment,
            api,
            server,
            process: Process::spawn(command, &output),
            output,
            turn: Mutex::default(),
        };
        function.ready().await?;
        Ok(function)
    }

    /// Changes a variable, for the next [`Function::restart`].
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Kills the process and starts a new one: a cold start.
    pub async fn restart(&mut self) -> Result<(), LambdaError> {
        self.kill().await;
        self.api.reset();
        let command = command(&self.name, &self.program, &self.environment, &self.server);
        self.process = Process::spawn(command, &self.output);
        self.ready().await
    }

    /// Sends SIGKILL, and waits for the end of the process.
    pub async fn kill(&self) -> ExitStatus {
        self.process.kill();
        self.process.exited().await
    }

    /// Waits for the process to end on its own.
    pub async fn exited(&self) -> ExitStatus {
        self.process.exited().await
    }

    /// The peak memory of the process so far, in bytes (Linux: `VmHWM`).
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the process's status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        peak.and_then(|peak| peak.parse::<u64>().ok())
            .expect("a number of kB")
            * 1024
    }

    /// The output of all processes of this function.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Invokes it. Simultaneous invocations wait for one another, as in one environment. Everything
    /// that the function wrote before its response is then in [`Function::output`].
    pub async fn invoke(&self, event: &Value) -> Result<Value, LambdaError> {
        self.invoke_within(event, DEADLINE).await
    }

    /// Invokes it with its own deadline, counted from now.
    pub async fn invoke_within(
        &self,
        event: &Value,
        deadline: Duration,
    ) -> Result<Value, LambdaError> {
        self.invoke_patiently(event, deadline, deadline).await
    }

    /// Invokes it with a deadline that has already passed, and still lets it respond.
    pub async fn invoke_late(&self, event: &Value) -> Result<Value, LambdaError> {
        self.invoke_patiently(event, Duration::ZERO, DEADLINE).await
    }

    /// Invokes it with a deadline, and kills it after a separate time.
    async fn invoke_patiently(
        &self,
        event: &Value,
        deadline: Duration,
        killed_after: Duration,
    ) -> Result<Value, LambdaError> {
        let _turn = self.turn.lock().await;
        let response = self.api.submit(event, deadline);
        let response = tokio::select! {
            // A response counts, even if the process ended right after it.
            biased;
            outcome = response => match outcome {
                Ok(Outcome::Response(response)) => {
                    openapi::hold(&self.name, event, &response);
                    Ok(response)
                }
                Ok(Outcome::Error(error)) => Err(LambdaError::Function(error)),
                Err(_) => Err(self.ended().await),
            },
            () = self.process.wait() => Err(self.ended().await),
            () = tokio::time::sleep(killed_after) => {
                self.kill().await;
                Err(LambdaError::TimedOut)
            }
        };
        self.process.drain();
        response
    }

    /// Invokes it with an HTTP API event.
    pub async fn http(&self, event: &HttpEvent) -> Result<HttpResponse, LambdaError> {
        self.invoke(&event.api_gateway())
            .await
            .map(HttpResponse::new)
    }

    async fn ready(&self) -> Result<(), LambdaError> {
        tokio::select! {
            biased;
            started = self.api.started() => started.map_err(LambdaError::Init),
            () = self.process.wait() => Err(self.ended().await),
        }
    }

    async fn ended(&self) -> LambdaError {
        LambdaError::Exited {
            status: self.process.exited().await,
            output: self.output.lines().join("\n"),
        }
    }
}

/// The process as Lambda starts it: with its own variables, and none of our environment.
fn command(
    name: &str,
    program: &Path,
    environment: &[(String, String)],
    server: &Server,
) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", server.address().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command
}
