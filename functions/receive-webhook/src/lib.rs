//! `POST /webhooks/zendesk`: Zendesk says that a user's external id or email was changed.
//!
//! A webhook only ever asks for a check: it records who became whom and which email to look at.
//! What is true of it is read from Sunshine Conversations, as for every conflict.

mod config;
mod event;
mod signature;

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use shared::aws::secrets::{CachedSecret, Client};
use shared::conflicts::{Scope, Table, TableError};
use shared::lambda::clock::now_millis;
use shared::lambda::http::{Request, Response};
use shared::lambda::metrics::Metric;
use shared::lambda::problem::{Code, Problem};

pub use config::Config;
pub use event::{Change, Event, NotAnEvent};
pub use signature::{NotAuthentic, SigningSecrets, check_signature, check_timestamp};

/// What is kept back of a request's time, to answer that nothing could be recorded.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

/// The function, ready for requests.
pub struct ReceiveWebhook {
    secrets: CachedSecret<SigningSecrets>,
    scope: Scope,
    table: Table,
}

impl ReceiveWebhook {
    /// Gets everything ready that does not need a request: the signing secrets, from Secrets
    /// Manager by `secrets_manager`.
    pub async fn start(config: Config, secrets_manager: Client) -> Self {
        let function = Self {
            secrets: CachedSecret::new(
                secrets_manager,
                config.webhook_secret_id,
                config.secret_ttl,
            ),
            scope: config.conflicts.scope,
            table: Table::connect(config.conflicts.table).await,
        };
        function.secrets.warm_up().await;
        function
    }

    /// Answers `{}` once what the event says is recorded; 503 where it could not be, so that
    /// Zendesk delivers it again.
    pub async fn handle(&self, request: &Request) -> Result<Response, Problem> {
        request.check_route(&Method::POST, "/webhooks/zendesk")?;
        let body = request.body_bytes()?;
        self.authenticate(request, &body).await?;
        let event = Event::parse(&body)
            .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?;

        let by = request.deadline.less(ANSWER_MARGIN);
        let came_of_it = self.table.by(by, self.take(&event)).await?;
        Ok(Response::json(StatusCode::OK, &json!({}))?.metric(Metric::once(came_of_it)))
    }

    async fn authenticate(&self, request: &Request, body: &[u8]) -> Result<(), Problem> {
        let timestamp = header(&request.headers, "x-zendesk-webhook-signature-timestamp")?;
        let signature = header(&request.headers, "x-zendesk-webhook-signature")?;
        check_timestamp(timestamp, now_millis())?;
        let secrets = self.secrets.get(request.deadline).await?;
        Ok(check_signature(&secrets.value, timestamp, body, signature)?)
    }

    /// Records an event, unless it was taken before, and answers the metric of it.
    async fn take(&self, event: &Event) -> Result<&'static str, TableError> {
        if self.table.has_seen(&event.id).await? {
            return Ok("Replayed");
        }
        let recorded = self.record(event).await?;
        // Last, so that an event whose effects failed is taken when it is delivered again.
        self.table.mark_seen(&event.id).await?;
        Ok(recorded)
    }

    /// Records what an event says, and answers the metric of it. Doing so twice changes nothing.
    async fn record(&self, event: &Event) -> Result<&'static str, TableError> {
        match &event.change {
            Change::ExternalId {
                previous,
                current,
                email,
            } => {
                if previous.as_ref() != Some(current) {
                    self.table
                        .record_change(&self.scope, previous.as_ref(), current, event.time)
                        .await?;
                }
                if let Some(email) = email {
                    self.table
                        .ask_for_a_check(&self.scope, email, current, event.time)
                        .await?;
                }
                Ok("ExternalIdChanged")
            }
            Change::Email { external_id, email } => {
                self.table
                    .ask_for_a_check(&self.scope, email, external_id, event.time)
                    .await?;
                Ok("EmailChanged")
            }
            Change::Merged { gone, surviving } => {
                self.table.record_merge(gone, surviving, event.time).await?;
                Ok("UserMerged")
            }
            Change::Other => Ok("Ignored"),
        }
    }
}

/// The one value of a header.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, NotAuthentic> {
    let mut values = headers.get_all(name).iter();
    values
        .next()
        .filter(|_| values.next().is_none())
        .and_then(|value| value.to_str().ok())
        .ok_or(NotAuthentic::MissingHeader)
}

impl From<NotAuthentic> for Problem {
    fn from(error: NotAuthentic) -> Self {
        Self::new(
            Code::InvalidSignature,
            "this is no webhook of Zendesk with one of the configured secrets",
        )
        .because(error)
    }
}
