//! A function as Lambda scales it: environments that each process one event at a time, up to the
//! configured concurrency.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harness::lambda::{Function, HttpEvent, HttpResponse};

/// The timeout of a request, as in the template.
const TIME: Duration = Duration::from_secs(10);

/// The running environments of one function.
pub(super) struct Environments {
    functions: Vec<Function>,
    free: Mutex<Vec<usize>>,
}

/// An environment that is busy while this exists.
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

    /// The response; `None` if every environment is busy. Lambda refuses such a request at once
    /// (429, which API Gateway passes on as 503), because it has no queue for synchronous requests.
    /// An error says how the function failed.
    pub(super) async fn http(&self, event: &HttpEvent) -> Result<Option<HttpResponse>, String> {
        let Some(busy) = self.take() else {
            return Ok(None);
        };
        let event = event.api_gateway();
        let response = self.functions.get(busy.number);
        let response = response
            .expect("an environment")
            .invoke_within(&event, TIME);
        match response.await {
            Ok(response) => Ok(Some(HttpResponse::new(response))),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The peak memory of the largest of them, in bytes.
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
