//! `count`, `list`, `show`, `recheck`, `close`, `undo`, and a `resolve` that is sent again.

use local_stack::standins::faults::{Fault, Rule};
use serde_json::{Value, json};

use crate::cleanup::*;

/// Three emails that two external ids claim each.
async fn disputed(stack: &Stack) {
    for number in 0..3 {
        let email = format!("anna{number}@example.com");
        stack
            .sunshine
            .add_user(old_user(&format!("old{number}"), &email));
        stack.report(&format!("new{number}"), &email).await;
        stack.report(&format!("other{number}"), &email).await;
    }
    stack.drain().await;
}

#[tokio::test]
async fn conflicts_are_counted_and_listed_by_reason_to_the_last() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    disputed(&stack).await;
    let count = stack.invoke(json!({"action": "count"})).await;
    assert_eq!(
        count["states"],
        json!({"needs_review": {"several_callers": 3}}),
        "{count}"
    );
    assert_eq!(count["oldestDueAt"], Value::Null);

    let mut seen = Vec::new();
    let mut event = json!({"action": "list", "reason": "several_callers", "limit": 2});
    loop {
        let page = stack.invoke(event.clone()).await;
        let conflicts = page["conflicts"].as_array().unwrap();
        seen.extend(
            conflicts
                .iter()
                .map(|it| it["conflictId"].as_str().unwrap().to_owned()),
        );
        match page.get("next") {
            Some(next) => event["next"] = next.clone(),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3);
    let none = stack
        .invoke(json!({"action": "list", "reason": "own_user"}))
        .await;
    assert_eq!((&none["conflicts"], none.get("next")), (&json!([]), None));
    let (kind, words) = refusal(&stack.clean, &json!({"action": "list", "next": "x"})).await;
    assert_eq!(kind, "InvalidRequest");
    assert!(words.contains("next"), "{words}");
}

#[tokio::test]
async fn a_conflict_is_shown_by_email_id_and_both_external_ids() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    let id = stack.report("new", EMAIL).await;
    stack.report("x", "other@example.com").await;
    stack.drain().await;
    for by in [
        json!({"email": " Anna@Example.com"}),
        json!({"conflictId": id}),
        json!({"externalId": "new"}),
        json!({"externalId": "old"}),
    ] {
        let mut event = by.clone();
        event["action"] = json!("show");
        let shown = stack.invoke(event).await;
        let conflicts = shown["conflicts"].as_array().unwrap();
        assert_eq!(conflicts.len(), 1, "{by}: {shown}");
        let conflict = &conflicts[0];
        assert_eq!(conflict["conflictId"], id);
        assert_eq!(conflict["email"], EMAIL);
        assert_eq!(conflict["holder"]["externalId"], "old");
        assert_eq!(conflict["claimants"][0]["externalId"], "new");
        assert_eq!(conflict["claimants"][0]["source"], "report");
        assert_eq!(conflict["state"], "planned");
        assert_eq!(
            conflict["now"],
            json!({"state": "planned", "remedy": "release-email", "reason": null})
        );
    }
    let nobody = stack
        .invoke(json!({"action": "show", "externalId": "nobody"}))
        .await;
    assert_eq!(nobody, json!({"conflicts": []}));
    let log = stack.clean.output().lines().join("\n");
    assert!(!log.contains(EMAIL), "{log}");
}

#[tokio::test]
async fn a_conflict_is_rechecked_once_its_cause_is_fixed() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(old_user("old", EMAIL));
    let surplus = stack.sunshine.add_user(old_user("older", EMAIL));
    let id = stack.report("new", EMAIL).await;
    stack.drain().await;
    assert_eq!(stack.record(&id)["reason"], "several_users");

    stack.sunshine.remove_user(&surplus.id);
    let event = json!({"action": "recheck", "state": "needs_review", "reason": "several_users"});
    let report = stack.invoke(event).await;
    assert_eq!(report["resolved"], 1, "{report}");
    let again = stack
        .invoke(json!({"action": "recheck", "conflictId": id}))
        .await;
    assert_eq!(again["conflicts"][0]["state"], "resolved", "{again}");
    let (kind, _) = refusal(
        &stack.clean,
        &json!({"action": "recheck", "conflictId": "0".repeat(32)}),
    )
    .await;
    assert_eq!(kind, "InvalidRequest");
}

#[tokio::test]
async fn a_conflict_is_closed_by_a_person_with_a_note() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    disputed(&stack).await;
    let record = stack.items("conflict").remove(0);
    let close = |version: u64| {
        json!({"action": "close", "conflictId": record["conflictId"], "version": version,
               "note": "called her", "by": "ada"})
    };
    let version = record["version"].as_u64().unwrap();
    let (kind, words) = refusal(&stack.clean, &close(version - 1)).await;
    assert_eq!(kind, "Changed", "{words}");
    let report = stack.invoke(close(version)).await;
    assert_eq!(
        report["conflicts"][0]["state"], "not_a_conflict",
        "{report}"
    );
    let id = record["conflictId"].as_str().unwrap();
    let closed = stack.record(id);
    assert_eq!(
        (&closed["note"], &closed["by"]),
        (&json!("called her"), &json!("ada"))
    );
    let lines = stack.clean.output().lines();
    let line = lines
        .iter()
        .find(|line| line.contains(id) && line.contains("not_a_conflict"));
    let line = line.expect("a line of the change");
    for part in ["conflictId", "requestId", "by", "ada"] {
        assert!(line.contains(part), "{line}");
    }
    let (kind, _) = refusal(&stack.clean, &close(closed["version"].as_u64().unwrap())).await;
    assert_eq!(kind, "InvalidRequest");
}

