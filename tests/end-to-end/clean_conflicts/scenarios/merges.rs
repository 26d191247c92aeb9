//! A merge may show a history only to the person who owns it.

use super::*;

const MERGE: (&str, &str) = ("REMEDY", "merge");
const TRUST: (&str, &str) = ("TRUST_WEBHOOK_LINEAGE", "true");
const BY_IDS: (&str, &str) = ("MERGE_CALL", "appusers-merge");
/// The number that another system has for a third person.
const THIRD: &str = "9001";

/// A holder who is linked to a Support user, and a third person, each with a history.
fn two_people(stack: &Stack) -> (User, User) {
    let sue = stack.sunshine.add_user(linked_holder());
    stack.add_conversation_of(&sue, 7);
    let third = stack
        .sunshine
        .add_user(User::known(THIRD, "third@example.com"));
    stack.add_conversation_of(&third, 2);
    (sue, third)
}

fn support_has(stack: &Stack, external_id: &str) {
    support_has_both(stack, external_id, EMAIL);
}

fn support_has_both(stack: &Stack, external_id: &str, email: &str) {
    let core_user = CoreUser {
        external_id: Some(external_id.to_owned()),
        email: Some(email.to_owned()),
        ..core_user()
    };
    stack.sunshine.set_core_user(ZENDESK_ID, core_user);
}

/// The record of the conflict over an email.
fn record_of(stack: &Stack, email: &str) -> Value {
    let mut records = stack.records().into_iter();
    records.find(|record| record["email"] == email).unwrap()
}

/// Drains until nothing is due.
async fn drain_all(stack: &Stack) {
    for _ in 0..20 {
        stack.make_due();
        stack.drain().await;
        if stack.records().iter().all(|it| it["dueAt"].is_null()) {
            break;
        }
    }
}

fn assert_released_instead(stack: &Stack, reason: &str) {
    assert_state(stack, "resolved", Some(reason));
    assert_eq!(stack.the_record()["remedy"], "release-email");
    let changes = stack.changes();
    assert!(changes.iter().all(|it| !it.contains("sync")), "{changes:?}");
}

/// A sync writes Support's external id into the user, whatever it is, and merges the user who has
/// it.
#[tokio::test]
async fn a_history_goes_to_no_one_whom_only_support_names() {
    let stack = Stack::start(&[MERGE, TRUST]).await;
    let (sue, third) = two_people(&stack);
    support_has(&stack, THIRD);
    stack.report_changed_an_hour_ago().await;
    stack.drain_to_the_end().await;
    assert_released_instead(&stack, "support_id_unknown");
    assert_unchanged(&stack, &third);
    assert_eq!(
        (stack.messages_of(&sue.id), stack.messages_of(&third.id)),
        (7, 2)
    );
}

#[tokio::test]
async fn a_sync_needs_a_trusted_event_that_names_the_callers_external_id() {
    // The event is not trusted, is about another Support user, or is older than an event that
    // contradicts it.
    for case in ["no trust", "another user", "changed since", "merged since"] {
        let trust = if case == "no trust" { "false" } else { "true" };
        let stack = Stack::start(&[MERGE, ("TRUST_WEBHOOK_LINEAGE", trust)]).await;
        let zendesk = Zendesk::beside(&stack).await;
        let (_, third) = two_people(&stack);
        support_has(&stack, THIRD);
        let id = if case == "another user" {
            "1"
        } else {
            ZENDESK_ID
        };
        let detail = json!({"id": id, "email": EMAIL, "external_id": NEW});
        let change = json!({"previous": OLD, "current": NEW});
        zendesk
            .deliver("user.external_id_changed", 3600, detail, change)
            .await;
        match case {
            "changed since" => zendesk.email_changed(60, THIRD, EMAIL).await,
            "merged since" => zendesk.merged(60, ZENDESK_ID, "1").await,
            _ => {}
        }
        stack.report_changed_an_hour_ago().await;
        stack.drain_to_the_end().await;
        assert_released_instead(&stack, "support_id_unknown");
        assert_unchanged(&stack, &third);
    }
}

#[tokio::test]
async fn a_sync_is_sent_if_a_trusted_event_names_the_callers_external_id() {
    let stack = Stack::start(&[MERGE, TRUST]).await;
    let zendesk = Zendesk::beside(&stack).await;
    let (sue, third) = two_people(&stack);
    support_has(&stack, NEW);
    zendesk.external_id_changed(60, OLD, NEW).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
    assert_eq!(stack.the_record()["remedy"], "merge");
    assert_eq!(stack.sunshine.user_by_external_id(NEW).unwrap().id, sue.id);
    assert_eq!(stack.messages_of(&sue.id), 7);
    assert_unchanged(&stack, &third);
}

