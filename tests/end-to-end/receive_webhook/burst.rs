//! A burst of 5,000 events is recorded completely, and each event once.
//!
//! Lambda gives one process one event at a time, so a burst is several processes at once: two
//! here, each with half of the events, and every tenth event delivered twice.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::*;

const EVENTS: usize = 5_000;
const PROCESSES: usize = 2;

fn event(number: usize) -> Value {
    let (previous, current) = (format!("old-{number}"), format!("new-{number}"));
    let email = format!("user-{number}@example.com");
    let (id, time) = (format!("event-{number}"), seconds_from_now(0));
    external_id_changed(&id, &time, &email, (&previous, &current))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_recorded_completely_and_each_event_once() {
    let stack = Stack::start(&[]).await;
    let functions = (0..PROCESSES).map(|_| stack.launch(Store::FUNCTION, &[]));
    let functions = join_all(functions).await;
    let deliveries = functions
        .iter()
        .enumerate()
        .map(|(process, function)| async move {
            let mut took = Vec::new();
            for number in (process..EVENTS).step_by(PROCESSES) {
                let times = if number % 10 == 0 { 2 } else { 1 };
                for _ in 0..times {
                    let began = Instant::now();
                    let response = function.http(&signed(&event(number))).await.unwrap();
                    took.push(began.elapsed());
                    assert_eq!(response.status, 200, "{response:?}");
                }
            }
            took
        });
    let began = Instant::now();
    let mut took: Vec<Duration> = join_all(deliveries).await.concat();
    let whole = began.elapsed();
    took.sort_unstable();
    let at = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1000.0;
    println!(
        "{} deliveries to {PROCESSES} processes in {:.1} s: p50 {:.1} ms, p99 {:.1} ms",
        took.len(),
        whole.as_secs_f64(),
        at(50),
        at(99)
    );

    let items = stack.aws.items(TABLE);
    let of_kind = |kind: &str| {
        items
            .iter()
            .filter(|it| it["sk"] == kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(of_kind("seen").len(), EVENTS);
    assert_eq!(of_kind("changes").len(), 2 * EVENTS);
    assert!(of_kind("changes").iter().all(|it| it["version"] == 1));
    let conflicts = of_kind("conflict");
    let emails: BTreeSet<&str> = conflicts
        .iter()
        .map(|it| it["email"].as_str().unwrap())
        .collect();
    assert_eq!((conflicts.len(), emails.len()), (EVENTS, EVENTS));
    for conflict in conflicts {
        assert_eq!(
            (&conflict["version"], &conflict["state"]),
            (&json!(1), &json!("pending"))
        );
    }
}
