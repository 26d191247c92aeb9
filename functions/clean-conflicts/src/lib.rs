//! Clears the 409s: reads the evidence, decides, and applies a merge or a release (a delete
//! only if an operator names it), never without an archive of the data that it removes.
//!
//! - `run` holds the run lease and chooses the conflicts: for a drain, or for an operator.
//! - `process` works on one conflict: its attempts, and its record. Its docs describe what happens
//!   if the process is killed at any point.
//! - `facts` reads everything that a decision needs, and decides nothing.
//! - `decide` holds the rules. It is pure: no I/O, no clock. To change a rule, begin there.
//! - `act` archives, sends and restores.
//!
//! A dry run is `facts` and `decide`, and nothing else. The states of a conflict are described with
//! its record, in `shared::conflicts`.

mod act;
mod api_key;
mod archive;
mod checking;
mod config;
mod context;
mod decide;
mod event;
mod evidence;
mod facts;
mod gauges;
mod interrupted;
mod outcome;
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
use shared::lambda::invoke::OperatorError;
use shared::sunshine::{Account, Options, SunshineClient};
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use api_key::ApiKeySecret;
use archive::Archive;
use context::{Actions, Context, Deadlines};
use event::Event;
use evidence::Policy;
use gauges::Gauges;
use run::{Run, table_error};
use stop::StopReason;

pub use config::Config;
pub use report::RunReport;

/// Time reserved at the end of an invocation for recording the results of the last calls.
const RECORDING_MARGIN: Duration = Duration::from_secs(2);
/// Time reserved at the end of an invocation for responding that its time was too short.
const RESPONSE_MARGIN: Duration = Duration::from_millis(250);
/// No work begins if less time than this is left.
const SHORTEST_WORK: Duration = Duration::from_secs(10);

/// The function, ready for events.
pub struct CleanConflicts {
    config: Config,
    http: HttpClient,
    table: Table,
    archive: Option<Archive>,
    api_key: Arc<CachedSecret<ApiKeySecret>>,
    gauges: Gauges,
}

