//! `POST /zendesk/conflicts`: the page reports that its user's login was refused with 409.

mod config;

use std::time::Duration;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use shared::aws::sdk::SdkConfig;
use shared::conflicts::{
    Claim, ClaimSource, ConflictId, Lineage, Report, Scope, Source, State, Table,
};
use shared::identity::caller::{Caller, Callers};
use shared::lambda::check::{Check, Checks};
use shared::lambda::clock::now_millis;
use shared::lambda::deadline::Deadline;
use shared::lambda::http::{Request, Response};
use shared::lambda::metrics::Metric;
use shared::lambda::problem::{Code, Problem};

pub use config::Config;

/// Time reserved at the end of a request for responding that nothing could be recorded.
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);

/// The function, ready for requests.
pub struct ReportConflict {
    callers: Callers,
    scope: Scope,
    table: Table,
}

/// The body is empty: the reporter is the caller.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportRequest {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportResponse {
    conflict_id: ConflictId,
    state: State,
}

impl ReportConflict {
    /// Prepares everything that needs no request: the issuer's keys, and a connection to the table.
    pub async fn start(config: Config, sdk: &SdkConfig) -> Self {
        let function = Self {
            callers: config.callers,
            scope: config.conflicts.scope,
            table: Table::connect(sdk, config.conflicts.table),
        };
        tokio::join!(function.callers.warm_up(), function.table.warm_up());
        function
    }

    /// Whether a report could be recorded now.
    pub async fn check(&self, deadline: Deadline) -> Checks {
        let table = self.table.check_write().await;
        let checks = [Check::configuration(), table].into_iter();
        checks.chain(self.callers.check(deadline).await).collect()
    }

    /// Responds with `{"conflictId","state"}`: the same conflict each time it is reported.
    pub async fn handle(&self, request: &Request) -> Result<Response, Problem> {
        request.check_route(&Method::POST, "/zendesk/conflicts")?;
        let caller = self.callers.identify(request).await?;
        let ReportRequest {} = request.json("empty, or an empty JSON object")?;
        let report = self.reported_by(&caller)?;
        let deadline = request.deadline.minus(RESPONSE_MARGIN);
        let conflict = self
            .table
            .with_deadline(deadline, self.table.report(&report))
            .await?;
        let response = ReportResponse {
            conflict_id: conflict.id().clone(),
            state: conflict.state(),
        };
        Ok(Response::json(StatusCode::ACCEPTED, &response)?.metric(Metric::once("Reported")))
    }

    fn reported_by(&self, caller: &Caller) -> Result<Report, Problem> {
        let email = caller.email.as_ref().map_err(|reason| {
            Problem::new(
                Code::EmailNotVerified,
                "this user has no verified email, so there cannot be a conflict",
            )
            .because(format!(
                "the login provides no verified email: {}",
                reason.as_str()
            ))
        })?;
        let (now, external_id) = (now_millis(), caller.external_id.as_str());
        let claim = Claim::new(external_id, ClaimSource::Report, now);
        let became = caller.previous_external_id.iter().map(|previous| {
            let source = Source::Claim {
                changed_at: caller.external_id_changed_at,
            };
            Lineage::new(previous.as_str(), external_id, source, now)
        });
        Ok(Report::over_email(&self.scope, &email.key(), claim).with_lineages(became))
    }
}
