//! Clears the 409s: reads the evidence, takes the mildest remedy that resolves, and never without
//! an archive of what it takes away.

mod action;
mod api_key;
mod archive;
mod config;
mod confirm;
mod decision;
mod evidence;
mod operator;
mod remedy;
mod report;
mod restore;
mod run;
mod worker;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::Error;
use serde_json::Value;
use shared::aws::sdk::SdkConfig;
use shared::aws::secrets::{self, CachedSecret};
use shared::conflicts::{Remedy, Table};
use shared::http::client::HttpClient;
use shared::lambda::clock::now_millis;
use shared::lambda::deadline::Deadline;
use shared::lambda::metrics::{self, Metric};
use shared::sunshine::{Account, Options, SunshineClient};
use tokio::time::timeout_at;

use action::Action;
use api_key::ApiKeySecret;
use archive::Archive;
use decision::Rules;
use run::Run;

pub use config::Config;
pub use report::Report;

/// What is kept back of an invocation's time, to record what came of the last calls in.
const RECORDING_MARGIN: Duration = Duration::from_secs(2);
/// What is kept back of an invocation's time, to answer that there is no list.
const LIST_MARGIN: Duration = Duration::from_millis(250);
/// With less time than this left nothing new is begun.
const SHORTEST_WORK: Duration = Duration::from_secs(10);

/// The function, ready for events.
pub struct CleanConflicts {
    config: Config,
    http: HttpClient,
    table: Table,
    archive: Option<Archive>,
    api_key: Arc<CachedSecret<ApiKeySecret>>,
}

impl CleanConflicts {
    /// Gets everything ready that does not need an event: the API key, and the connections.
    pub async fn start(config: Config, sdk: &SdkConfig) -> Result<Self, Error> {
        let api_key = CachedSecret::new(
            secrets::client(sdk),
            config.api_key_secret_id.clone(),
            config.secret_ttl,
        );
        api_key.warm_up().await;
        Ok(Self {
            http: HttpClient::new()?,
            table: Table::connect(sdk, config.conflicts.table.clone()),
            archive: config
                .archive_bucket
                .clone()
                .map(|bucket| Archive::connect(sdk, bucket)),
            api_key: Arc::new(api_key),
            config,
        })
    }