/// Support has changed since the event, without another event.
#[tokio::test]
async fn a_sync_that_touched_a_third_user_stops_the_run() {
    let stack = Stack::start(&[MERGE, TRUST]).await;
    let zendesk = Zendesk::beside(&stack).await;
    two_people(&stack);
    support_has(&stack, THIRD);
    zendesk.external_id_changed(60, OLD, NEW).await;
    // Another conflict in the same run, with its own merge.
    let email = "ben@example.com";
    stack.sunshine.add_user(User {
        zendesk_id: Some("2".to_owned()),
        signed_up_at: Some(LONG_AGO.to_owned()),
        ..User::known("ben-1", email)
    });
    let detail = json!({"id": "2", "email": email, "external_id": "ben-2"});
    let change = json!({"previous": "ben-1", "current": "ben-2"});
    zendesk
        .deliver("user.external_id_changed", 60, detail, change)
        .await;
    let core_user = CoreUser {
        external_id: Some("ben-x".to_owned()),
        email: Some(email.to_owned()),
        ..CoreUser::default()
    };
    stack.sunshine.set_core_user("2", core_user);
    let report = stack.drain().await;
    assert!(report["stoppedBecause"].is_string(), "{report}");
    let is_moved = |it: &Value| it["reason"] == "other_user_changed";
    assert_eq!(stack.records().iter().filter(|it| is_moved(it)).count(), 1);
    assert_eq!(stack.changes().len(), 1, "the run continued");
}

/// A sync writes Support's email into the user too, and takes it from any other user.
#[tokio::test]
async fn an_email_that_an_agent_typed_takes_nothing_from_its_owner() {
    for zendesk_id in [None, Some("2".to_owned())] {
        let stack = Stack::start(&[MERGE, TRUST]).await;
        let zendesk = Zendesk::beside(&stack).await;
        let (sue, third) = two_people(&stack);
        let third = stack.sunshine.add_user(User {
            zendesk_id,
            ..third
        });
        zendesk.external_id_changed(60, OLD, NEW).await;
        support_has_both(&stack, NEW, "third@example.com");
        zendesk.email_changed(30, NEW, "third@example.com").await;
        stack.report_changed_an_hour_ago().await;
        drain_all(&stack).await;
        assert_eq!(record_of(&stack, EMAIL)["reason"], "support_id_unknown");
        assert_eq!(record_of(&stack, EMAIL)["remedy"], "release-email");
        assert_unchanged(&stack, &third);
        assert_eq!(
            (stack.messages_of(&sue.id), stack.messages_of(&third.id)),
            (7, 2)
        );
    }
}

#[tokio::test]
async fn a_sync_that_brings_a_new_email_of_no_one_else_is_sent() {
    let stack = Stack::start(&[MERGE, TRUST]).await;
    let zendesk = Zendesk::beside(&stack).await;
    let (sue, third) = two_people(&stack);
    zendesk.external_id_changed(60, OLD, NEW).await;
    support_has_both(&stack, NEW, "new@example.com");
    zendesk.email_changed(30, NEW, "new@example.com").await;
    stack.report_changed_an_hour_ago().await;
    drain_all(&stack).await;
    let record = record_of(&stack, EMAIL);
    assert_eq!(
        (&record["state"], &record["remedy"]),
        (&json!("resolved"), &json!("merge"))
    );
    assert_eq!(stack.messages_of(&sue.id), 7);
    assert_unchanged(&stack, &third);
}

/// Support's email has changed without an event. The third user loses the email alone if it is
/// linked, else its history too.
#[tokio::test]
async fn a_sync_that_took_the_email_of_a_third_user_stops_the_run() {
    for zendesk_id in [None, Some("2".to_owned())] {
        let stack = Stack::start(&[MERGE, TRUST]).await;
        let zendesk = Zendesk::beside(&stack).await;
        let (_, third) = two_people(&stack);
        stack.sunshine.add_user(User {
            zendesk_id,
            ..third
        });
        zendesk.external_id_changed(60, OLD, NEW).await;
        support_has_both(&stack, NEW, "third@example.com");
        stack.report_changed_an_hour_ago().await;
        let report = stack.drain().await;
        assert_eq!(report["stoppedBecause"], "upstream_error", "{report}");
        assert_state(&stack, "needs_review", Some("other_user_changed"));
    }
}

/// Zendesk's single sign-on changes an external id because the email matched.
#[tokio::test]
async fn a_recycled_address_is_not_lineage() {
    for merge_call in ["sync", "appusers-merge"] {
        let stack = Stack::start(&[MERGE, ("MERGE_CALL", merge_call)]).await;
        let zendesk = Zendesk::beside(&stack).await;
        let old_owner = stack.sunshine.add_user(linked_holder());
        stack.add_conversation_of(&old_owner, 5);
        support_has(&stack, NEW);
        zendesk.external_id_changed(60, OLD, NEW).await;
        stack.drain().await;
        assert_state(&stack, "planned", Some("not_claimed"));
        // The new owner is a real person with a verified email: the address is theirs, and the old
        // owner's history is not.
        stack.report(NEW, EMAIL).await;
        stack.drain_to_the_end().await;
        assert_state(&stack, "resolved", None);
        assert_eq!(stack.the_record()["remedy"], "release-email");
        assert_eq!(stack.messages_of(&old_owner.id), 5);
        let user = stack.sunshine.user(&old_owner.id).unwrap();
        assert_eq!(user.external_id.as_deref(), Some(OLD));
    }
}

