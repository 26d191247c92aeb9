//! The Lambda Runtime API, as the process of the function sees it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot, watch};

/// The outcome of an invocation.
pub(super) enum Outcome {
    Response(Value),
    Error(Value),
}

struct Invocation {
    id: String,
    event: String,
    deadline_ms: u128,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Invocation>,
    responses: HashMap<String, oneshot::Sender<Outcome>>,
    submitted: u64,
    /// Counts the processes.
    process: u64,
}

/// The state that the test and the process share.
pub(super) struct RuntimeApi {
    arn: String,
    queue: Mutex<Queue>,
    arrival: Notify,
    started: watch::Sender<Option<Result<(), Value>>>,
}

impl RuntimeApi {
    pub(super) fn new(name: &str) -> Self {
        Self {
            arn: format!("arn:aws:lambda:eu-west-1:000000000000:function:{name}"),
            queue: Mutex::default(),
            arrival: Notify::new(),
            started: watch::Sender::new(None),
        }
    }

    /// Forgets the state of a process that has ended.
    pub(super) fn reset(&self) {
        let mut queue = self.queue();
        queue.waiting.clear();
        queue.responses.clear();
        queue.process += 1;
        self.started.send_replace(None);
    }

    /// Waits until the process asks for its first event, or reports that it cannot start.
    pub(super) async fn started(&self) -> Result<(), Value> {
        let mut started = self.started.subscribe();
        let outcome = started.wait_for(Option::is_some).await;
        outcome.ok().and_then(|o| o.clone()).unwrap_or(Ok(()))
    }

    pub(super) fn submit(&self, event: &Value, deadline: Duration) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut queue = self.queue();
        queue.submitted += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", queue.submitted);
        queue.responses.insert(id.clone(), sender);
        queue.waiting.push_back(Invocation {
            id,
            event: event.to_string(),
            deadline_ms: (now.unwrap_or_default() + deadline).as_millis(),
        });
        self.arrival.notify_one();
        receiver
    }

    fn finish(&self, id: &str, outcome: Outcome) -> StatusCode {
        match self.queue().responses.remove(id) {
            // Treat a test that no longer waits like one that does.
            Some(response) => response
                .send(outcome)
                .map_or(StatusCode::ACCEPTED, |()| StatusCode::ACCEPTED),
            None => StatusCode::BAD_REQUEST,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn router(api: Arc<RuntimeApi>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{id}/response",
            post(response),
        )
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(6 << 20)) // Lambda's own limit
        .with_state(api)
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    api.started.send_if_modified(|started| {
        let first = started.is_none();
        started.get_or_insert(Ok(()));
        first
    });
    let process = api.queue().process;
    loop {
        let arrival = api.arrival.notified();
        let invocation = {
            let mut queue = api.queue();
            if queue.process != process {
                // The process that asked is gone, and must not take the event of the next process.
                api.arrival.notify_one();
                return StatusCode::GONE.into_response();
            }
            queue.waiting.pop_front()
        };
        if let Some(invocation) = invocation {
            let headers = [
                ("lambda-runtime-aws-request-id", invocation.id),
                (
                    "lambda-runtime-deadline-ms",
                    invocation.deadline_ms.to_string(),
                ),
                ("lambda-runtime-invoked-function-arn", api.arn.clone()),
                (
                    "lambda-runtime-trace-id",
                    "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned(),
                ),
                ("content-type", "application/json".to_owned()),
            ];
            let headers = axum::response::AppendHeaders(headers);
            return (headers, invocation.event).into_response();
        }
        arrival.await;
    }
}

async fn response(
    State(api): State<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    api.finish(&id, Outcome::Response(json(&body)))
}

async fn error(
    State(api): State<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    api.finish(&id, Outcome::Error(json(&body)))
}

async fn init_error(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    api.started.send_replace(Some(Err(json(&body))));
    StatusCode::ACCEPTED
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| json!(String::from_utf8_lossy(body)))
}
