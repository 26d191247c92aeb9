//! Thousands of invocations through proxies between the functions and their upstreams, which fail
//! at random; afterwards, no one must have been harmed.
//!
//! Each run draws other faults. `FAULTS_SEED` repeats those of an earlier run, and
//! `FAULTS_INVOCATIONS` changes their number. The seed determines the faults and the requests;
//! which request a fault hits also depends on timing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code"
)]

mod checks;
mod people;
mod responses;
mod schedule;
mod work;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use harness::lambda::Function;
use harness::seed::{number, seed};
use harness::under_test::Services;

use checks::{check, check_the_rest, expire, has_ended};
use people::Person;
use responses::Tally;
use work::{Promises, RUN, Worker, drain};
use world::World;

/// The environments of the HTTP functions, and the share of all invocations that each gets, in
/// hundredths.
const HTTP: [(&str, usize); 8] = [
    ("sign-token", 20),
    ("sign-token", 20),
    ("report-conflict", 10),
    ("report-conflict", 10),
    ("receive-webhook", 8),
    ("receive-webhook", 8),
    ("exchange-identity", 12),
    ("exchange-identity", 12),
];
/// The environments of `clean-conflicts`, for the schedule and for an operator, which run as long
/// as the others.
const CLEAN: [&str; 2] = ["clean-conflicts"; 2];

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_faults_harm_no_one() {
    let seed = seed("FAULTS_SEED");
    let invocations = usize::try_from(number("FAULTS_INVOCATIONS").unwrap_or(3000)).unwrap();
    println!("FAULTS_INVOCATIONS={invocations}");

    let world = World::start().await;
    let people: Vec<Person> = (0..(invocations / 40).max(16))
        .map(|number| Person::new(&world, number))
        .collect();
    let (tally, promises) = (Tally::default(), Promises::default());
    let mut workers = Vec::new();
    let names = HTTP.iter().map(|(name, _)| *name).chain(CLEAN);
    for (number, name) in names.enumerate() {
        let function = world.launch(name, &[]).await;
        let shared = (people.as_slice(), &tally, &promises);
        workers.push(Worker::new(&world, shared, name, function, (seed, number)));
    }

    let began = Instant::now();
    world.break_down(seed);
    let is_over = AtomicBool::new(false);
    let (http, clean) = workers.split_at_mut(HTTP.len());
    let serve = http
        .iter_mut()
        .zip(HTTP)
        .map(|(worker, (name, part))| async move {
            worker.serve(invocations * part / 100).await;
            println!("{name:18} {:.1} s", began.elapsed().as_secs_f64());
        });
    let serve = async {
        join_all(serve).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let [schedule, operator] = clean else {
        panic!("one drains, and one resolves");
    };
    tokio::join!(
        serve,
        schedule.drain_until(&is_over),
        operator.resolve_until(&is_over)
    );
    world.mend();
    println!("{:.1} s with faults", began.elapsed().as_secs_f64());

    let functions: Vec<(&str, &Function)> = workers
        .iter()
        .map(|worker| (worker.name, &worker.function))
        .collect();
    let (_, clean) = functions.last().unwrap();
    let mut latest = now() + millis(RUN);
    for _ in 0..30 {
        expire(&world, latest);
        latest = now() + millis(Duration::from_mins(1));
        let report = drain(clean).await;
        if has_ended(&world) {
            break;
        }
        println!("then {report:.300}");
    }
    tally.print();
    for (name, proxy) in &world.proxies {
        let struck: BTreeMap<_, _> = proxy.struck();
        println!("{name:18} {struck:?}");
        assert!(!struck.is_empty(), "no fault was injected at {name}");
    }
    check(&world, &people, &promises.all()).await;
    check_the_rest(&world, &functions).await;
    for name in [
        "sign-token",
        "report-conflict",
        "receive-webhook",
        "exchange-identity",
    ] {
        let successes = tally.of(name, "2");
        // One failed fetch of the keys makes an environment refuse everything for a minute, which
        // is longer than this test: those refusals are one fault, however many they are.
        let failures = tally.of(name, "5") - tally.of(name, "503 keys_unavailable");
        assert!(successes > failures, "{name}");
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
