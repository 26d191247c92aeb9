//! Imports a migration and processes it, with a kill every ten seconds:
//!
//! `cargo bench --profile host -p end-to-end --bench migration`, or with another number of pairs
//! than 100,000 after `--`. After the build, 100,000 take about half an hour.

#[path = "../clean_conflicts/cleanup/mod.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod cleanup;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cleanup::{Stack, old_user};
use harness::lambda::LambdaError;
use harness::serve::Server;
use serde_json::{Value, json};

/// The number of pairs in one call of `import`.
const CALL: usize = 1000;
/// The time after which the function is killed in the middle of its work.
const KILLED_AFTER: Duration = Duration::from_secs(10);
/// The timeout of an invocation, at which its lease ends. It is killed earlier.
const INVOCATION: Duration = Duration::from_secs(14);
const BATCH: &str = "migration";

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs it too, but without a binary that is worth measuring.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let count = std::env::args().skip(1).find_map(|it| it.parse().ok());
    let count: usize = count.unwrap_or(100_000);
    let mut stack = Stack::start(&[("REMEDY", "release-email")]).await;
    // Checking this many requests takes long, and the tests do it.
    stack.holds_contract = false;
    stack.aws.expect_a_large_table();
    stack.clean.set("MAX_ACTIONS_PER_RUN", "1000000");
    stack.clean.set("SUNSHINE_REQUESTS_PER_SECOND", "100000");
    let archive = archive().await;
    stack.clean.set("AWS_ENDPOINT_URL_S3", archive.url());
    stack.clean.restart().await.unwrap();
    for number in 0..count {
        let email = format!("u{number}@example.com");
        stack.sunshine.add_user(old_user(&old(number), &email));
    }
    import(&stack, count).await;
    let work = work_off(&mut stack, count).await;
    work.print(count);
    check(&stack, count);
}

