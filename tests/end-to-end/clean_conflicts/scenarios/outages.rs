//! A failure that is temporary, or affects one user only, costs nothing else.

use super::*;

const RELEASE: (&str, &str) = ("REMEDY", "release-email");

/// A short outage decides nothing about a conflict.
#[tokio::test]
async fn an_outage_however_long_does_not_end_a_conflict() {
    let stack = Stack::start(&[RELEASE]).await;
    stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    let down = Rule::new("*", Fault::answer(503, ""));
    stack.sunshine.faults().add(down);
    // More often than the eight attempts that would end it.
    for _ in 0..10 {
        stack.make_due();
        stack.drain().await;
    }
    assert_eq!(stack.the_record()["endedAt"], Value::Null);
    stack.sunshine.faults().clear();
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
}

/// The key may not touch one of the users.
#[tokio::test]
async fn a_403_for_one_user_stops_no_other() {
    let stack = Stack::start(&[RELEASE]).await;
    let forbidden = stack.sunshine.add_user(holder());
    let id = stack.report(NEW, EMAIL).await;
    stack.sunshine.add_user(User {
        signed_up_at: Some(LONG_AGO.to_owned()),
        ..User::known("ben-1", "ben@example.com")
    });
    let other = stack.report("ben-2", "ben@example.com").await;
    let path = format!("DELETE **/users/{}/personalinformation", forbidden.id);
    let refused = Rule::new(path.as_str(), Fault::answer(403, ""));
    stack.sunshine.faults().add(refused);
    let report = stack.drain().await;
    assert_eq!(report["stoppedBecause"], Value::Null, "{report}");
    let record = stack.record(&id);
    assert_eq!(
        (&record["state"], &record["reason"]),
        (&json!("failed"), &json!("forbidden_user"))
    );
    assert_eq!(stack.record(&other)["state"], "resolved");
}

/// A failed conflict without a sent remedy may be reported again after a day.
#[tokio::test]
async fn a_failed_conflict_opens_again_after_a_day() {
    let stack = Stack::start(&[RELEASE]).await;
    let user = stack.sunshine.add_user(holder());
    let id = stack.report(NEW, EMAIL).await;
    let path = format!("DELETE **/users/{}/personalinformation", user.id);
    let refused = Rule::new(path.as_str(), Fault::answer(403, ""));
    stack.sunshine.faults().add(refused);
    stack.drain().await;
    assert_state(&stack, "failed", Some("forbidden_user"));
    stack.sunshine.faults().clear();
    stack.report(NEW, EMAIL).await;
    assert_eq!(stack.record(&id)["state"], "failed");
    stack.age(&id, DAY);
    stack.report(NEW, EMAIL).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
}

/// The response to a release is lost, and the user changes before the release is sent again.
#[tokio::test]
async fn a_release_that_is_sent_again_is_archived_again() {
    let stack = Stack::start(&[RELEASE]).await;
    let user = stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    let path = format!("DELETE **/users/{}/personalinformation", user.id);
    let lost = Rule::new(path.as_str(), Fault::Reset);
    stack.sunshine.faults().add(lost.times(1));
    stack.drain().await;
    let mut changed = stack.sunshine.user(&user.id).unwrap();
    assert!(changed.has_email(EMAIL), "not executed");
    changed.metadata.insert("tier".into(), json!("platinum"));
    changed.metadata.insert("order".into(), json!(42));
    changed.profile.insert("givenName".into(), json!("Susanne"));
    stack.sunshine.add_user(changed);
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
    let after = stack.sunshine.user(&user.id).unwrap();
    assert_eq!(after.metadata["tier"], "platinum");
    assert_eq!(after.metadata["order"], 42);
    assert_eq!(after.profile["givenName"], "Susanne");
    let objects = stack.aws.objects(BUCKET).await;
    let mut archived = String::new();
    for key in objects.iter().filter(|key| key.contains("user-")) {
        archived += std::str::from_utf8(&stack.aws.object(BUCKET, key).await.unwrap()).unwrap();
    }
    assert!(archived.contains("platinum") && archived.contains("gold"));
}

/// The person was erased at Zendesk after a release, and an operator lets the conflict continue.
#[tokio::test]
async fn nothing_that_was_erased_comes_back() {
    let stack = Stack::start(&[RELEASE]).await;
    stack.sunshine.set_behaviour(Behaviour {
        keep_identities: true,
        ..Behaviour::default()
    });
    let user = stack.sunshine.add_user(holder());
    let id = stack.report(NEW, EMAIL).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "needs_review", Some("email_still_held"));
    let mut erased = stack.sunshine.user(&user.id).unwrap();
    erased.profile.clear();
    erased.metadata.clear();
    stack.sunshine.add_user(erased);
    stack.sunshine.set_behaviour(Behaviour::default());
    stack.age(&id, 2 * DAY);
    let shown = stack.list("needs_review").await;
    let mut approval = approve(&shown[0], "release-email");
    approval["by"] = json!("ada");
    stack.invoke(approval).await;
    stack.drain_to_the_end().await;
    let after = stack.sunshine.user(&user.id).unwrap();
    assert!(
        after.profile.is_empty() && after.metadata.is_empty(),
        "{after:?}"
    );
}

/// People whose login is refused now come before a bulk change.
#[tokio::test]
async fn reports_are_worked_on_before_events() {
    let stack = Stack::start(&[RELEASE, ("MAX_ACTIONS_PER_RUN", "1")]).await;
    let zendesk = Zendesk::beside(&stack).await;
    for number in 0..5 {
        let email = format!("user-{number}@example.com");
        let previous = format!("old-{number}");
        stack.sunshine.add_user(User {
            signed_up_at: Some(LONG_AGO.to_owned()),
            ..User::known(&previous, &email)
        });
        let detail = json!({"id": number + 1, "email": email, "external_id": "x"});
        let change = json!({"previous": previous, "current": format!("new-{number}")});
        zendesk
            .deliver("user.external_id_changed", 60, detail, change)
            .await;
        // The conflict of an event is a claim once its lineage is trusted or it is reported.
        if number < 4 {
            continue;
        }
        stack.sunshine.add_user(holder());
        stack.report(NEW, EMAIL).await;
    }
    let shards: Vec<Value> = stack
        .records()
        .iter()
        .map(|it| it["dueShard"].clone())
        .collect();
    assert_eq!(
        shards.iter().filter(|it| **it == "0").count(),
        1,
        "{shards:?}"
    );
    let report = stack.drain().await;
    let listed = &report["conflicts"][0];
    assert_eq!(
        listed["state"], "resolved",
        "the report comes first: {report}"
    );
}
