//! Simultaneous events: one record, one run, one request.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::future::join_all;

use super::*;
use crate::zendesk::Zendesk;

#[tokio::test]
async fn the_same_report_a_hundred_times_is_one_record() {
    let stack = Stack::start(&[]).await;
    let reporters = join_all((0..4).map(|_| stack.launch("report-conflict", &[]))).await;
    let event = reported_by(NEW);
    let reports = (0..100).map(|n| reporters[n % reporters.len()].http(&event));
    let responses: BTreeSet<String> = join_all(reports)
        .await
        .into_iter()
        .map(|response| {
            let response = response.unwrap();
            assert_eq!(response.status, 202, "{response:?}");
            response.body
        })
        .collect();
    assert_eq!(responses.len(), 1, "{responses:?}");
    assert_eq!(stack.the_record()["version"], 1);
}

#[tokio::test]
async fn many_callers_at_once_are_all_claimants_of_one_record() {
    let stack = Stack::start(&[]).await;
    let reporters = join_all((0..4).map(|_| stack.launch("report-conflict", &[]))).await;
    let events: Vec<HttpEvent> = (0..100)
        .map(|n| reported_by(&format!("user-{}", n % 5)))
        .collect();
    let reports = events.iter().enumerate();
    let reports = reports.map(|(n, event)| reporters[n % reporters.len()].http(event));
    for response in join_all(reports).await {
        assert_eq!(response.unwrap().status, 202);
    }
    let record = stack.the_record();
    assert_eq!(record["claimants"].as_array().unwrap().len(), 5, "{record}");
    assert_eq!(record["version"], 5, "one write for each: {record}");
}

fn reported_by(external_id: &str) -> HttpEvent {
    let caller = json!({"sub": external_id, "email": EMAIL, "email_verified": true});
    HttpEvent::post("/zendesk/conflicts").authorizer(json!({ "lambda": caller }))
}

#[tokio::test]
async fn the_same_drain_twice_at_once_sends_one_request_for_each_conflict() {
    let variables = [("REMEDY", "release-email")];
    let stack = Stack::start(&variables).await;
    let other = stack.launch("clean-conflicts", &variables).await;
    for number in 0..20 {
        let email = format!("{number}@example.com");
        let user = User {
            identities: vec![Identity::email(&email)],
            external_id: Some(format!("old-{number}")),
            ..holder()
        };
        stack.sunshine.add_user(user);
        stack.report(&format!("new-{number}"), &email).await;
    }
    let drain = json!({"action": "drain"});
    let (one, two) = tokio::join!(stack.clean.invoke(&drain), other.invoke(&drain));
    let reports = [one.unwrap(), two.unwrap()];
    let stopped = |report: &&Value| report["stoppedBecause"] == "another_run";
    assert_eq!(reports.iter().filter(stopped).count(), 1, "{reports:?}");
    let releases = stack.sunshine.traffic().matching("DELETE");
    let users: BTreeSet<&str> = releases.iter().map(|it| it.path.as_str()).collect();
    assert_eq!((releases.len(), users.len()), (20, 20));
    let is_resolved = |record: &Value| record["state"] == "resolved";
    assert!(stack.records().iter().all(is_resolved));
}

#[tokio::test]
async fn the_second_run_returns_at_once_and_the_lease_ends_with_the_deadline() {
    let stack = Stack::start(&[]).await;
    let other = stack.launch("clean-conflicts", &[]).await;
    stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    let deadline = Duration::from_secs(4);
    let held = stack.sunshine.traffic().hold("GET", 1, Point::Arrived);
    let drain = json!({"action": "drain"});
    let began = now();
    let second = async {
        held.reached().await.unwrap();
        let requests = stack.sunshine.traffic().all().len();
        for event in [drain.clone(), resolve(None)] {
            let report = other.invoke(&event).await.unwrap();
            assert_eq!(report["stoppedBecause"], "another_run", "{report}");
            assert_eq!(report["examined"], 0);
        }
        assert_eq!(stack.sunshine.traffic().all().len(), requests);
        let lease = lease(&stack);
        assert!((began + 4000..began + 5000).contains(&lease), "{lease}");
        stack.clean.kill().await;
    };
    let (killed, ()) = tokio::join!(stack.clean.invoke_within(&drain, deadline), second);
    assert!(killed.is_err(), "{killed:?}");
    held.release();

    // The first run is dead, and its lease is not over.
    let report = other.invoke(&drain).await.unwrap();
    assert_eq!(report["stoppedBecause"], "another_run", "{report}");
    assert_eq!(stack.the_record()["state"], "in_progress");
    let over = Duration::from_millis(lease(&stack).saturating_sub(now()) + 1);
    tokio::time::sleep(over).await; // the lease ends with real time
    let report = other.invoke(&drain).await.unwrap();
    assert_eq!(report["planned"], 1, "{report}");
    assert_eq!(lease(&stack), 0);
}

