//! The default configuration, and the limit on the changes of one run.

use super::*;

/// Adds this many conflicts, each with its own user.
async fn with_conflicts(stack: &Stack, count: usize) {
    for number in 0..count {
        let email = format!("user{number}@example.com");
        stack.sunshine.add_user(User {
            signed_up_at: holder().signed_up_at,
            ..User::known(&format!("old{number}"), &email)
        });
        stack.report(&format!("new{number}"), &email).await;
    }
}

#[tokio::test]
async fn the_default_configuration_reads_and_decides_and_changes_nothing() {
    let stack = Stack::start(&[]).await;
    stack.sunshine.add_user(holder());
    let id = stack.report(NEW, EMAIL).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("planned", None), "{report}");
    assert_eq!(
        report,
        json!({
            "examined": 1, "resolved": 0, "planned": 1, "notAConflict": 0, "needsReview": 0,
            "deferred": 0, "failed": 0, "requests": 3, "stoppedBecause": null,
            "conflicts": [{
                "conflictId": id, "state": "planned", "remedy": "release-email", "reason": null,
            }],
        })
    );
    stack.assert_untouched();
    assert_eq!(stack.aws.objects(BUCKET).await, [""; 0]);
    // A plan is made only once.
    assert_eq!(stack.drain().await["examined"], 0);
}

#[tokio::test]
async fn the_default_configuration_changes_nothing_over_1000_conflicts() {
    let stack = Stack::start(&[("SUNSHINE_REQUESTS_PER_SECOND", "5000")]).await;
    with_conflicts(&stack, 1000).await;
    let report = stack.drain().await;
    let counts = ["examined", "planned", "requests", "stoppedBecause"].map(|it| &report[it]);
    assert_eq!(
        counts,
        [&json!(1000), &json!(1000), &json!(3000), &Value::Null]
    );
    assert_eq!(report["conflicts"].as_array().unwrap().len(), 100);
    stack.assert_untouched();
    assert_eq!(stack.aws.objects(BUCKET).await, [""; 0]);
}

#[tokio::test]
async fn a_run_applies_at_most_25_remedies() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    with_conflicts(&stack, 40).await;
    let report = stack.drain().await;
    assert_eq!(report["resolved"], 25, "{report}");
    assert_eq!(report["stoppedBecause"], "max_actions");
    let released = |stack: &Stack| {
        let changes = stack.changes();
        changes.iter().filter(|it| it.starts_with("DELETE")).count()
    };
    assert_eq!(released(&stack), 25);

    // The rest is unchanged, and left for the next run.
    assert_eq!(stack.drain().await["resolved"], 15);
    assert_eq!(released(&stack), 40);
    stack.assert_on_the_path();
}