#[tokio::test]
async fn a_release_is_taken_back() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    let old = stack.sunshine.add_user(old_user("old", EMAIL));
    let id = stack.report("new", EMAIL).await;
    stack.drain().await;
    assert_eq!(stack.record(&id)["state"], "resolved");
    // The new user has logged in, and holds the email.
    let new = stack.sunshine.add_user(old_user("new", EMAIL));
    let event = json!({"action": "undo", "conflictId": id, "version": stack.record(&id)["version"], "by": "ada"});
    let report = stack.invoke(event).await;
    assert_eq!(
        report["conflicts"][0]["state"], "not_a_conflict",
        "{report}"
    );
    let profile = |id: &str| stack.sunshine.user(id).unwrap().profile;
    assert_eq!(profile(&old.id)["email"], EMAIL);
    assert_eq!(profile(&old.id)["givenName"], "Anna");
    assert!(!stack.sunshine.user(&new.id).unwrap().has_email(EMAIL));
    assert_eq!(
        profile(&new.id)["givenName"],
        "Anna",
        "what else the new user had is back"
    );
    let (kind, _) = refusal(
        &stack.clean,
        &json!({"action": "undo", "conflictId": id, "version": stack.record(&id)["version"], "by": "ada"}),
    )
    .await;
    assert_eq!(kind, "InvalidRequest");
}

/// The profile of the user who got the email must be restored by the undo that is sent again.
#[tokio::test]
async fn an_interrupted_undo_loses_no_profile() {
    let faults = [
        ("PATCH **/users/*", Fault::answer(503, "")),
        ("DELETE **/users/*/personalinformation", Fault::Drop),
    ];
    for (pattern, fault) in faults {
        let stack = Stack::start(&[("REMEDY", "release-email")]).await;
        let old = stack.sunshine.add_user(old_user("old", EMAIL));
        let id = stack.report("new", EMAIL).await;
        stack.drain().await;
        let new = stack.sunshine.add_user(old_user("new", EMAIL));
        let undo = || {
            let version = &stack.record(&id)["version"];
            json!({"action": "undo", "conflictId": id, "version": version, "by": "ada"})
        };
        stack.sunshine.faults().add(Rule::new(pattern, fault));
        let report = stack.invoke(undo()).await;
        assert_eq!(report["deferred"], 1, "{pattern}: {report}");
        let now = stack.sunshine.user(&new.id).unwrap();
        assert!(!now.has_email(EMAIL), "{pattern}");
        assert_eq!(now.profile.get("givenName"), None, "{pattern}");

        stack.sunshine.faults().clear();
        let report = stack.invoke(undo()).await;
        let state = &report["conflicts"][0]["state"];
        assert_eq!(state, "not_a_conflict", "{pattern}: {report}");
        let profile = |id: &str| stack.sunshine.user(id).unwrap().profile;
        assert_eq!(profile(&new.id)["givenName"], "Anna", "{pattern}");
        assert_eq!(profile(&old.id)["givenName"], "Anna", "{pattern}");
        assert_eq!(profile(&old.id)["email"], EMAIL, "{pattern}");
        assert_eq!(stack.record(&id).get("withdrawal"), None, "{pattern}");
    }
}

#[tokio::test]
async fn an_undo_takes_nothing_from_a_stranger() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    let old = stack.sunshine.add_user(old_user("old", EMAIL));
    let id = stack.report("new", EMAIL).await;
    stack.drain().await;
    let stranger = stack.sunshine.add_user(old_user("stranger", EMAIL));
    let before = stack.sunshine.changing_calls().len();
    let version = &stack.record(&id)["version"];
    let event = json!({"action": "undo", "conflictId": id, "version": version, "by": "ada"});
    let (kind, words) = refusal(&stack.clean, &event).await;
    assert_eq!(kind, "InvalidRequest", "{words}");
    assert_eq!(stack.sunshine.changing_calls().len(), before);
    assert!(stack.sunshine.user(&stranger.id).unwrap().has_email(EMAIL));
    assert!(!stack.sunshine.user(&old.id).unwrap().has_email(EMAIL));
}

#[tokio::test]
async fn a_resolve_that_is_sent_again_finds_what_it_did() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    let old = stack.sunshine.add_user(old_user("old", EMAIL));
    let resolve = json!({"action": "resolve", "previousExternalId": "old",
                         "currentExternalId": "new", "by": "ada"});
    let report = stack.invoke(resolve.clone()).await;
    assert_eq!(report["resolved"], 1, "{report}");
    let (records, calls) = (
        stack.items("conflict"),
        stack.sunshine.changing_calls().len(),
    );
    assert_eq!(records[0]["by"], "ada");
    for _ in 0..2 {
        let again = stack.invoke(resolve.clone()).await;
        assert_eq!(again["notAConflict"], 1, "{again}");
        assert_eq!(again["conflicts"][0]["state"], "resolved", "{again}");
    }
    assert_eq!(stack.items("conflict"), records);
    assert_eq!(stack.sunshine.changing_calls().len(), calls);
    // The same is true once the user is gone.
    stack.sunshine.remove_user(&old.id);
    let again = stack.invoke(resolve).await;
    assert_eq!(again["conflicts"][0]["state"], "resolved", "{again}");
    assert_eq!(stack.items("conflict"), records);
}

#[tokio::test]
async fn a_remedy_beyond_the_allowed_one_is_refused() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    let id = "0".repeat(32);
    for event in [
        json!({"action": "undo", "conflictId": id, "version": 1, "by": "ada"}),
        json!({"action": "approve", "conflictId": id, "version": 1, "remedy": "merge", "by": "ada"}),
    ] {
        let (kind, _) = refusal(&stack.clean, &event).await;
        assert_eq!(kind, "NotAllowed", "{event}");
    }
}
