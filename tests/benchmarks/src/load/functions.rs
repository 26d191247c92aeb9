//! Each HTTP function alone, in a bounded number of environments.
//!
//! The load plays Lambda's part: an environment processes one event at a time, and if all are busy
//! the load itself refuses the request, as Lambda does (429, with a `Retry-After` of its own). So a
//! function breaks at the rate at which all its environments are busy.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::environments::Environments;
use super::open_loop::{Measured, Outcome, open_loop};
use super::options::Options;
use super::summary::{Row, Summary, machine};
use super::traffic::{Kind, Traffic};
use harness::lambda::{Function, build, build_release};
use local_stack::aws::{Fault, Service};
use local_stack::stack::Backends;
use local_stack::standins::faults;

/// The number of environments of each function.
const ENVIRONMENTS: usize = 8;
/// The first rate of a sweep, per second.
const LOWEST: f64 = 25.0;
/// The factor from one rate to the next.
const STEP: f64 = 2.0;
/// The highest rate of a sweep.
const HIGHEST: f64 = 20_000.0;
/// A rate is too high if more than this share of the requests is refused.
const BROKEN: f64 = 0.01;
/// The rate while an upstream refuses.
const CALM: f64 = 20.0;
/// The number of users who send requests.
const PEOPLE: usize = 500;

/// The durations of the loads.
struct Spans {
    /// The duration of each rate of a sweep.
    step: Duration,
    /// The duration of an upstream's refusals, and of the time after them.
    refusing: Duration,
    /// Maximum rates of a sweep.
    steps: usize,
}

/// One function, and the traffic that is sent to it.
struct Target {
    backends: Arc<Backends>,
    environments: Arc<Environments>,
    traffic: Arc<Traffic>,
    kind: Kind,
    seed: u64,
    /// The number of requests sent; each has its own number.
    sent: usize,
}

pub(super) async fn run(options: Options) -> io::Result<Summary> {
    let spans = if options.short {
        Spans {
            step: Duration::from_millis(500),
            refusing: Duration::from_secs(1),
            steps: 2,
        }
    } else {
        Spans {
            step: Duration::from_secs(4),
            refusing: Duration::from_secs(5),
            steps: usize::MAX,
        }
    };
    let profile = if options.short { "debug" } else { "release" };
    let conditions = format!(
        "{profile} binaries, {ENVIRONMENTS} environments each, seed {}, {}.",
        options.seed,
        machine()
    );
    let mut summary = Summary::new("Single functions", conditions);
    let backends = Arc::new(Backends::start(None).await?);
    for kind in Kind::ALL {
        let program = binary(kind.function(), options.short).await;
        let mut target = Target::start(&backends, kind, &program, options.seed).await?;
        let highest = target.sweep(&spans, &mut summary).await;
        if !options.short {
            target
                .at_twice_the_rate(highest, &spans, &mut summary)
                .await;
        }
        target.upstream_refuses(&spans, &mut summary).await;
        let peak = target.environments.peak_memory() / 1024;
        println!("{}: at most {peak} kB", kind.function());
    }
    Ok(summary)
}

async fn binary(name: &'static str, is_debug: bool) -> PathBuf {
    let make = if is_debug { build } else { build_release };
    let binary = tokio::task::spawn_blocking(move || make(name));
    binary.await.expect("the function builds")
}

impl Target {
    async fn start(
        backends: &Arc<Backends>,
        kind: Kind,
        program: &Path,
        seed: u64,
    ) -> io::Result<Self> {
        let mut functions = Vec::new();
        for _ in 0..ENVIRONMENTS {
            let environment = backends.direct_environment();
            let function = Function::start_program(kind.function(), program.into(), environment);
            functions.push(function.await.map_err(io::Error::other)?);
        }
        let name = format!("{kind:?}").to_lowercase();
        Ok(Self {
            backends: Arc::clone(backends),
            environments: Arc::new(Environments::new(functions)),
            traffic: Arc::new(Traffic::new(backends, name, PEOPLE)),
            kind,
            seed,
            sent: 0,
        })
    }

