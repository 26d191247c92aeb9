//! A claim has a time, and so has lineage.

use super::*;

/// A user who still has the problem reports it again at the next login.
#[tokio::test]
async fn a_claim_of_last_year_is_not_carried_out_when_the_remedy_is_raised() {
    let stack = Stack::start(&[]).await;
    let rightful = stack.sunshine.add_user(holder());
    let id = stack.report("mallory", EMAIL).await;
    stack.drain().await;
    assert_eq!(stack.record(&id)["state"], "planned");
    stack.age(&id, 365 * DAY);
    let raised = stack
        .launch("clean-conflicts", &[("REMEDY", "release-email")])
        .await;
    raised.invoke(&json!({"action": "drain"})).await.unwrap();
    assert_state(&stack, "not_a_conflict", None);
    stack.assert_untouched();
    assert_unchanged(&stack, &rightful);
}

#[tokio::test]
async fn a_claim_of_29_days_is_carried_out() {
    let stack = Stack::start(&[]).await;
    stack.sunshine.add_user(holder());
    let id = stack.report(NEW, EMAIL).await;
    stack.drain().await;
    stack.age(&id, 29 * DAY);
    let raised = stack
        .launch("clean-conflicts", &[("REMEDY", "release-email")])
        .await;
    raised.invoke(&json!({"action": "drain"})).await.unwrap();
    assert_state(&stack, "resolved", None);
}

/// The external id was reissued: its new holder shares an address with the old one.
#[tokio::test]
async fn the_new_holder_of_an_external_id_is_not_merged_away() {
    let merge = [("REMEDY", "merge"), ("MERGE_CALL", "appusers-merge")];
    // The change was before the new holder signed up.
    let stack = Stack::start(&merge).await;
    let new_holder = stack.sunshine.add_user(User {
        signed_up_at: Some(seconds_from_now(-60)),
        ..holder()
    });
    stack.add_conversation_of(&new_holder, 5);
    stack.report_changed_an_hour_ago().await;
    stack.drain().await;
    assert_eq!(stack.messages_of(&new_holder.id), 5);
    assert_ne!(stack.the_record()["remedy"], "merge");

    // The claim has no time, and the new holder is active.
    let stack = Stack::start(&merge).await;
    let new_holder = stack.sunshine.add_user(holder());
    let client = Client::seen_at(AFTER_THE_REPORT);
    stack.sunshine.add_client(&new_holder.id, client);
    stack.report_changed(OLD, NEW).await;
    stack.drain().await;
    assert_state(&stack, "needs_review", Some("holder_active"));
    stack.assert_untouched();
    assert_unchanged(&stack, &new_holder);
}

#[tokio::test]
async fn a_claim_without_a_time_merges_a_quiet_holder() {
    let merge = [("REMEDY", "merge"), ("MERGE_CALL", "appusers-merge")];
    let stack = Stack::start(&merge).await;
    stack.sunshine.add_user(holder());
    stack.report_changed(OLD, NEW).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
    assert_eq!(stack.the_record()["remedy"], "merge");
}

/// From A to B, and back to A: the current holder of the id gets the email.
#[tokio::test]
async fn the_way_back_is_followed_as_claims_report_it() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(holder());
    let id = stack.report_changed(OLD, NEW).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
    // The user logs in with the email under the new id, and then goes back to the old one.
    stack.sunshine.add_user(User::known(NEW, EMAIL));
    stack.age(&id, 20 * 60 * 1000);
    stack.report_changed(NEW, OLD).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
    let now_at = stack.sunshine.user_by_external_id(NEW).unwrap();
    assert!(!now_at.has_email(EMAIL), "the email is free for the old id");
}

#[tokio::test]
async fn the_way_back_is_followed_as_an_operator_states_it() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(holder());
    stack.invoke(resolve(None)).await;
    assert_state(&stack, "resolved", None);
    let id = stack.the_record()["conflictId"]
        .as_str()
        .unwrap()
        .to_owned();
    stack.sunshine.add_user(User::known(NEW, EMAIL));
    stack.age(&id, 20 * 60 * 1000);
    let back = |dry_run: bool| {
        json!({
            "action": "resolve", "previousExternalId": NEW, "currentExternalId": OLD,
            "dryRun": dry_run, "by": "ada",
        })
    };
    let planned = stack.invoke(back(true)).await;
    assert_eq!(outcome(&planned), ("planned", None), "{planned}");
    let done = stack.invoke(back(false)).await;
    assert_eq!(outcome(&done), ("resolved", None), "{done}");
}

/// With a wrong mapping, everyone has the same email, each with another previous id.
#[tokio::test]
async fn a_record_stays_small_whoever_reports() {
    let stack = Stack::start(&[]).await;
    let long = |number: usize, side: &str| format!("{side}-{number}-{}", "x".repeat(200));
    for number in 0..70 {
        let (previous, current) = (long(number, "old"), long(number, "new"));
        stack.report_changed(&previous, &current).await;
    }
    let record = stack.the_record();
    let count = |field: &str| record[field].as_array().map_or(0, Vec::len);
    assert!(count("lineages") <= 50, "{}", count("lineages"));
    assert_eq!(count("claimants"), 20);
    assert!(record.to_string().len() < 100_000);
}

/// Every record expires, in any state.
#[tokio::test]
async fn every_record_expires_90_days_after_its_last_claim() {
    let stack = Stack::start(&[]).await;
    stack.sunshine.add_user(holder());
    let id = stack.report(NEW, EMAIL).await;
    let expires_in = || stack.record(&id)["expiresAt"].as_u64().unwrap() * 1000 - now();
    let is_in_90_days = |left: u64| left <= 90 * DAY && left > 89 * DAY;
    assert!(is_in_90_days(expires_in()), "pending");
    stack.drain().await;
    assert_eq!(stack.record(&id)["state"], "planned");
    assert!(is_in_90_days(expires_in()), "planned");
}
