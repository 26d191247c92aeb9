//! A run that must stop: it reports the reason, leaves unfinished work unchanged, and releases the
//! lease.

use std::collections::BTreeMap;

use super::*;

/// Many conflicts, with their records before a run.
async fn many(variables: &[(&str, &str)], count: usize) -> (Stack, Vec<Value>) {
    let stack = Stack::start(variables).await;
    for number in 0..count {
        let email = format!("{number}@example.com");
        stack.sunshine.add_user(User {
            identities: vec![Identity::email(&email)],
            external_id: Some(format!("old-{number}")),
            ..holder()
        });
        stack.report(&format!("new-{number}"), &email).await;
    }
    let before = unchanged_fields(&stack);
    (stack, before)
}

/// The fields of the records that a stopped run must not change.
fn unchanged_fields(stack: &Stack) -> Vec<Value> {
    let mut records = stack.records();
    records.sort_by_key(|record| record["conflictId"].to_string());
    let fields = |record: Value| {
        json!({
            "id": record["conflictId"], "state": record["state"],
            "attempts": record["attempts"], "dueAt": record["dueAt"],
            "sentAt": record["sentAt"],
        })
    };
    records.into_iter().map(fields).collect()
}

/// Checks that the run stopped for this reason and changed nothing, and that another may start at
/// once.
async fn assert_stopped(stack: &Stack, report: &Value, because: &str, before: &[Value]) {
    assert_eq!(report["stoppedBecause"], because, "{report}");
    assert_eq!(unchanged_fields(stack), before, "{report}");
    stack.sunshine.faults().clear();
    let other = stack
        .launch("clean-conflicts", &[("REMEDY", "release-email")])
        .await;
    let report = other.invoke(&json!({"action": "drain"})).await.unwrap();
    assert_eq!(report["resolved"], before.len(), "{report}");
    assert!(report["stoppedBecause"].is_null(), "{report}");
}

const RELEASE: (&str, &str) = ("REMEDY", "release-email");

#[tokio::test]
async fn a_refused_key_is_read_again_once() {
    let (stack, before) = many(&[RELEASE], 3).await;
    let reads = stack.aws.count("GetSecretValue");
    stack.sunshine.set_integration_keys(BTreeMap::new());
    let report = stack.drain().await;
    assert_eq!(stack.aws.count("GetSecretValue"), reads + 1);
    let key = BTreeMap::from([("int_test".to_owned(), KEY_SECRET.to_owned())]);
    stack.sunshine.set_integration_keys(key);
    assert_stopped(&stack, &report, "unauthorized", &before).await;
}

#[tokio::test]
async fn a_key_that_changes_during_a_run_is_picked_up() {
    let (stack, _) = many(&[RELEASE], 3).await;
    let new = "CANARY-new-key";
    let secret = json!({"keyId": "int_new", "secret": new});
    stack.aws.put_secret(API_KEY, &secret).await;
    let key = BTreeMap::from([("int_new".to_owned(), new.to_owned())]);
    stack.sunshine.set_integration_keys(key);
    let reads = stack.aws.count("GetSecretValue");
    let report = stack.drain().await;
    assert_eq!(report["resolved"], 3, "{report}");
    assert!(report["stoppedBecause"].is_null(), "{report}");
    assert_eq!(stack.aws.count("GetSecretValue"), reads + 1);
}

#[tokio::test]
async fn a_missing_key_stops_the_run() {
    let (stack, before) = many(&[RELEASE], 3).await;
    let down = AwsFault::error(Service::SecretsManager, 500, "InternalServiceError");
    stack.aws.set_faults([down]);
    let other = stack.launch("clean-conflicts", &[RELEASE]).await;
    let report = other.invoke(&json!({"action": "drain"})).await.unwrap();
    stack.aws.set_faults([]);
    assert_stopped(&stack, &report, "keys_unavailable", &before).await;
}

#[tokio::test]
async fn a_key_that_may_not_read_stops_the_run() {
    let (stack, before) = many(&[RELEASE], 3).await;
    let forbidden = Fault::answer(403, "{}");
    stack.sunshine.faults().add(Rule::new("GET", forbidden));
    let report = stack.drain().await;
    assert_stopped(&stack, &report, "forbidden", &before).await;
}

/// Sunshine is not available at all: this does not count as an attempt on any conflict.
#[tokio::test]
async fn an_upstream_that_is_down_stops_the_run_and_fails_no_conflict() {
    let app_is_gone = r#"{"errors":[{"code":"app_not_found","title":"App not found"}]}"#;
    for fault in [Fault::answer(503, "{}"), Fault::answer(404, app_is_gone)] {
        let (stack, before) = many(&[RELEASE], 1).await;
        stack.sunshine.faults().add(Rule::new("GET", fault));
        let report = stack.drain().await;
        assert_stopped(&stack, &report, "sunshine_unavailable", &before).await;
    }
}

