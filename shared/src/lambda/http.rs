//! From a Lambda HTTP event to a request, and from an answer or a problem to the response.
//!
//! Events of HTTP APIs and function URLs (payload 2.0) and of load balancers are understood. The
//! event types are `lambda_http`'s; its conversion to `http::Request` is not used, because it
//! panics on a body that is not the base64 it says it is and on a path that is no URI.

mod request;
mod response;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::lambda::deadline::Deadline;
use crate::lambda::metrics::{self, Metric, Unit};
use crate::lambda::problem::{Code, Problem};

pub use request::{MAX_BODY_BYTES, Request, not_found, unauthenticated};
pub use response::Answer;

/// What is kept back of an invocation's time, to answer in.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// Answers the Lambda runtime's events with `handler`, until the environment ends.
pub async fn run<H>(handler: H) -> Result<(), Error>
where
    H: AsyncFn(&Request) -> Result<Answer, Problem>,
{
    let handler = &handler;
    // Boxed, because a handler's future is large.
    Box::pin(lambda_runtime::run(service_fn(
        async |event: LambdaEvent<Box<RawValue>>| respond(handler, event).await,
    )))
    .await
}

/// One invocation: from event to response, with its line of metrics. An error where the event is
/// no HTTP request.
pub async fn respond<H>(
    handler: &H,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<ApiGatewayV2httpResponse, Error>
where
    H: AsyncFn(&Request) -> Result<Answer, Problem>,
{
    let started = Instant::now();
    let id = event.context.request_id;
    let outcome = match Request::from_event(event.payload.get())? {
        Err(problem) => Err(problem),
        Ok(mut request) => {
            request.deadline = Deadline::of_invocation(event.context.deadline).less(ANSWER_MARGIN);
            request.id.clone_from(&id);
            let answer = tokio::time::timeout_at(request.deadline.instant(), handler(&request));
            caught(answer).await?.unwrap_or_else(|_elapsed| {
                Err(Problem::new(
                    Code::UpstreamTimeout,
                    "what this request needs did not answer in time; try again",
                ))
            })
        }
    };
    record(&id, started.elapsed(), &outcome);
    response::response(outcome, &id)
}

/// What `work` comes to. An error that does not say why where it panics: a panic's own words may
/// hold what was worked on.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_panic| "the function panicked; its log tells where".into())
}

static WARM: AtomicBool = AtomicBool::new(false);

/// The one line that every invocation writes: what came of it, and the metrics.
fn record(id: &str, duration: Duration, outcome: &Result<Answer, Problem>) {
    let mut metrics = vec![Metric {
        name: "Duration",
        unit: Unit::Milliseconds,
        value: duration.as_secs_f64() * 1000.0,
    }];
    let mut fields = vec![("requestId", Value::from(id))];
    if !WARM.swap(true, Ordering::Relaxed) {
        metrics.push(Metric::once("ColdStart"));
    }
    match outcome {
        Ok(answer) => {
            fields.push(("status", answer.status.as_u16().into()));
            metrics.extend(&answer.metrics);
        }
        Err(problem) => {
            let code = problem.code.as_str();
            fields.push(("status", problem.code.status().as_u16().into()));
            fields.push(("code", code.into()));
            metrics.push(Metric::once("Refused"));
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
