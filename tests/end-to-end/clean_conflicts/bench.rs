//! Measures how close a run of `clean-conflicts` comes to its allowed rate, and that its memory
//! does not grow with the number of conflicts:
//!
//! `cargo bench --profile host -p end-to-end --bench cleanup_rate`, or with a smaller number of
//! conflicts after `--`. It takes two minutes after the build.

#[allow(dead_code, reason = "the tests use all of it")]
mod cleanup;
mod crowd;
#[allow(dead_code, unused_imports, reason = "the tests use all of it")]
mod fixture;

use fixture::{Duration, Fault, Rule, Stack, json};

/// The allowed rate, in requests per second.
const RATE: u32 = 200;
/// The longest timeout that Lambda allows.
const LONGEST: Duration = Duration::from_mins(15);

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs it too, but without a binary that is worth measuring.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let count = std::env::args().skip(1).find_map(|it| it.parse().ok());
    let count: usize = count.unwrap_or(10_000);
    let few = plan(count.div_ceil(10)).await;
    let many = plan(count).await;
    let [few, many] = [few, many].map(|bytes| f64::from(u32::try_from(bytes / 1024).unwrap()));
    let growth = (many / few - 1.0) * 100.0;
    println!("peak memory grows by {growth:.1} % with ten times as many conflicts (at most 20 %)");
    assert!(growth <= 20.0);
}

/// Plans this many conflicts. Returns the peak memory of the process.
async fn plan(count: usize) -> u64 {
    let rate = RATE.to_string();
    let stack = Stack::start(&[("SUNSHINE_REQUESTS_PER_SECOND", &rate)]).await;
    stack.crowd(count).await;
    let latency = Rule::new("*", Fault::Delay { millis: 100 });
    stack.sunshine.faults().add(latency);
    let drain = json!({"action": "drain"});
    let report = stack.invoke_within(drain, LONGEST).await;
    assert_eq!(report["planned"], count, "{report}");
    assert_eq!(stack.in_state("planned"), count);

    let traffic = stack.sunshine.traffic();
    let all = traffic.all();
    let (first, last) = (all.first().unwrap(), all.last().unwrap());
    let requests = f64::from(u32::try_from(all.len() - 1).unwrap());
    let took = last.arrived.saturating_sub(first.arrived);
    let reached = requests / took.as_secs_f64();
    let share = reached / f64::from(RATE) * 100.0;
    let busiest = traffic.most_within(Duration::from_secs(1));
    let memory = stack.clean.peak_memory();
    println!(
        "{count} conflicts: {reached:.1} requests a second, {share:.1} % of {RATE} (at least \
         95 %); the busiest second had {busiest}; {} KiB at most",
        memory / 1024
    );
    assert!(share >= 95.0);
    assert!(busiest <= RATE as usize);
    memory
}