#[tokio::test]
async fn half_of_the_calls_failing_stops_the_run() {
    let (stack, before) = many(&[RELEASE], 30).await;
    let failing = Rule::new("GET", Fault::answer(503, "{}")).chance(0.5, 7);
    stack.sunshine.faults().add(failing);
    let report = stack.drain().await;
    assert_eq!(report["stoppedBecause"], "too_many_failures", "{report}");
    assert!(report["requests"].as_u64().unwrap() < 100, "{report}");
    // Finished work stays finished, and the rest is unchanged.
    let after = unchanged_fields(&stack);
    for (before, after) in before.iter().zip(&after) {
        assert!(
            after == before || after["state"] == "resolved" || !after["sentAt"].is_null(),
            "{after}"
        );
    }
    stack.sunshine.faults().clear();
    stack.drain().await;
    stack.drain().await;
    let is_resolved = |record: &Value| record["state"] == "resolved";
    assert!(stack.records().iter().all(is_resolved));
}

/// A stopped run leaves everything unchanged, so a single user must not stop it.
#[tokio::test]
async fn one_user_whose_reads_always_fail_delays_no_one_and_fails_in_the_end() {
    let (stack, _) = many(&[RELEASE], 8).await;
    let failing = Rule::new("GET **/users/new-3", Fault::answer(500, "{}"));
    stack.sunshine.faults().add(failing);
    let report = stack.drain().await;
    assert!(report["stoppedBecause"].is_null(), "{report}");
    assert_eq!(
        (&report["resolved"], &report["deferred"]),
        (&json!(7), &json!(1))
    );
    let waiting = |stack: &Stack| {
        let mut records = stack.records().into_iter();
        records.find(|it| it["state"] != "resolved").unwrap()
    };
    assert_eq!(waiting(&stack)["attempts"], 1);

    let id = waiting(&stack)["conflictId"].as_str().unwrap().to_owned();
    stack.edit(&id, |record| record["attempts"] = json!(8));
    stack.make_due();
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("failed", Some("too_many_attempts")));
}

/// A 429 is not a failure of the conflict: it does not count as an attempt.
#[tokio::test]
async fn a_wait_that_is_longer_than_the_run_stops_it() {
    let (stack, before) = many(&[RELEASE], 3).await;
    let busy = Rule::new("GET **/users", Fault::busy(Some("600")));
    stack.sunshine.faults().add(busy);
    let report = stack.drain().await;
    assert_stopped(&stack, &report, "rate_limited", &before).await;
}

#[tokio::test]
async fn a_run_that_is_out_of_time_says_so() {
    let slowly = [RELEASE, ("SUNSHINE_REQUESTS_PER_SECOND", "2")];
    let (stack, before) = many(&slowly, 6).await;
    let drain = json!({"action": "drain"});
    let report = stack.invoke_within(drain, Duration::from_secs(2)).await;
    assert_stopped(&stack, &report, "out_of_time", &before).await;
}

/// The table's client would wait for longer than the time left.
#[tokio::test]
async fn a_run_responds_in_time_despite_a_hanging_table() {
    let (stack, _) = many(&[RELEASE], 1).await;
    let held = stack.sunshine.traffic().hold("GET", 1, Point::Arrived);
    let hanging = async {
        held.reached().await.unwrap();
        let hangs = AwsFault::new(Service::DynamoDb, Effect::Delay).after(DEADLINE);
        stack.aws.set_faults([hangs]);
        held.release();
    };
    let drain = json!({"action": "drain"});
    let report = stack.invoke_within(drain, Duration::from_secs(3));
    let (report, ()) = tokio::join!(report, hanging);
    assert_eq!(report["stoppedBecause"], "out_of_time", "{report}");

    // As after a dead worker, its records are free when its time is over.
    stack.aws.set_faults([]);
    let left = stack.the_record()["dueAt"].as_u64().unwrap();
    let left = Duration::from_millis(left.saturating_sub(now()) + 1);
    tokio::time::sleep(left).await; // the lease ends with real time
    assert_eq!(stack.drain_to_the_end().await["state"], "resolved");
}

#[tokio::test]
async fn a_run_takes_no_more_than_its_limit() {
    let (stack, _) = many(&[RELEASE, ("MAX_ACTIONS_PER_RUN", "2")], 5).await;
    let report = stack.drain().await;
    assert_eq!(report["stoppedBecause"], "max_actions", "{report}");
    assert_eq!(report["resolved"], 2, "{report}");
    let waiting = unchanged_fields(&stack);
    let waiting = waiting.iter().filter(|it| it["state"] == "pending");
    assert!(waiting.clone().all(|it| it["attempts"] == 0));
    assert_eq!(waiting.count(), 3);
}
