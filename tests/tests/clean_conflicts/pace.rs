//! Many conflicts: never faster than the rate, none twice, none lost.

use super::*;
use crate::crowd::crowd;

const COUNT: usize = 1000;
const RATE: usize = 200;
const SEED: u64 = 20_250_203;

#[tokio::test]
async fn a_thousand_conflicts_keep_to_the_rate() {
    let rate = RATE.to_string();
    let variables = [
        ("REMEDY", "plan"),
        ("SUNSHINE_REQUESTS_PER_SECOND", rate.as_str()),
    ];
    let stack = Stack::start(&variables).await;
    crowd(&stack.aws, &stack.sunshine, COUNT);
    let faults = stack.sunshine.faults();
    faults.add(Rule::new("*", Fault::Delay { millis: 100 }));
    faults.add(Rule::new("*", Fault::busy(None)).chance(0.01, SEED));
    faults.add(Rule::new("*", Fault::busy(Some("1"))).chance(0.002, SEED + 1));

    let mut examined = 0;
    for _ in 0..20 {
        stack.make_due();
        let drain = json!({"action": "drain"});
        let report = stack.invoke_within(drain, Duration::from_secs(300)).await;
        println!("{report:.200}");
        examined += report["planned"].as_u64().unwrap();
        if stack.records().iter().all(|it| it["state"] == "planned") {
            break;
        }
    }
    assert_eq!(examined, 1000, "each is planned once");
    let is_planned = |record: &Value| record["state"] == "planned";
    assert!(stack.records().iter().all(is_planned));
    assert_eq!(stack.records().len(), COUNT);

    let traffic = stack.sunshine.traffic();
    let busiest = traffic.most_within(Duration::from_secs(1));
    println!("the busiest second had {busiest} requests");
    assert!(busiest <= RATE, "{busiest}");
    stack.assert_untouched();
}
