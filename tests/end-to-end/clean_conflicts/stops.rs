//! A run that must stop: it says why, leaves what it did not finish as it was, and gives the
//! lease back.

use std::collections::BTreeMap;

use super::*;

/// Many conflicts; what a run does about them is told by their records.
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
    let before = what_counts(&stack);
    (stack, before)
}

/// What of a record a run that stopped leaves alone.
fn what_counts(stack: &Stack) -> Vec<Value> {
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

/// It stopped because of that, changed nothing, and another may run at once.
async fn assert_stopped(stack: &Stack, report: &Value, because: &str, before: &[Value]) {
    assert_eq!(report["stoppedBecause"], because, "{report}");
    assert_eq!(what_counts(stack), before, "{report}");
    stack.sunshine.faults().clear();
    let other = stack.another(&[("REMEDY", "release-email")]).await;
    let report = other.invoke(&json!({"action": "drain"})).await.unwrap();
    assert_eq!(report["resolved"], before.len(), "{report}");
    assert!(report["stoppedBecause"].is_null(), "{report}");
}

const RELEASE: (&str, &str) = ("REMEDY", "release-email");

#[tokio::test]
async fn a_key_that_is_refused_is_read_afresh_once() {
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
async fn a_key_that_was_changed_while_it_runs_is_found() {
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
async fn a_key_that_cannot_be_had_stops_the_run() {
    let (stack, before) = many(&[RELEASE], 3).await;
    let down = AwsFault::error(Service::SecretsManager, 500, "InternalServiceError");
    stack.aws.set_faults([down]);
    let other = stack.another(&[RELEASE]).await;
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

/// What Sunshine needs for anything is not there: no attempt of the conflict is counted.
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
    // What was finished is finished, and all the rest as it was.
    let after = what_counts(&stack);
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

/// A run that is stopped leaves everything as it was, so it must not be one user that stops it.
#[tokio::test]
async fn one_user_whose_reads_always_fail_keeps_nobody_else_waiting_and_fails_in_the_end() {
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

/// 429 is no failure of the conflict that was worked on: no attempt of it is counted.
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

/// The table's client has patience for longer than may be left.
#[tokio::test]
async fn a_table_that_hangs_does_not_keep_a_run_from_answering_in_time() {
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

    // As after a worker that died: whatever it had is free when its time is over.
    stack.aws.set_faults([]);
    let left = stack.the_record()["dueAt"].as_u64().unwrap();
    let left = Duration::from_millis(left.saturating_sub(now()) + 1);
    tokio::time::sleep(left).await; // that time itself passes is what is waited for
    assert_eq!(stack.drain_to_the_end().await["state"], "resolved");
}

#[tokio::test]
async fn no_more_than_may_be_is_taken() {
    let (stack, _) = many(&[RELEASE, ("MAX_ACTIONS_PER_RUN", "2")], 5).await;
    let report = stack.drain().await;
    assert_eq!(report["stoppedBecause"], "max_actions", "{report}");
    assert_eq!(report["resolved"], 2, "{report}");
    let waiting = what_counts(&stack);
    let waiting = waiting.iter().filter(|it| it["state"] == "pending");
    assert!(waiting.clone().all(|it| it["attempts"] == 0));
    assert_eq!(waiting.count(), 3);
}