/// S3, as far as an archive needs it. The stack's own S3 copies all objects at each write, which
/// takes hours for this many objects.
async fn archive() -> Server {
    type Objects = State<Arc<Mutex<HashMap<String, Bytes>>>>;
    async fn read(State(objects): Objects, uri: Uri) -> Response {
        match objects.lock().unwrap().get(uri.path()) {
            Some(object) => object.clone().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
    async fn write(
        State(objects): Objects,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let mut objects = objects.lock().unwrap();
        if headers.contains_key("if-none-match") && objects.contains_key(uri.path()) {
            return StatusCode::PRECONDITION_FAILED;
        }
        objects.insert(uri.path().to_owned(), body);
        StatusCode::OK
    }
    let objects = Router::new().route("/{*key}", get(read).put(write));
    let server = Server::start(objects.with_state(Arc::default()), None);
    server.await.unwrap()
}

fn old(number: usize) -> String {
    format!("old{number}")
}

async fn import(stack: &Stack, count: usize) {
    let began = Instant::now();
    for first in (0..count).step_by(CALL) {
        let pairs: Vec<_> = (first..count.min(first + CALL))
            .map(|number| [old(number), format!("new{number}")])
            .collect();
        let event = json!({"action": "import", "batch": BATCH, "pairs": pairs, "by": "ada"});
        let response = stack.invoke(event).await;
        assert_eq!(response["taken"], pairs.len(), "{response}");
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "import: {count} pairs in {took:.0} s, {:.0} a second",
        as_f64(count) / took
    );
}

/// The cost of the work.
#[derive(Default)]
struct Work {
    time: Duration,
    kills: usize,
    requests: usize,
    /// The number of calls that changed each user.
    releases: HashMap<String, usize>,
    /// The peak memory of each process that was killed, in bytes.
    peaks: Vec<u64>,
}

async fn work_off(stack: &mut Stack, count: usize) -> Work {
    let mut work = Work::default();
    let mut shown = Instant::now();
    loop {
        let began = Instant::now();
        let drain = json!({"action": "drain"});
        let run = stack.clean.invoke_within(&drain, INVOCATION);
        let report = match tokio::time::timeout(KILLED_AFTER, run).await {
            Ok(report) => report.unwrap(),
            Err(_) => Value::Null,
        };
        if report["stoppedBecause"] != "another_run" {
            work.time += began.elapsed();
            work.peaks.push(stack.clean.peak_memory());
        }
        if report.is_null() {
            stack.clean.kill().await;
            stack.clean.restart().await.unwrap();
            work.kills += 1;
        }
        work.count(stack);
        // The stand-in counts slowly, so not after each run.
        if report.is_null() && shown.elapsed() < Duration::from_mins(1) {
            tokio::time::sleep(INVOCATION.saturating_sub(began.elapsed())).await;
            continue;
        }
        let states = states(stack).await;
        println!("after {} kills: {states:?}", work.kills);
        shown = Instant::now();
        let open = ["pending", "in_progress", "confirming"];
        if states
            .iter()
            .all(|(state, _)| !open.contains(&state.as_str()))
        {
            assert_eq!(
                states,
                BTreeMap::from([("resolved".to_owned(), as_u64(count))])
            );
            return work;
        }
        // The lease of a killed run ends with its invocation.
        tokio::time::sleep(INVOCATION.saturating_sub(began.elapsed())).await;
    }
}

impl Work {
    /// Takes the requests of one run out of the stand-in's record.
    fn count(&mut self, stack: &Stack) {
        let traffic = stack.sunshine.traffic();
        for exchange in traffic.all() {
            self.requests += 1;
            if exchange.method == "PATCH" {
                *self.releases.entry(exchange.path).or_default() += 1;
            }
        }
        traffic.clear();
        stack.aws.forget_requests();
    }

    fn print(&self, count: usize) {
        let took = self.time.as_secs_f64();
        println!(
            "work: {count} pairs in {took:.0} s of runs, {:.0} a second, {} kills",
            as_f64(count) / took,
            self.kills
        );
        println!(
            "requests to Sunshine: {:.3} for each pair",
            as_f64(self.requests) / as_f64(count)
        );
        let twice = self.releases.values().filter(|calls| **calls > 1).count();
        println!("users to whom a change was sent twice, after a kill: {twice}");
        let mib = |bytes: &u64| as_f64(usize::try_from(bytes >> 10).unwrap()) / 1024.0;
        let (first, last) = (self.peaks.first().unwrap(), self.peaks.last().unwrap());
        let most = self.peaks.iter().max().unwrap();
        println!(
            "peak memory of a process: {:.1} MB in the first run, {:.1} in the last, {:.1} at most",
            mib(first),
            mib(last),
            mib(most)
        );
        assert!(mib(most) <= mib(first) * 1.2, "the memory grows");
        assert!(as_f64(self.requests) <= as_f64(count) * 10.5);
    }
}

/// The states of the pairs, as the operator sees them.
async fn states(stack: &Stack) -> BTreeMap<String, u64> {
    let event = json!({"action": "progress", "batch": BATCH, "state": "resolved"});
    loop {
        match stack
            .clean
            .invoke_within(&event, Duration::from_mins(1))
            .await
        {
            Ok(response) => {
                let states = response["states"].as_object().unwrap().clone();
                return states
                    .into_iter()
                    .map(|(state, reasons)| {
                        let reasons = reasons.as_object().unwrap();
                        (state, reasons.values().filter_map(Value::as_u64).sum())
                    })
                    .collect();
            }
            Err(LambdaError::Function(error)) => println!("progress: {error}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Every pair has one record, and every old user has lost its email and nothing else.
fn check(stack: &Stack, count: usize) {
    assert_eq!(stack.items("conflict").len(), count);
    let users = stack.sunshine.users();
    assert_eq!(users.len(), count);
    for user in users {
        let id = user.external_id.unwrap();
        assert!(id.starts_with("old"), "{id}");
        assert!(user.identities.iter().all(|it| it.kind != "email"), "{id}");
    }
    println!("each pair is resolved once, and each old user is there, without its email");
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}
