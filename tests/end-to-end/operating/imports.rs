//! `import` and `progress`.

use std::time::Duration;

use local_stack::standins::sunshine::User;
use serde_json::{Value, json};

use crate::cleanup::*;

fn import(batch: &str, pairs: &[(&str, &str)]) -> Value {
    json!({"action": "import", "batch": batch, "pairs": pairs, "by": "ada"})
}

/// Imports this many pairs into the batch `b`, each with an old user who has an email.
async fn import_users(stack: &Stack, count: usize) {
    for number in 0..count {
        let email = format!("u{number}@example.com");
        stack
            .sunshine
            .add_user(old_user(&format!("old{number}"), &email));
    }
    let pairs: Vec<_> = (0..count)
        .map(|number| [format!("old{number}"), format!("new{number}")])
        .collect();
    let event = json!({"action": "import", "batch": "b", "pairs": pairs, "by": "ada"});
    stack.invoke(event).await;
}

async fn progress(stack: &Stack, batch: &str) -> Value {
    stack
        .invoke(json!({"action": "progress", "batch": batch}))
        .await
}

/// Drains with releases allowed, and expects that the only pair, in the batch `b`, is resolved by it.
async fn release_the_pair(stack: &Stack) {
    let allowed = stack
        .launch("clean-conflicts", &[("REMEDY", "release-email")])
        .await;
    let report = response(&allowed, &json!({"action": "drain"})).await;
    assert_eq!(report["resolved"], 1, "{report}");
    assert_eq!(
        progress(stack, "b").await["states"],
        json!({"resolved": {"none": 1}})
    );
}

#[tokio::test]
async fn each_pair_is_processed_once_like_a_resolve() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(old_user("old1", "a@example.com"));
    stack.sunshine.add_user(old_user("old2", "b@example.com"));
    let pairs = [("old1", "new1"), ("old2", "new2"), ("gone", "new3")];
    let taken = stack.invoke(import("december", &pairs)).await;
    assert_eq!(taken, json!({"batch": "december", "taken": 3, "known": 0}));
    let known = stack.invoke(import("again", &pairs)).await;
    assert_eq!(
        (&known["taken"], &known["known"]),
        (&json!(0), &json!(3)),
        "in whatever batch"
    );
    let before = progress(&stack, "december").await;
    assert_eq!(before["states"], json!({"pending": {"none": 3}}));
    assert_eq!(before["pairs"].as_array().unwrap().len(), 3);

    let report = stack.drain().await;
    assert_eq!(report["resolved"], 2, "{report}");
    let after = progress(&stack, "december").await;
    assert_eq!(
        after["states"],
        json!({"resolved": {"none": 2}, "not_a_conflict": {"none": 1}}),
        "{after}"
    );
    let left = after["pairs"].as_array().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["previousExternalId"], "gone");
    let resolved = json!({"action": "progress", "batch": "december", "state": "resolved"});
    let resolved = stack.invoke(resolved).await;
    assert!(resolved["pairs"][0]["conflictId"].is_string(), "{resolved}");
    assert_eq!(progress(&stack, "again").await["states"], json!({}));

    // A second drain, and the same import, find nothing to do.
    let calls = stack.sunshine.changing_calls().len();
    let report = stack.drain().await;
    assert_eq!(
        (&report["examined"], &report["requests"]),
        (&json!(0), &json!(0)),
        "{report}"
    );
    assert_eq!(stack.sunshine.changing_calls().len(), calls);
}

#[tokio::test]
async fn nothing_is_done_before_its_time() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    let mut event = import("later", &[("old", "new")]);
    event["notBefore"] = json!(4_000_000_000_u64);
    stack.invoke(event).await;
    let report = stack.drain().await;
    assert_eq!(report["examined"], 0, "{report}");
    assert_eq!(
        progress(&stack, "later").await["states"],
        json!({"pending": {"none": 1}})
    );
}

#[tokio::test]
async fn a_pair_follows_its_conflict_from_the_plan_to_the_end() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    stack.invoke(import("b", &[("old", "new")])).await;
    stack.drain().await;
    assert_eq!(
        progress(&stack, "b").await["states"],
        json!({"planned": {"none": 1}})
    );
    release_the_pair(&stack).await;
}

/// `report-conflict` may put conflicts and nothing else, so it must not write the pair too.
#[tokio::test]
async fn a_report_of_a_pairs_conflict_writes_the_conflict_only() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    stack.invoke(import("b", &[("old", "new")])).await;
    stack.drain().await;
    let before = stack.aws.count("TransactWriteItems");
    let id = stack.report("new", EMAIL).await;
    assert_eq!(stack.aws.count("TransactWriteItems"), before);
    assert_eq!(stack.record(&id)["state"], "pending");
    // The next write by a run updates the pair too.
    release_the_pair(&stack).await;
}