    /// Does what the event asks. `deadline` is the invocation's, in milliseconds since 1970.
    ///
    /// # Errors
    /// Where the event is none that this function takes, where an operator asks for what is not
    /// allowed or not so any more, and where the table cannot be read.
    pub async fn handle(&self, event: Value, deadline: u64) -> Result<Report, Error> {
        let report = match Action::try_from(event)? {
            Action::List(list) => {
                let by = Deadline::of_invocation(deadline.max(now_millis())).less(LIST_MARGIN);
                self.table
                    .by(by, operator::list(&self.table, &list))
                    .await?
            }
            Action::Drain {} => {
                self.run(deadline, None, async |run: &Run<'_>| {
                    let at_once = self.config.requests_per_second.get().clamp(4, 64);
                    Ok(run.drain(at_once as usize).await?)
                })
                .await?
            }
            Action::Resolve(resolve) if resolve.dry_run => {
                self.allow(resolve.remedy)?;
                // It writes nothing at all, so it takes no lease either.
                let run = self.begin(deadline.max(now_millis()), resolve.remedy);
                let work = operator::resolve(&run, &resolve);
                match timeout_at(run.answers_by.instant(), work).await {
                    Ok(worked) => worked?,
                    Err(_elapsed) => run.stop("out_of_time"),
                }
                done(run)
            }
            Action::Resolve(resolve) => {
                self.allow(resolve.remedy)?;
                self.run(deadline, resolve.remedy, async |run: &Run<'_>| {
                    operator::resolve(run, &resolve).await
                })
                .await?
            }
            Action::Approve(approve) => {
                self.allow(Some(approve.remedy))?;
                self.run(deadline, Some(approve.remedy), async |run: &Run<'_>| {
                    operator::approve(run, &approve).await
                })
                .await?
            }
        };
        Ok(report)
    }

    /// A remedy beyond `REMEDY` is refused, never replaced.
    fn allow(&self, named: Option<Remedy>) -> Result<(), Error> {
        match named {
            Some(remedy) if remedy > self.config.allowed => {
                Err("this remedy is stronger than REMEDY allows; change REMEDY first".into())
            }
            _ => Ok(()),
        }
    }

    /// Runs `work` under the run lease, and reports.
    async fn run<W>(&self, deadline: u64, named: Option<Remedy>, work: W) -> Result<Report, Error>
    where
        W: AsyncFnOnce(&Run<'_>) -> Result<(), Error>,
    {
        let ends_at = deadline.max(now_millis());
        let run = self.begin(ends_at, named);
        // What is under way then is left as by a worker that died: the lease and the records are
        // free when the invocation ends, and taken up where they were.
        let answers_by = run.answers_by.instant();
        let lease = timeout_at(answers_by, self.table.take_run_lease(ends_at)).await;
        let stopped = |because| Report {
            stopped_because: Some(because),
            ..Report::default()
        };
        let lease = match lease {
            Ok(Ok(Some(lease))) => lease,
            Ok(Ok(None)) => return Ok(stopped("another_run")),
            Ok(Err(error)) => return Err(error.into()),
            Err(_elapsed) => return Ok(stopped("out_of_time")),
        };
        match timeout_at(answers_by, work(&run)).await {
            Ok(worked) => {
                let given_back = timeout_at(answers_by, self.table.give_back(lease)).await;
                if !matches!(given_back, Ok(Ok(()))) {
                    tracing::warn!("the run lease ends with its time");
                }
                worked?;
            }
            Err(_elapsed) => run.stop("out_of_time"),
        }
        let report = done(run);
        record(&report);
        Ok(report)
    }

    fn begin(&self, ends_at: u64, named: Option<Remedy>) -> Run<'_> {
        let end = Deadline::of_invocation(ends_at);
        let whole = end.remaining();
        let recording = RECORDING_MARGIN.min(whole / 10);
        let shortest = SHORTEST_WORK.min(whole / 5).max(Duration::from_millis(1));
        let account = Account {
            base_url: self.config.base_url.clone(),
            app_id: self.config.app_id.clone(),
            brand_id: self.config.brand_id.clone(),
            credentials: api_key::credentials(&self.api_key),
        };
        let options = Options {
            requests_per_second: self.config.requests_per_second,
            ..Options::default()
        };
        Run {
            sunshine: SunshineClient::new(self.http.clone(), account, options),
            table: &self.table,
            scope: &self.config.conflicts.scope,
            archive: self.archive.as_ref(),
            rules: Rules {
                allowed: self.config.allowed,
                named,
                brand: self.config.brand_id.as_ref(),
            },
            deadline: end.less(recording),
            answers_by: end.less(recording / 2),
            ends_at,
            begins_until: end.less(shortest),
            actions_left: Cell::new(self.config.max_actions),
            stopped: Cell::new(None),
            report: RefCell::default(),
        }
    }
}

/// What came of a run that is over.
fn done(run: Run<'_>) -> Report {
    run.must_stop_for_calls();
    let mut report = run.report.into_inner();
    report.requests = run.sunshine.requests();
    report.stopped_because = run.stopped.get();
    report
}

fn record(report: &Report) {
    metrics::emit(
        &[
            Metric::count("Examined", report.examined),
            Metric::count("Resolved", report.resolved),
            Metric::count("Planned", report.planned),
            Metric::count("NotAConflict", report.not_a_conflict),
            Metric::count("NeedsReview", report.needs_review),
            Metric::count("Deferred", report.deferred),
            Metric::count("Failed", report.failed),
            Metric::count(
                "Requests",
                u32::try_from(report.requests).unwrap_or(u32::MAX),
            ),
        ],
        &[("stoppedBecause", report.stopped_because.into())],
    );
}