/// An event is recorded as a whole, because half of it would look like a contradiction.
#[tokio::test]
async fn an_event_that_arrives_between_two_reads_contradicts_nothing() {
    let stack = Stack::start(&[TRUSTED]).await;
    let zendesk = Zendesk::beside(&stack).await;
    let drain = json!({"action": "drain"});
    let mut held_reads = 0;
    for operation in ["GetItem", "TransactGetItems"] {
        for nth in 1.. {
            let number = format!("{operation}-{nth}");
            let (old, new) = (format!("old-{number}"), format!("new-{number}"));
            let email = format!("{}@example.com", number.to_lowercase());
            stack.sunshine.add_user(User {
                external_id: Some(old.clone()),
                identities: vec![Identity::email(&email)],
                zendesk_id: None,
                ..holder()
            });
            let caller =
                json!({"sub": new, "previous": old, "email": email, "email_verified": true});
            let reported = stack.report_as(caller).await;
            assert_eq!(reported.status, 202, "{reported:?}");

            let held = stack.aws.hold(operation, nth, Point::Arrived);
            let run = stack.clean.invoke_within(&drain, DEADLINE);
            let mut run = pin!(run);
            let is_held = tokio::select! {
                _ = held.reached() => true,
                report = &mut run => {
                    assert!(report.is_ok(), "{report:?}");
                    false
                }
            };
            if is_held {
                held_reads += 1;
                let change = json!({"previous": old, "current": new});
                let detail = json!({"email": email, "external_id": new});
                zendesk
                    .deliver("user.external_id_changed", 0, detail, change)
                    .await;
                held.release();
                run.await.unwrap();
            }
            let mut records = stack.records().into_iter();
            let record = records.find(|it| it["email"] == email.as_str()).unwrap();
            assert_ne!(record["state"], "needs_review", "{number}: {record}");
            if !is_held {
                break;
            }
        }
    }
    assert_ne!(held_reads, 0);
}

#[tokio::test]
async fn a_run_without_time_left_changes_nothing_and_blocks_no_other_run() {
    let stack = Stack::start(&[]).await;
    stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    let before = stack.the_record();
    let drain = json!({"action": "drain"});
    // It is too late for Lambda, but the function can still say so.
    let report = stack.clean.invoke_late(&drain).await.unwrap();
    assert_eq!(report["stoppedBecause"], "out_of_time", "{report}");
    assert_eq!(stack.the_record(), before);
    assert!(stack.sunshine.traffic().all().is_empty());
    let other = stack.launch("clean-conflicts", &[]).await;
    let report = other.invoke(&drain).await.unwrap();
    assert_eq!(report["planned"], 1, "{report}");
}

/// The end of the run lease.
fn lease(stack: &Stack) -> u64 {
    let items = stack.aws.items(TABLE);
    let lease = items.iter().find(|item| item["sk"] == "lease").unwrap();
    lease["leaseUntil"].as_u64().unwrap()
}

/// Every caller has the same email, because the identity provider's mapping is wrong.
#[tokio::test]
async fn a_wrong_mapping_makes_one_record_that_needs_review_and_changes_no_user() {
    for allowed in ["release-email", "delete"] {
        let stack = Stack::start(&[("REMEDY", allowed)]).await;
        stack.sunshine.add_user(holder());
        for number in 0..30 {
            stack.report(&format!("user-{number}"), EMAIL).await;
        }
        let report = stack.drain().await;
        assert_eq!(outcome(&report), ("needs_review", Some("several_callers")));
        stack.report("yet-another", EMAIL).await;
        assert_eq!(stack.drain().await["examined"], 0);
        assert_eq!(stack.the_record()["state"], "needs_review");
        stack.assert_untouched();
    }
}

/// Two people with one email do not take it from each other in turn.
#[tokio::test]
async fn an_email_that_was_released_for_one_caller_is_not_taken_from_it_for_another() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(holder());
    let id = stack.report("first", EMAIL).await;
    assert_eq!(outcome(&stack.drain().await), ("resolved", None));
    stack.sunshine.add_user(User::known("first", EMAIL));
    stack.edit(&id, |record| record["endedAt"] = json!(now() - 11 * 60_000));
    stack.sunshine.traffic().clear();
    stack.report("second", EMAIL).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("needs_review", Some("several_callers")));
    stack.assert_untouched();
}
