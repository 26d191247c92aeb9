//! From a Lambda HTTP event to a request, and from a response or a problem to the event's response.
//!
//! It accepts events of HTTP APIs, REST APIs, function URLs and load balancers. `lambda_http` is
//! not used: it panics on a body that is declared as base64 and is not, and on a path that is not a
//! URI, and it cannot read an authorizer's claims unless all of them are text.

mod base_path;
mod event;
mod request;
mod response;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::lambda::check::{self, Checks};
use crate::lambda::deadline::Deadline;
use crate::lambda::metrics::{self, Metric, Unit};
use crate::lambda::problem::{Code, Problem};

pub use base_path::BasePath;
pub use event::EventKind;
pub use request::{MAX_BODY_BYTES, Request, not_found, unauthenticated};
pub use response::{EventResponse, Response};

/// Time reserved at the end of an invocation for sending the response.
const RESPONSE_MARGIN: Duration = Duration::from_millis(250);

/// Serves the Lambda runtime's events until the environment ends: requests with `handler`, and the
/// action `check`, which comes by direct invoke only, with `check`. Removes `base_path` from each
/// request's path first.
pub async fn run<H, C>(base_path: &BasePath, check: C, handler: H) -> Result<(), Error>
where
    H: AsyncFn(&Request) -> Result<Response, Problem>,
    C: AsyncFn(Deadline) -> Checks,
{
    let (handler, check) = (&handler, &check);
    // Boxed, because a handler's future is large.
    Box::pin(lambda_runtime::run(service_fn(
        async |event: LambdaEvent<Box<RawValue>>| {
            if check::is_asked(event.payload.get()) {
                let deadline = Deadline::of_invocation(event.context.deadline);
                let checks = catch_panic(check(deadline.minus(RESPONSE_MARGIN))).await?;
                return Ok(Reply::Checks(checks));
            }
            respond(base_path, handler, event)
                .await
                .map(Reply::Response)
        },
    )))
    .await
}

/// The response to an invocation.
#[derive(Serialize)]
#[serde(untagged)]
enum Reply {
    Response(EventResponse),
    Checks(Checks),
}

/// One invocation: from event to response, with its line of metrics. An error if the event is not
/// an HTTP request.
pub async fn respond<H>(
    base_path: &BasePath,
    handler: &H,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<EventResponse, Error>
where
    H: AsyncFn(&Request) -> Result<Response, Problem>,
{
    let started = Instant::now();
    let id = event.context.request_id;
    // The form of the event is unknown, so respond with the documented fields that every form
    // accepts.
    let mut kind = EventKind::V1;
    let outcome = match Request::from_event(event.payload.get())? {
        Err(problem) => Err(problem),
        Ok(mut request) => {
            kind = request.kind;
            request.path = base_path.strip(&request.path).to_owned();
            request.deadline =
                Deadline::of_invocation(event.context.deadline).minus(RESPONSE_MARGIN);
            request.id.clone_from(&id);
            let response = tokio::time::timeout_at(request.deadline.instant(), handler(&request));
            match catch_panic(response).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_elapsed)) => Err(Problem::new(
                    Code::UpstreamTimeout,
                    "a service that this request needs did not respond in time; try again",
                )),
                Err(panicked) => Err(Problem::new(
                    Code::InternalError,
                    "this request failed because of a fault in the service; its log has the requestId",
                )
                .because(panicked)),
            }
        }
    };
    record(&id, started.elapsed(), &outcome);
    response::response(outcome, kind, &id)
}

/// The result of `work`, or an error if it panics. The error does not repeat the panic's message,
/// which may contain the data that was being processed.
pub async fn catch_panic<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_panic| "the function panicked; its log shows where".into())
}

static WARM: AtomicBool = AtomicBool::new(false);

/// Writes the one line of each invocation: status, fields and metrics.
fn record(id: &str, duration: Duration, outcome: &Result<Response, Problem>) {
    let mut metrics = vec![Metric {
        name: "Duration",
        unit: Unit::Milliseconds,
        value: duration.as_secs_f64() * 1000.0,
        by: None,
    }];
    let mut fields = vec![("requestId", Value::from(id))];
    if !WARM.swap(true, Ordering::Relaxed) {
        metrics.push(Metric::once("ColdStart"));
    }
    match outcome {
        Ok(response) => {
            fields.push(("status", response.status.as_u16().into()));
            fields.extend_from_slice(&response.fields);
            metrics.extend(&response.metrics);
        }
        Err(problem) => {
            let code = problem.code.as_str();
            fields.push(("status", problem.code.status().as_u16().into()));
            metrics.push(Metric::once("Refused").by("code", code));
            if let Some(cause) = &problem.cause {
                tracing::warn!(code, cause = %Causes(cause.as_ref()), "refused");
            }
        }
    }
    metrics::emit(&metrics, &fields);
}

/// An error with its sources, in one line.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
