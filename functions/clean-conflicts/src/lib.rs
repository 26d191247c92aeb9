//! Clears the 409s: reads the evidence, decides, and takes the mildest remedy that resolves, never
//! without an archive of what it takes away.
//!
//! - `run` holds the run lease and chooses the conflicts: a drain, or what an operator asks for.
//! - `process` works on one conflict: attempts, and what becomes of its record. Its docs say what
//!   happens if the process is killed at any point.
//! - `facts` reads everything that a decision needs, and decides nothing.
//! - `decide` holds the rules. It is pure: no I/O, no clock. To change a rule, begin there.
//! - `act` archives, sends and restores.
//!
//! A dry run is `facts` and `decide`, and nothing else. The states of a conflict are described with
//! its record, in `shared::conflicts`.

mod act;
mod api_key;
mod archive;
mod config;
mod context;
mod decide;
mod error;
mod event;
mod evidence;
mod facts;
mod interrupted;
mod plan;
mod process;
mod report;
mod run;
mod stop;

use std::cell::Cell;
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
use shared::sunshine::{Account, Options, SunshineClient};
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use api_key::ApiKeySecret;
use archive::Archive;
use context::{Actions, Context, Deadlines};
use event::Event;
use evidence::Policy;
use run::Run;
use stop::StopReason;

pub use config::Config;
pub use error::OperatorError;
pub use report::Report;

/// The part of an invocation's time that is kept back to record the results of the last calls.
const RECORDING_MARGIN: Duration = Duration::from_secs(2);
/// The part of an invocation's time that is kept back to answer that a list cannot be read.
const LIST_MARGIN: Duration = Duration::from_millis(250);
/// With less time than this left no work begins.
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
    /// Prepares everything that does not need an event: the API key, and the connections.
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

    /// Carries an event out. `deadline` is the invocation's, in milliseconds since 1970.
    ///
    /// # Errors
    /// If the event is not recognised, the operator's request is not allowed or out of date, or the
    /// table cannot be read.
    pub async fn handle(&self, event: Value, deadline: u64) -> Result<Report, OperatorError> {
        let ends_at = deadline.max(now_millis());
        match Event::try_from(event)? {
            Event::List(list) => {
                let deadline = Deadline::of_invocation(ends_at).minus(LIST_MARGIN);
                let listed = run::list(&self.table, &list);
                Ok(self.table.by(deadline, listed).await?)
            }
            Event::Drain {} => {
                self.run(ends_at, None, async |run: &Run<'_>| {
                    let at_once = self.config.requests_per_second.get().clamp(4, 64);
                    Ok(run.drain(at_once as usize).await?)
                })
                .await
            }
            Event::Resolve(resolve) if resolve.dry_run => {
                self.allow(resolve.remedy)?;
                // It writes nothing at all, so it takes no lease either.
                let run = Run::new(self.context(ends_at, resolve.remedy));
                let deadline = run.ctx.deadlines.answer.instant();
                match timeout_at(deadline, run.resolve(&resolve)).await {
                    Ok(worked) => worked?,
                    Err(_elapsed) => run.ctx.stop(StopReason::OutOfTime),
                }
                Ok(run.finish())
            }
            Event::Resolve(resolve) => {
                self.allow(resolve.remedy)?;
                self.run(ends_at, resolve.remedy, async |run: &Run<'_>| {
                    run.resolve(&resolve).await
                })
                .await
            }
            Event::Approve(approve) => {
                self.allow(Some(approve.remedy))?;
                self.run(ends_at, Some(approve.remedy), async |run: &Run<'_>| {
                    run.approve(&approve).await
                })
                .await
            }
        }
    }

    /// A remedy beyond `REMEDY` is refused, never replaced.
    fn allow(&self, named: Option<Remedy>) -> Result<(), OperatorError> {
        match named {
            Some(remedy) if remedy > self.config.allowed => Err(OperatorError::NotAllowed),
            _ => Ok(()),
        }
    }

    /// Runs `work` under the run lease, and reports.
    async fn run<W>(
        &self,
        ends_at: u64,
        named: Option<Remedy>,
        work: W,
    ) -> Result<Report, OperatorError>
    where
        W: AsyncFnOnce(&Run<'_>) -> Result<(), OperatorError>,
    {
        let run = Run::new(self.context(ends_at, named));
        // Work still in flight at the deadline is abandoned as if we had crashed; its leases expire
        // with the invocation and the next run resumes it.
        let deadline = run.ctx.deadlines.answer.instant();
        let lease = match timeout_at(deadline, self.table.take_run_lease(ends_at)).await {
            Ok(Ok(Some(lease))) => lease,
            Ok(Ok(None)) => return Ok(Report::stopped(StopReason::AnotherRun)),
            Ok(Err(error)) => return Err(error.into()),
            Err(_elapsed) => return Ok(Report::stopped(StopReason::OutOfTime)),
        };
        match timeout_at(deadline, work(&run)).await {
            Ok(worked) => {
                let given_back = timeout_at(deadline, self.table.give_back(lease)).await;
                if !matches!(given_back, Ok(Ok(()))) {
                    tracing::warn!("could not release the run lease; it will expire");
                }
                worked?;
            }
            Err(_elapsed) => run.ctx.stop(StopReason::OutOfTime),
        }
        let report = run.finish();
        report.emit();
        Ok(report)
    }

    fn context(&self, ends_at: u64, named: Option<Remedy>) -> Context<'_> {
        let end = Deadline::of_invocation(ends_at);
        let whole = end.remaining();
        let recording = RECORDING_MARGIN.min(whole / 10);
        let shortest = SHORTEST_WORK.min(whole / 5).max(Duration::from_millis(1));
        let config = &self.config;
        let account = Account {
            base_url: config.base_url.clone(),
            app_id: config.app_id.clone(),
            brand_id: config.brand_id.clone(),
            credentials: api_key::credentials(&self.api_key),
        };
        let options = Options {
            requests_per_second: config.requests_per_second,
            ..Options::default()
        };
        Context {
            sunshine: SunshineClient::new(self.http.clone(), account, options),
            table: &self.table,
            scope: &config.conflicts.scope,
            archive: self.archive.as_ref(),
            policy: Policy {
                allowed: config.allowed,
                named,
                brand: config.brand_id.clone(),
                release_after: config.release_after,
                merge_call: config.merge_call,
                trusts_events: config.trusts_events,
            },
            deadlines: Deadlines {
                begin: end.minus(shortest),
                calls: end.minus(recording),
                answer: end.minus(recording / 2),
                end: ends_at,
            },
            actions: Actions::new(config.max_actions),
            merging: Mutex::new(false),
            stopped: Cell::new(None),
        }
    }
}