impl CleanConflicts {
    /// Prepares everything that does not need an event: fetches the API key, and makes the clients.
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
            gauges: Gauges::default(),
            config,
        })
    }

    /// Handles an event. `deadline` is the invocation's, in milliseconds since 1970.
    ///
    /// # Errors
    /// If the event is not recognised, the operator's request is not allowed or out of date, or the
    /// table cannot be read.
    pub async fn handle(
        &self,
        event: Value,
        request_id: &str,
        deadline: u64,
    ) -> Result<Value, OperatorError> {
        let ends_at = deadline.max(now_millis());
        match Event::try_from(event)? {
            Event::Drain => {
                let at_once = self.at_once();
                let work = async |run: &Run<'_>| run.drain(at_once).await.map_err(table_error);
                let report = self.run(ends_at, request_id, None, work).await?;
                self.gauge(ends_at).await;
                json(&report)
            }
            Event::Resolve(resolve) if resolve.dry_run => {
                self.allow(resolve.remedy)?;
                // A dry run writes nothing at all, so it takes no lease either.
                let run = Run::new(self.context(ends_at, request_id, resolve.remedy));
                let deadline = run.ctx.deadlines.response.instant();
                match timeout_at(deadline, run.resolve(&resolve)).await {
                    Ok(worked) => worked?,
                    Err(_elapsed) => run.ctx.stop(StopReason::OutOfTime),
                }
                json(&run.finish())
            }
            Event::Resolve(resolve) => {
                self.allow(resolve.remedy)?;
                let work = async |run: &Run<'_>| run.resolve(&resolve).await;
                json(&self.run(ends_at, request_id, resolve.remedy, work).await?)
            }
            Event::Approve(approve) => {
                self.allow(Some(approve.remedy))?;
                let work = async |run: &Run<'_>| run.approve(&approve).await;
                json(
                    &self
                        .run(ends_at, request_id, Some(approve.remedy), work)
                        .await?,
                )
            }
            Event::Recheck(recheck) => {
                let at_once = self.at_once();
                let work = async |run: &Run<'_>| run.recheck(&recheck, at_once).await;
                json(&self.run(ends_at, request_id, None, work).await?)
            }
            Event::Undo(undo) => {
                self.allow(Some(Remedy::ReleaseEmail))?;
                let work = async |run: &Run<'_>| run.undo(&undo).await;
                json(&self.run(ends_at, request_id, None, work).await?)
            }
            // The other events change nothing at Zendesk, so they need no lease.
            event => {
                let run = Run::new(self.context(ends_at, request_id, None));
                let deadline = Deadline::of_invocation(ends_at).minus(RESPONSE_MARGIN);
                let work = Box::pin(self.respond(&run, event, deadline));
                timeout_at(deadline.instant(), work)
                    .await
                    .unwrap_or_else(|_elapsed| {
                        let slow = "the invocation's time was too short for this; ask for less";
                        Err(OperatorError::Unavailable(slow.to_owned()))
                    })
            }
        }
    }

    /// Handles the events that change nothing at Zendesk, without a lease.
    async fn respond(
        &self,
        run: &Run<'_>,
        event: Event,
        deadline: Deadline,
    ) -> Result<Value, OperatorError> {
        match event {
            Event::List(list) => json(&run::list(&self.table, &list).await?),
            Event::Count => run::count(&self.table).await,
            Event::Show(show) => run.show(&show).await,
            Event::Import(import) => run::import(run, &import).await,
            Event::Progress(progress) => run::progress(run, &progress).await,
            Event::Check => json(&self.check(&run.ctx.sunshine, deadline).await),
            Event::Close(close) => {
                run.close(&close).await?;
                json(&*run.report.borrow())
            }
            Event::Drain
            | Event::Resolve(_)
            | Event::Approve(_)
            | Event::Recheck(_)
            | Event::Undo(_) => Err(OperatorError::Internal("a run was not begun".to_owned())),
        }
    }

    fn at_once(&self) -> usize {
        self.config.requests_per_second.get().clamp(4, 64) as usize
    }

    /// Writes the gauges in the time that is left.
    async fn gauge(&self, ends_at: u64) {
        let deadline = Deadline::of_invocation(ends_at).minus(RESPONSE_MARGIN);
        let counted = timeout_at(deadline.instant(), self.gauges.emit(&self.table)).await;
        if let Ok(Err(error)) = counted {
            tracing::warn!(%error, "could not count the open conflicts");
        }
    }

    /// Refuses a remedy that is stronger than `REMEDY`. It is never replaced by a milder one.
    fn allow(&self, named: Option<Remedy>) -> Result<(), OperatorError> {
        match named {
            Some(remedy) if remedy > self.config.allowed => Err(OperatorError::NotAllowed(
                "this remedy is stronger than REMEDY allows; change REMEDY first".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Runs `work` under the run lease, and reports.
    async fn run<W>(
        &self,
        ends_at: u64,
        request_id: &str,
        named: Option<Remedy>,
        work: W,
    ) -> Result<RunReport, OperatorError>
    where
        W: AsyncFnOnce(&Run<'_>) -> Result<(), OperatorError>,
    {
        let run = Run::new(self.context(ends_at, request_id, named));
        // Work still in flight at the deadline is abandoned as if we had crashed; its leases expire
        // with the invocation and the next run resumes it.
        let deadline = run.ctx.deadlines.response.instant();
        let stopped = |reason| {
            let report = RunReport::stopped(reason);
            report.emit_stop(request_id);
            Ok(report)
        };
        let lease = match timeout_at(deadline, self.table.take_run_lease(ends_at)).await {
            Ok(Ok(Some(lease))) => lease,
            Ok(Ok(None)) => {
                tracing::info!(requestId = request_id, "another run holds the lease");
                return stopped(StopReason::AnotherRun);
            }
            Ok(Err(error)) => return Err(table_error(error)),
            Err(_elapsed) => return stopped(StopReason::OutOfTime),
        };
        match timeout_at(deadline, work(&run)).await {
            Ok(worked) => {
                let released = timeout_at(deadline, self.table.release_run_lease(lease)).await;
                if !matches!(released, Ok(Ok(()))) {
                    tracing::warn!("could not release the run lease; it will expire");
                }
                worked?;
            }
            Err(_elapsed) => run.ctx.stop(StopReason::OutOfTime),
        }
        let report = run.finish();
        report.emit(request_id);
        Ok(report)
    }

    fn context<'a>(
        &'a self,
        ends_at: u64,
        request_id: &'a str,
        named: Option<Remedy>,
    ) -> Context<'a> {
        let end = Deadline::of_invocation(ends_at);
        let whole = end.remaining();
        let recording = RECORDING_MARGIN.min(whole / 10);
        let shortest = SHORTEST_WORK.min(whole / 5).max(Duration::from_millis(1));
        let config = &self.config;
        let scope = &config.conflicts.scope;
        let account = Account {
            base_url: config.base_url.clone(),
            app_id: scope.app_id.clone(),
            brand_id: scope.brand_id.clone(),
            credentials: api_key::credentials(&self.api_key),
        };
        let options = Options {
            requests_per_second: config.requests_per_second,
            ..Options::default()
        };
        Context {
            sunshine: SunshineClient::new(self.http.clone(), account, options),
            table: &self.table,
            scope,
            archive: self.archive.as_ref(),
            policy: Policy {
                allowed: config.allowed,
                named,
                brand: scope.brand_id.clone(),
                release_after: config.release_after,
                merge_call: config.merge_call,
                trusts_events: config.trusts_events,
            },
            deadlines: Deadlines {
                begin: end.minus(shortest),
                calls: end.minus(recording),
                response: end.minus(recording / 2),
                end: ends_at,
            },
            actions: Actions::new(config.max_actions),
            merging: Mutex::new(false),
            request_id,
            stopped: Cell::new(None),
        }
    }
}

fn json(response: &impl serde::Serialize) -> Result<Value, OperatorError> {
    serde_json::to_value(response)
        .map_err(|_| OperatorError::Internal("the response could not be written".to_owned()))
}