/// Support's own merge is not atomic.
#[tokio::test]
async fn both_users_of_a_merge_are_left_alone_for_half_a_minute() {
    for (merged, with) in [(ZENDESK_ID, "1"), ("1", ZENDESK_ID)] {
        let stack = Stack::start(&[("REMEDY", "release-email")]).await;
        let zendesk = Zendesk::beside(&stack).await;
        stack.sunshine.add_user(linked_holder());
        zendesk.merged(0, merged, with).await;
        stack.report(NEW, EMAIL).await;
        stack.drain().await;
        stack.assert_untouched();
        assert_eq!(stack.the_record()["endedAt"], Value::Null);
        zendesk.merged(40, "3", "4").await;
    }
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    let zendesk = Zendesk::beside(&stack).await;
    stack.sunshine.add_user(linked_holder());
    zendesk.merged(31, ZENDESK_ID, "1").await;
    stack.report(NEW, EMAIL).await;
    stack.drain().await;
    assert_state(&stack, "resolved", None);
}

#[tokio::test]
async fn a_merge_by_ids_gives_the_history_to_the_caller_and_touches_no_third_user() {
    // The caller has a user already, or none; identities move to it, or vanish.
    for (has_user, drop_merged_identities) in [(true, true), (true, false), (false, false)] {
        let stack = Stack::start(&[MERGE, BY_IDS]).await;
        stack.sunshine.set_behaviour(Behaviour {
            drop_merged_identities,
            ..Behaviour::default()
        });
        let (sue, third) = two_people(&stack);
        support_has(&stack, THIRD);
        if has_user {
            let identities = vec![];
            let own = User::known(NEW, EMAIL);
            stack.sunshine.add_user(User { identities, ..own });
        }
        stack.report_changed_an_hour_ago().await;
        stack.drain_to_the_end().await;
        assert_state(&stack, "resolved", None);
        assert_eq!(stack.the_record()["remedy"], "merge");
        let caller = stack.sunshine.user_by_external_id(NEW).unwrap();
        assert_eq!(stack.messages_of(&caller.id), 7);
        assert!(stack.sunshine.user(&sue.id).is_none());
        assert_unchanged(&stack, &third);
    }
}

/// Whether an integration key may merge by ids is not documented.
#[tokio::test]
async fn a_key_that_may_not_merge_by_ids_stops_nothing_else() {
    for status in [401, 403] {
        let stack = Stack::start(&[MERGE, BY_IDS]).await;
        stack.sunshine.set_behaviour(Behaviour {
            refuse_merges: Some(status),
            ..Behaviour::default()
        });
        let (sue, _) = two_people(&stack);
        let own = User::known(NEW, "own@example.com");
        stack.sunshine.add_user(own);
        stack.report_changed_an_hour_ago().await;
        let other = User {
            signed_up_at: Some(LONG_AGO.to_owned()),
            ..User::known("ben-1", "ben@example.com")
        };
        stack.sunshine.add_user(other);
        stack.report("ben-2", "ben@example.com").await;
        let report = stack.drain().await;
        assert_eq!(report["stoppedBecause"], Value::Null, "{report}");
        assert_eq!(
            (&report["needsReview"], &report["resolved"]),
            (&json!(1), &json!(1))
        );
        let is_refused = |it: &&Value| it["reason"] == "merge_forbidden";
        assert_eq!(stack.records().iter().filter(is_refused).count(), 1);
        assert_eq!(stack.messages_of(&sue.id), 7);
    }
}

/// Only the link is missing: the history stays, and `resolve` can join it later.
#[tokio::test]
async fn without_a_zendesk_id_the_email_is_released_and_the_reason_kept() {
    for zendesk_id in [None, Some("not-a-number")] {
        let stack = Stack::start(&[MERGE, TRUST]).await;
        let zendesk = Zendesk::beside(&stack).await;
        let sue = stack.sunshine.add_user(User {
            zendesk_id: zendesk_id.map(str::to_owned),
            ..holder()
        });
        stack.add_conversation_of(&sue, 7);
        zendesk.external_id_changed(60, OLD, NEW).await;
        stack.drain_to_the_end().await;
        assert_released_instead(&stack, "no_zendesk_id");
        assert_eq!(stack.messages_of(&sue.id), 7);
    }
}
