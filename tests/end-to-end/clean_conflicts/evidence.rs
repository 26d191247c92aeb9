//! Each rule of the evidence, broken one at a time.

use super::*;

/// The outcome of the conflict over [`EMAIL`] with these users, if everything is allowed.
async fn drained(users: Vec<User>, variables: &[(&str, &str)]) -> (Stack, Value) {
    let stack = Stack::start(&[&[("REMEDY", "delete")], variables].concat()).await;
    for user in users {
        stack.sunshine.add_user(user);
    }
    stack.report_changed(OLD, NEW).await;
    let report = stack.drain().await;
    (stack, report)
}

async fn assert_left_alone(users: Vec<User>, state: &str, reason: Option<&str>) {
    let (stack, report) = drained(users, &[]).await;
    assert_eq!(outcome(&report), (state, reason), "{report}");
    stack.assert_untouched();
    assert_eq!(stack.the_record()["state"], state);
}

#[tokio::test]
async fn a_remedy_is_applied_if_no_rule_is_broken() {
    let (stack, report) = drained(vec![holder()], &[("REMEDY", "release-email")]).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert_eq!(stack.changes().len(), 2);
}

#[tokio::test]
async fn two_users_with_the_email_need_review() {
    let users = vec![holder(), User::known("5", EMAIL)];
    assert_left_alone(users, "needs_review", Some("several_users")).await;
}

#[tokio::test]
async fn an_email_that_no_user_holds_is_not_a_conflict() {
    assert_left_alone(vec![], "not_a_conflict", None).await;
}

#[tokio::test]
async fn an_email_of_the_callers_own_user_is_not_a_conflict() {
    assert_left_alone(vec![User::known(NEW, EMAIL)], "not_a_conflict", None).await;
}

#[tokio::test]
async fn a_holder_found_under_the_callers_external_id_needs_review() {
    // The caller's external id has the form of an id, and is the holder's.
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let user = stack.sunshine.add_user(holder());
    stack.report(&user.id, EMAIL).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("needs_review", Some("own_user")));
    stack.assert_untouched();
}

#[tokio::test]
async fn an_external_id_that_differs_in_case_alone_needs_review() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.add_user(User::known("Anna-\u{c4}", EMAIL));
    stack.report("aNNA-\u{e4}", EMAIL).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("needs_review", Some("case_difference")));
    stack.assert_untouched();
}

#[tokio::test]
async fn a_holder_of_another_brand_needs_review() {
    let listed = |brand: Value| {
        let mut user = json!(holder());
        user["id"] = json!("67a11490f0300123456789ab");
        user["brandId"] = brand;
        Fault::answer(200, json!({"users": [user]}).to_string())
    };
    let stack = Stack::start(&[("REMEDY", "delete"), ("SUNSHINE_BRAND_ID", "9477")]).await;
    // The upstream's filter is not trusted.
    for brand in [json!("9478"), Value::Null] {
        stack.sunshine.faults().clear();
        stack
            .sunshine
            .faults()
            .add(Rule::new("GET **/users", listed(brand.clone())));
        let clients = Fault::answer(200, json!({"clients": []}).to_string());
        stack
            .sunshine
            .faults()
            .add(Rule::new("GET **/clients", clients));
        let id = stack.report(NEW, &format!("{EMAIL}{brand}")).await;
        stack.edit(&id, |record| record["email"] = json!(EMAIL));
        let report = stack.drain().await;
        assert_eq!(outcome(&report), ("needs_review", Some("other_brand")));
    }
    stack.assert_untouched();
}

#[tokio::test]
async fn only_the_user_of_the_configured_brand_loses_the_email() {
    let user = User {
        brand_id: Some("9477".to_owned()),
        ..holder()
    };
    let variables = [("REMEDY", "release-email"), ("SUNSHINE_BRAND_ID", "9477")];
    let (stack, report) = drained(vec![user.clone(), holder()], &variables).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    // The user without a brand keeps its email.
    let left = stack.sunshine.users();
    assert_eq!(left.iter().filter(|it| it.has_email(EMAIL)).count(), 1);
}

#[tokio::test]
async fn an_email_of_the_profile_alone_is_not_released() {
    let mut user = holder();
    user.identities.clear();
    assert_left_alone(vec![user.clone()], "not_a_conflict", None).await;

    // The same is true if the upstream's filter matches it.
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let user = stack.sunshine.add_user(user);
    let listed = Fault::answer(200, json!({"users": [user]}).to_string());
    stack
        .sunshine
        .faults()
        .add(Rule::new("GET **/users", listed));
    stack.report_changed(OLD, NEW).await;
    let report = stack.drain().await;
    let expected = ("needs_review", Some("email_not_an_identity"));
    assert_eq!(outcome(&report), expected);
    stack.assert_untouched();
}

#[tokio::test]
async fn a_holder_without_an_external_id_needs_review() {
    for external_id in [None, Some(String::new())] {
        let user = User {
            external_id,
            ..holder()
        };
        assert_left_alone(vec![user], "needs_review", Some("no_external_id")).await;
    }
}

#[tokio::test]
async fn with_lineage_and_no_zendesk_id_the_email_is_released() {
    // An id that is not a number counts as missing.
    for zendesk_id in [None, Some("abc".to_owned()), Some("-1".to_owned())] {
        let user = User {
            zendesk_id,
            ..holder()
        };
        let (stack, report) = drained(vec![user], &[]).await;
        // No merge is possible, so the email is released, and the record says why.
        assert_eq!(outcome(&report), ("resolved", Some("no_zendesk_id")));
        assert_eq!(stack.the_record()["remedy"], "release-email");
    }
}

#[tokio::test]
async fn two_claimants_need_review() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.add_user(linked_holder());
    stack.report_changed(OLD, NEW).await;
    stack.report_changed(OLD, "7").await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("needs_review", Some("several_callers")));
    stack.assert_untouched();
    // A third claimant changes nothing, and the list shows the holder.
    stack.report("8", EMAIL).await;
    assert_eq!(stack.drain().await["examined"], 0);
    assert!(stack.list("needs_review").await[0]["userId"].is_string());
}

#[tokio::test]
async fn a_second_claimant_turns_a_plan_into_a_review() {
    let stack = Stack::start(&[]).await;
    stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    assert_eq!(outcome(&stack.drain().await).0, "planned");
    stack.report("7", EMAIL).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("needs_review", Some("several_callers")));
}

#[tokio::test]
async fn a_claimant_that_has_the_email_does_not_settle_a_dispute() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.add_user(User::known("7", EMAIL));
    stack.report(NEW, EMAIL).await;
    stack.report("7", EMAIL).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("needs_review", Some("several_callers")));
}
