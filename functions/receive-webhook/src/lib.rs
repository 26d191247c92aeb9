//! `POST /webhooks/zendesk`: Zendesk states that a user's external id or email was changed.
//!
//! An event only ever asks for a check: the function records which id became which, and which email
//! to check. A drain then reads the facts from Sunshine Conversations, as for every conflict.

mod config;
mod event;
mod signature;
mod signature_verifier;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use shared::aws::sdk::SdkConfig;
use shared::aws::secrets::{self, CachedSecret};
use shared::conflicts::{Change, Event, Recorded, Scope, Table};
use shared::lambda::check::{Check, Checks};
use shared::lambda::clock::now_millis;
use shared::lambda::deadline::Deadline;
use shared::lambda::http::{Request, Response};
use shared::lambda::metrics::Metric;
use shared::lambda::problem::{Code, Problem};

pub use config::Config;
pub use event::{NotAnEvent, parse};
pub use signature::{SignatureError, SigningSecrets, Timestamp};
pub use signature_verifier::{NotVerified, SignatureVerifier};

/// Maximum time of the work. Zendesk gives up after about ten seconds, and does not retry after that.
/// A response within four leaves room for a cold start and the network.
const WORK_LIMIT: Duration = Duration::from_millis(3_500);
/// Time reserved at the end of a request for the response.
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);

/// The function, ready for requests.
pub struct ReceiveWebhook {
    verifier: SignatureVerifier,
    scope: Scope,
    table: Table,
}

impl ReceiveWebhook {
    /// Prepares everything that needs no request: the signing secrets, and a connection to the
    /// table.
    pub async fn start(config: Config, sdk: &SdkConfig) -> Self {
        let secrets = CachedSecret::new(
            secrets::client(sdk),
            config.webhook_secret_id,
            config.secret_ttl,
        );
        let table = Table::connect(sdk, config.conflicts.table);
        let (verifier, ()) = tokio::join!(SignatureVerifier::start(secrets), table.warm_up());
        Self {
            verifier,
            scope: config.conflicts.scope,
            table,
        }
    }

    /// Whether an event could be recorded now.
    pub async fn check(&self, deadline: Deadline) -> Checks {
        let (secret, table) = tokio::join!(self.verifier.check(deadline), self.table.check_write());
        [Check::configuration(), secret, table]
            .into_iter()
            .collect()
    }

    /// Responds with `{}` once the event is recorded, or with 503 and `Retry-After` if it cannot be
    /// recorded, so that Zendesk delivers it again.
    pub async fn handle(&self, request: &Request) -> Result<Response, Problem> {
        request.check_route(&Method::POST, "/webhooks/zendesk")?;
        let body = request.body_bytes()?;
        let deadline = request.deadline.minus(RESPONSE_MARGIN).capped(WORK_LIMIT);
        self.verifier
            .verify(&request.headers, &body, now_millis(), deadline)
            .await?;
        let event =
            parse(&body).map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?;

        let recording = self.table.record_event(&self.scope, &event);
        let recorded = self.table.with_deadline(deadline, recording).await?;
        let metric = Metric::once(name(&event, recorded));
        Ok(Response::json(StatusCode::OK, &json!({}))?.metric(metric))
    }
}

/// The metric that counts the event.
fn name(event: &Event, recorded: Recorded) -> &'static str {
    match (recorded, &event.change) {
        (Recorded::Replayed, _) => "Replayed",
        (Recorded::New, Change::ExternalId { .. }) => "ExternalIdChanged",
        (Recorded::New, Change::Email { .. }) => "EmailChanged",
        (Recorded::New, Change::Merged { .. }) => "UserMerged",
        (Recorded::New | Recorded::Ignored, _) => "Ignored",
    }
}

impl From<NotVerified> for Problem {
    fn from(error: NotVerified) -> Self {
        match error {
            NotVerified::NoSecrets(error) => error.into(),
            NotVerified::NotAuthentic(error) => Self::new(
                Code::InvalidSignature,
                "this is not a webhook of Zendesk with one of the configured secrets",
            )
            .because(error),
        }
    }
}
