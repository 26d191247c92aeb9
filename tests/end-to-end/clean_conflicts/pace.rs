//! Many conflicts: never faster than the rate, none twice, and none lost.

use harness::seed::seed;

use super::*;

const COUNT: usize = 1000;
const RATE: usize = 200;

#[tokio::test]
async fn a_thousand_conflicts_keep_to_the_rate() {
    let rate = RATE.to_string();
    let stack = Stack::start(&[("SUNSHINE_REQUESTS_PER_SECOND", rate.as_str())]).await;
    stack.crowd(COUNT).await;
    let seed = seed("PACE_SEED");
    let faults = stack.sunshine.faults();
    faults.add(Rule::new("*", Fault::Delay { millis: 100 }));
    faults.add(Rule::new("*", Fault::busy(None)).chance(0.01, seed));
    faults.add(Rule::new("*", Fault::busy(Some("1"))).chance(0.002, seed.wrapping_add(1)));

    let drain = json!({"action": "drain"});
    let report = stack.invoke_within(drain, Duration::from_mins(5)).await;
    // The conflict on which the crowd is modelled has no holder.
    assert_eq!(report["notAConflict"], 1, "{report}");
    assert_eq!(report["planned"], COUNT, "{report}");
    assert_eq!(stack.in_state("planned"), COUNT);
    let attempts = stack.records().into_iter().map(|it| it["attempts"].clone());
    // An attempt that the upstream refused as too many requests does not count.
    assert!(attempts.clone().all(|it| it == 0 || it == 1), "none twice");

    let traffic = stack.sunshine.traffic();
    let busiest = traffic.most_within(Duration::from_secs(1));
    println!(
        "{} requests, at most {busiest} a second",
        report["requests"]
    );
    assert!(busiest <= RATE, "{busiest}");
    stack.assert_untouched();
}
