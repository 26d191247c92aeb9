//! Loads the whole local stack through its address.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::open_loop::{Measured, Outcome, open_loop};
use super::options::Options;
use super::summary::{Row, Summary, machine};
use super::traffic::{Kind, Traffic};
use harness::lambda::HttpResponse;
use local_stack::stack::{self, Backends, Stack, StackError};

/// An hour's traffic of a company with some ten thousand customers a day: a login or a renewed
/// token each second, a conflict every half a minute (a migration is in progress), a webhook every
/// ten seconds, and a chat identity every six.
const AN_HOUR: [(Kind, f64); 4] = [
    (Kind::Sign, 3600.0),
    (Kind::Report, 120.0),
    (Kind::Webhook, 360.0),
    (Kind::Exchange, 600.0),
];
/// The number of users who send requests.
const PEOPLE: usize = 500;
/// A stack falls behind if its slowest hundredth takes longer than this.
const PATIENCE: Duration = Duration::from_secs(1);
/// A request without a response by then is lost.
const LOST: Duration = Duration::from_secs(30);
/// The factor from one load of the sweep to the next.
const STEP: f64 = 2.0;
/// The duration of each load.
const SPAN: Duration = Duration::from_secs(10);
/// The highest load of the sweep, in hours of traffic per minute.
const HIGHEST: f64 = 16.0;

/// The stack, and the traffic that is sent to it.
struct Target {
    url: String,
    http: reqwest::Client,
    backends: Arc<Backends>,
    seed: u64,
    /// The number of loads so far; each has its own users.
    loads: usize,
}

pub(super) async fn run(options: Options) -> Result<Summary, StackError> {
    let stack = Stack::start(stack::Options::default()).await?;
    let mut target = Target {
        url: stack.url(),
        http: reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(LOST)
            .build()
            .map_err(std::io::Error::other)?,
        backends: Arc::clone(&stack.backends),
        seed: options.seed,
        loads: 0,
    };
    let conditions = format!(
        "debug binaries under cargo lambda watch, one environment each, seed {}, {}.",
        options.seed,
        machine()
    );
    let mut summary = Summary::new("The local stack", conditions);
    let minute = if options.short {
        Duration::from_secs(3)
    } else {
        Duration::from_mins(1)
    };
    target
        .load("an hour in a minute", 1.0, minute, &mut summary)
        .await;
    let mut times = STEP;
    while !options.short && times <= HIGHEST {
        let what = format!("{times} hours in a minute");
        let worst = target.load(&what, times, SPAN, &mut summary).await;
        if worst > PATIENCE {
            break;
        }
        times *= STEP;
    }
    Ok(summary)
}

impl Target {
    /// Sends this many hours of traffic in each minute of `span`. Returns the worst latency of a
    /// hundredth.
    async fn load(
        &mut self,
        what: &str,
        times: f64,
        span: Duration,
        summary: &mut Summary,
    ) -> Duration {
        self.loads += 1;
        let name = format!("load-{}", self.loads);
        let traffic = Arc::new(Traffic::new(&self.backends, name, PEOPLE));
        let seed = self.seed.wrapping_add(self.loads as u64 * 10);
        let (target, asked_by) = (&*self, &traffic);
        let kinds = AN_HOUR.iter().zip(seed..).map(|((kind, hour), seed)| {
            let (kind, rate) = (*kind, hour / 60.0 * times);
            let ask = move |number| target.send(asked_by, kind, number);
            async move { (kind, rate, open_loop(rate, span, seed, ask).await) }
        });
        let mut worst = Duration::ZERO;
        for (kind, rate, measured) in join_all(kinds).await {
            worst = worst.max(measured.latency(0.99));
            self.tell(&traffic, (what, kind), (rate, span), measured, summary);
        }
        worst
    }

    fn tell(
        &self,
        traffic: &Traffic,
        (what, kind): (&str, Kind),
        (rate, span): (f64, Duration),
        measured: Measured,
        summary: &mut Summary,
    ) {
        let served: BTreeSet<usize> = measured.served.iter().copied().collect();
        summary.add_wrong(traffic.unrecorded(&self.backends, kind, &served));
        let what = format!("{what}: {}", kind.function());
        summary.add(Row::new(what, rate, span, measured));
    }

    fn send(
        &self,
        traffic: &Arc<Traffic>,
        kind: Kind,
        number: usize,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        let (backends, traffic) = (Arc::clone(&self.backends), Arc::clone(traffic));
        let (http, url) = (self.http.clone(), self.url.clone());
        async move {
            let ask = traffic.ask(&backends, kind, number);
            let method = ask.method.parse().expect("a method");
            let mut request = http.request(method, url + &ask.path);
            for (name, value) in &ask.headers {
                request = request.header(*name, value);
            }
            if let Some(body) = ask.body {
                request = request.body(body);
            }
            match send(request).await {
                Ok(response) => traffic.judge(&backends, (kind, number), &response),
                Err(error) => Outcome::Wrong(format!("{kind:?} {number}: {error}")),
            }
        }
    }
}

async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<HttpResponse> {
    let response = request.send().await?;
    let headers = response.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    Ok(HttpResponse {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: response.text().await?,
    })
}
