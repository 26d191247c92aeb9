//! One running function, and a clock.

use std::io;
use std::time::{Duration, Instant};

use super::process::{Process, Program};
use super::runtime_api::{ApiError, Responded, RuntimeApi};

/// The reason why a measurement failed, with the end of the function's log.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}\nit wrote:\n{log}")]
pub struct Failure {
    name: String,
    why: String,
    log: String,
}

/// A started function that waits for an event.
#[derive(Debug)]
pub struct Function {
    name: String,
    api: RuntimeApi,
    process: Process,
    began: Instant,
    started: Instant,
}

impl Function {
    /// Starts `program` and waits until it asks for its first event.
    pub fn start(program: &Program, environment: &[(String, String)]) -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure {
            name: program.name.clone(),
            why: format!("{} does not start: {error}", program.file.display()),
            log: String::new(),
        };
        let api = RuntimeApi::listen(&program.name).map_err(cannot)?;
        let address = api.address().map_err(cannot)?;
        let began = Instant::now();
        let process = Process::spawn(program, address, environment).map_err(cannot)?;
        let end = process.end().map_err(cannot)?;
        let mut function = Self {
            name: program.name.clone(),
            api,
            process,
            began,
            started: began,
        };
        let started = function.api.started(end);
        function.started = function.with_log(started)?;
        Ok(function)
    }

    /// The time from the start of the process until it asked for an event.
    pub fn init(&self) -> Duration {
        self.started - self.began
    }

    /// Invokes it, and empties its log afterwards.
    pub fn invoke(&mut self, event: &str) -> Result<Responded, Failure> {
        let responded = self.api.invoke(event.as_bytes());
        let responded = self.with_log(responded)?;
        let drained = self.process.drain();
        self.with_log(drained.map_err(ApiError::from))?;
        Ok(responded)
    }

    /// The time from the start of the process until its first response, `first`.
    pub fn cold_start(&self, first: &Responded) -> Duration {
        first.responded - self.began
    }

    /// Its processor time so far.
    pub fn processor_time(&mut self) -> Result<Duration, Failure> {
        let time = self.process.processor_time();
        self.with_log(time.map_err(ApiError::from))
    }

    /// Its peak memory so far, in bytes.
    pub fn peak_memory(&mut self) -> Result<u64, Failure> {
        let peak = self.process.peak_memory();
        self.with_log(peak.map_err(ApiError::from))
    }

    /// The failure for a wrong response.
    pub fn failed(&mut self, why: String) -> Failure {
        Failure {
            name: self.name.clone(),
            why,
            log: self.process.log(),
        }
    }

    fn with_log<T>(&mut self, outcome: Result<T, ApiError>) -> Result<T, Failure> {
        outcome.map_err(|error| self.failed(error.to_string()))
    }
}