/// The old `external_id` was given to a new person before the list was processed.
#[tokio::test]
async fn a_pair_does_not_reach_the_next_holder_of_an_external_id() {
    let stack = Stack::start(&[("REMEDY", "merge")]).await;
    stack.invoke(import("list", &[("old", "new")])).await;
    let next = stack.sunshine.add_user(User {
        signed_up_at: Some("2099-02-03T19:10:08.152Z".to_owned()),
        ..old_user("old", EMAIL)
    });
    stack.drain().await;
    assert_eq!(
        progress(&stack, "list").await["states"],
        json!({"needs_review": {"contradicted_lineage": 1}})
    );
    assert_eq!(stack.sunshine.user(&next.id), Some(next));
    assert_eq!(stack.sunshine.changing_calls().len(), 0);
}

#[tokio::test]
async fn a_pair_that_contradicts_an_earlier_one_needs_a_person() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    stack.invoke(import("first", &[("old", "new")])).await;
    stack.drain().await;
    let taken = stack.invoke(import("second", &[("old", "another")])).await;
    assert_eq!(taken["taken"], 1);
    let calls = stack.sunshine.changing_calls().len();
    stack.drain().await;
    assert_eq!(
        progress(&stack, "second").await["states"],
        json!({"needs_review": {"contradicted_lineage": 1}})
    );
    assert_eq!(stack.sunshine.changing_calls().len(), calls);
}

#[tokio::test]
async fn people_who_are_locked_out_come_before_an_import() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    import_users(&stack, 30).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    let id = stack.report("new", EMAIL).await;
    let one = stack
        .launch(
            "clean-conflicts",
            &[("REMEDY", "release-email"), ("MAX_ACTIONS_PER_RUN", "1")],
        )
        .await;
    let report = response(&one, &json!({"action": "drain"})).await;
    assert_eq!(report["resolved"], 1, "{report}");
    assert_eq!(stack.record(&id)["state"], "resolved");
}

/// More conflicts are processed at once than the run may merge, and each waits for the merge before
/// its own.
#[tokio::test]
async fn a_run_merges_as_many_as_it_may() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    import_users(&stack, 30).await;
    let ten = [
        ("REMEDY", "merge"),
        ("MERGE_CALL", "appusers-merge"),
        ("MAX_ACTIONS_PER_RUN", "10"),
    ];
    let ten = stack.launch("clean-conflicts", &ten).await;
    for resolved in [10, 20, 30] {
        let report = response(&ten, &json!({"action": "drain"})).await;
        assert_eq!(report["resolved"], 10, "{report}");
        assert_eq!(
            progress(&stack, "b").await["states"]["resolved"],
            json!({"none": resolved})
        );
    }
}

#[tokio::test]
async fn every_pair_ends_once_whenever_the_function_is_killed() {
    let mut stack =
        Stack::start(&[("REMEDY", "release-email"), ("MAX_ACTIONS_PER_RUN", "1000")]).await;
    import_users(&stack, 60).await;
    for kill in 0..6 {
        let drain = json!({"action": "drain"});
        let within = Duration::from_millis(150 + 90 * kill);
        let work = stack.clean.invoke_within(&drain, within);
        let _ = tokio::time::timeout(within.mul_f64(0.8), work).await;
        stack.clean.kill().await;
        stack.clean.restart().await.unwrap();
    }
    for _ in 0..40 {
        // Leases of the killed runs end with their invocations.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let report = stack.drain().await;
        let states = progress(&stack, "b").await["states"].clone();
        if states == json!({"resolved": {"none": 60}}) {
            let records = stack.items("conflict");
            assert_eq!(records.len(), 60);
            return;
        }
        assert!(report["failed"] == 0, "{report}");
    }
    panic!("{}", progress(&stack, "b").await);
}

#[tokio::test]
async fn a_thousand_pairs_are_taken_in_one_call_and_listed_in_pages() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    let pairs: Vec<_> = (0..1000)
        .map(|it| (format!("old{it}"), format!("new{it}")))
        .collect();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(old, new)| (old.as_str(), new.as_str()))
        .collect();
    let taken = stack.invoke(import("b", &pairs)).await;
    assert_eq!(taken["taken"], 1000);
    let mut seen = std::collections::BTreeSet::new();
    let mut event = json!({"action": "progress", "batch": "b"});
    loop {
        let page = stack.invoke(event.clone()).await;
        for pair in page["pairs"].as_array().unwrap() {
            assert!(seen.insert(pair["previousExternalId"].as_str().unwrap().to_owned()));
        }
        match page.get("next") {
            Some(next) => event["next"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 1000);
}

#[tokio::test]
async fn a_release_by_import_costs_ten_requests() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    stack
        .invoke(import("b", &[("old", "new"), ("gone", "new2")]))
        .await;
    let report = stack.drain().await;
    assert_eq!(report["resolved"], 1, "{report}");
    // One of the requests is for the pair without a user.
    assert_eq!(report["requests"], 10 + 1, "{report}");
}