    /// Sends the request with this number, and returns its outcome.
    fn send(&self, number: usize) -> impl Future<Output = Outcome> + Send + 'static {
        let (backends, traffic) = (Arc::clone(&self.backends), Arc::clone(&self.traffic));
        let (environments, kind) = (Arc::clone(&self.environments), self.kind);
        async move {
            let event = traffic.ask(&backends, kind, number).event();
            match environments.http(&event).await {
                Ok(Some(response)) => traffic.judge(&backends, (kind, number), &response),
                Ok(None) => Outcome::Refused("429 all environments busy".to_owned()),
                Err(error) => Outcome::Wrong(format!("{kind:?} {number}: {error}")),
            }
        }
    }

    async fn load(&mut self, rate: f64, span: Duration) -> Measured {
        let first = self.sent;
        let seed = self.seed.wrapping_add(first as u64);
        let ask = |number| self.send(first + number);
        let mut measured = open_loop(rate, span, seed, ask).await;
        for number in measured
            .served
            .iter_mut()
            .chain(&mut measured.refused_numbers)
        {
            *number += first;
        }
        self.sent += measured.sent;
        measured
    }

    /// Tries higher and higher rates, up to the first that is too high. Returns that one.
    async fn sweep(&mut self, spans: &Spans, summary: &mut Summary) -> f64 {
        let mut rate = LOWEST;
        for _ in 0..spans.steps {
            let measured = self.load(rate, spans.step).await;
            let is_broken = measured.refused_share() > BROKEN;
            let what = if is_broken { "breaks" } else { "" };
            self.tell(what, (rate, spans.step), measured, summary);
            if is_broken || rate >= HIGHEST {
                break;
            }
            rate *= STEP;
        }
        rate
    }

    /// Sends twice the rate at which it breaks: every request that is served must be served
    /// correctly.
    async fn at_twice_the_rate(&mut self, highest: f64, spans: &Spans, summary: &mut Summary) {
        let rate = highest * 2.0;
        let measured = self.load(rate, spans.step).await;
        self.tell("at twice that rate", (rate, spans.step), measured, summary);
    }

    /// An upstream that refuses and then recovers: the refusals are passed on, and the refused
    /// requests succeed when they are sent again.
    async fn upstream_refuses(&mut self, spans: &Spans, summary: &mut Summary) {
        let upstream = match self.kind {
            // The key is in the function.
            Kind::Sign => return,
            Kind::Report | Kind::Webhook => {
                let code = "ThrottlingException";
                self.backends
                    .aws
                    .set_faults([Fault::error(Service::DynamoDb, 400, code)]);
                "DynamoDB throttles"
            }
            Kind::Exchange => {
                let busy = faults::Rule::new("*", faults::Fault::busy(Some("2")));
                self.backends.puzzel.faults().add(busy);
                "Puzzel returns 429"
            }
        };
        let refused = self.load(CALM, spans.refusing).await;
        self.backends.aws.set_faults([]);
        self.backends.puzzel.faults().clear();
        if !refused.served.is_empty() {
            summary.add_wrong([format!("{upstream}, and {:?} are served", refused.served)]);
        }
        let again = refused.refused_numbers.clone();
        self.tell(upstream, (CALM, spans.refusing), refused, summary);

        let recovered = self.load(CALM, spans.refusing).await;
        self.tell("after recovery", (CALM, spans.refusing), recovered, summary);
        for number in again {
            let outcome = self.send(number).await;
            if outcome != Outcome::Served {
                summary.add_wrong([format!("sent again: {outcome:?}")]);
            }
        }
    }

    fn tell(
        &self,
        what: &str,
        (rate, span): (f64, Duration),
        measured: Measured,
        summary: &mut Summary,
    ) {
        let served: BTreeSet<usize> = measured.served.iter().copied().collect();
        summary.add_wrong(self.traffic.unrecorded(&self.backends, self.kind, &served));
        let what = format!("{} {what}", self.kind.function());
        summary.add(Row::new(what.trim_end().to_owned(), rate, span, measured));
    }
}
