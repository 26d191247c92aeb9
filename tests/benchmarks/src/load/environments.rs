//! A function as Lambda scales it: environments that each take one event at a time, and no more of
//! them than the concurrency that it was given.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harness::lambda::{Function, HttpAnswer, HttpEvent};

/// The time of a request, as the template gives it.
const TIME: Duration = Duration::from_secs(10);

/// The environments of one function, all of them started.
pub(super) struct Environments {
    functions: Vec<Function>,
    free: Mutex<Vec<usize>>,
}

/// An environment that is busy as long as this lives.
struct Busy<'a> {
    environments: &'a Environments,
    number: usize,
}

impl Environments {
    pub(super) fn new(functions: Vec<Function>) -> Self {
        Self {
            free: Mutex::new((0..functions.len()).collect()),
            functions,
        }
    }

    /// The answer; none where every environment is busy, which Lambda says at once (429, and API
    /// Gateway hands it on as 503): it keeps no queue for those who wait for an answer. An error
    /// says how the function failed.
    pub(super) async fn http(&self, event: &HttpEvent) -> Result<Option<HttpAnswer>, String> {
        let Some(busy) = self.take() else {
            return Ok(None);
        };
        let event = event.api_gateway();
        let answer = self.functions.get(busy.number);
        let answer = answer.expect("an environment").invoke_within(&event, TIME);
        match answer.await {
            Ok(answer) => Ok(Some(HttpAnswer::new(answer))),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The most memory that any of them took, in bytes.
    pub(super) fn peak_memory(&self) -> u64 {
        let peaks = self.functions.iter().map(Function::peak_memory);
        peaks.max().unwrap_or_default()
    }

    fn take(&self) -> Option<Busy<'_>> {
        let number = self.free().pop()?;
        Some(Busy {
            environments: self,
            number,
        })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.environments.free().push(self.number);
    }
}
