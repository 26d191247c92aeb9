//! The routes that the page needs from the local stack. They are under the page's own address,
//! because of its strict content security policy:
//!
//! | route | does |
//! | --- | --- |
//! | `/local/login/…`, `/local/zendesk/…`, `/local/puzzel/…` | forwards to the stand-in |
//! | `GET /local/calls?after=VERSION` | the calls since, see [`Calls::since`](crate::calls::Calls::since) |
//! | `GET /local/conflicts` | the records of conflicts |
//! | `POST /local/clean` `{"remedy", "event"}` | runs clean-conflicts with this `REMEDY` |
//! | `POST /local/external-id-changed` `{"previous", "current", "email"}` | sends Zendesk's webhook |

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::backends::{Backends, TABLE};
use crate::calls::Party;
use crate::tap;
use crate::webhook;
use harness::serve::Forward;

/// The header with the true status of a refusal by a stand-in, which is sent with status 200. The
/// browser would log any other status in the console as an error of the page, even the 409 of the
/// story.
const STATUS: HeaderName = HeaderName::from_static("x-local-status");

/// Maximum requests that may wait for the functions. cargo-lambda (1.9.2) has room for a hundred,
/// and stops serving for good once more than that arrive at the same time.
const MOST_WAITING: usize = 64;

/// Maximum time of a run, as in the template.
const LONGEST_RUN: Duration = Duration::from_mins(5);

/// The stack, as the page sees it.
#[derive(Clone)]
pub struct Local {
    backends: Arc<Backends>,
    functions: Forward,
    waiting: Arc<Semaphore>,
    standins: HashMap<&'static str, (Party, Forward)>,
}

impl Local {
    /// The view that the page has of `backends` and of the functions.
    pub fn new(backends: Arc<Backends>, functions: Forward) -> Self {
        let urls = [
            ("login", Party::Login, backends.issuer.direct_url()),
            ("zendesk", Party::Zendesk, backends.sunshine.url()),
            ("puzzel", Party::Puzzel, backends.puzzel.idp_url()),
        ];
        let standins = urls
            .into_iter()
            .map(|(name, party, url)| (name, (party, Forward::new(tap::address(&url)))));
        Self {
            standins: standins.collect(),
            backends,
            functions,
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
        }
    }

    /// Sends a request to the functions. If too many are already waiting, it is refused, as API
    /// Gateway refuses requests beyond its limits.
    pub async fn ask_functions(&self, from: Party, request: Request) -> Response {
        let Ok(_permit) = self.waiting.try_acquire() else {
            let refusal = json!({"message": "Too Many Requests"});
            let again = [(header::RETRY_AFTER, "1")];
            return (StatusCode::TOO_MANY_REQUESTS, again, Json(refusal)).into_response();
        };
        let calls = &self.backends.calls;
        calls
            .relay(from, Party::Functions, &self.functions, request)
            .await
    }
}

/// The routes.
pub fn router(local: Local) -> Router {
    Router::new()
        .route("/local/{standin}/{*path}", any(standin))
        .route("/local/calls", get(calls))
        .route("/local/conflicts", get(conflicts))
        .route("/local/clean", post(clean))
        .route("/local/external-id-changed", post(external_id_changed))
        .with_state(local)
}

async fn standin(
    State(local): State<Local>,
    Path((name, _)): Path<(String, String)>,
    mut request: Request,
) -> Response {
    let Some((party, forward)) = local.standins.get(name.as_str()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let target = request.uri().path_and_query().map(ToString::to_string);
    let target = target.unwrap_or_default();
    let stripped = target
        .strip_prefix("/local/")
        .and_then(|target| target.strip_prefix(name.as_str()));
    match stripped.unwrap_or_default().parse() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    }
    // Calls that only prepare data for the page are not part of the story.
    let is_made_up = request.uri().path().contains("/_control/");
    let mut response = if is_made_up {
        forward.send(request).await
    } else {
        let calls = &local.backends.calls;
        calls.relay(Party::Page, *party, forward, request).await
    };
    let status = HeaderValue::from(response.status().as_u16());
    response.headers_mut().insert(STATUS, status);
    *response.status_mut() = StatusCode::OK;
    response
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn calls(State(local): State<Local>, Query(After { after }): Query<After>) -> Json<Value> {
    Json(local.backends.calls.since(after))
}

async fn conflicts(State(local): State<Local>) -> Json<Value> {
    let items = local.backends.aws.items(TABLE).into_iter();
    let conflicts: Vec<Value> = items.filter(|item| item["sk"] == "conflict").collect();
    Json(json!({ "conflicts": conflicts }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clean {
    remedy: String,
    event: Value,
}

async fn clean(State(local): State<Local>, Json(Clean { remedy, event }): Json<Clean>) -> Response {
    let calls = &local.backends.calls;
    let title = format!("invoke clean-conflicts with REMEDY={remedy}");
    let number = calls.asked(Party::Page, Party::Functions, title, event.clone());
    let report = async {
        let function = local
            .backends
            .clean_conflicts(&[("REMEDY", &remedy)])
            .await?;
        function.invoke_within(&event, LONGEST_RUN).await
    };
    let (status, response) = match report.await {
        Ok(report) => (StatusCode::OK, report),
        Err(error) => (
            StatusCode::BAD_GATEWAY,
            json!({ "error": error.to_string() }),
        ),
    };
    calls.answered(number, status.as_u16(), response.clone());
    (status, Json(response)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    previous: String,
    current: String,
    email: String,
}

async fn external_id_changed(State(local): State<Local>, Json(changed): Json<Changed>) -> Response {
    let (time, timestamp) = (now(), webhook::seconds_from_now(0));
    let id = format!("{}-{}-{time}", changed.previous, changed.current);
    let ids = (changed.previous.as_str(), changed.current.as_str());
    let body = webhook::external_id_changed(&id, &time, &changed.email, ids).to_string();
    let secret = &local.backends.webhook_secret;
    let signature = webhook::signature(secret, &timestamp, body.as_bytes());
    let request = Request::post(webhook::PATH)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(webhook::TIMESTAMP, timestamp)
        .header(webhook::SIGNATURE, signature)
        .body(Body::from(body));
    match request {
        Ok(request) => local.ask_functions(Party::Zendesk, request).await,
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// The time to the millisecond, so that a sign-up within the same second counts as earlier.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let (date, (hour, minute, second, milli)) = (now.date(), now.to_hms_milli());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}
