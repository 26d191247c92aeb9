//! The effects of lineage, and of missing lineage.

use super::*;

/// A stack that allows everything, and a user whom a sync would merge into the caller.
async fn mergeable(user: User) -> (Stack, User) {
    let stack = Stack::start(&[("REMEDY", "delete"), TRUSTED]).await;
    let user = stack.sunshine.add_user(user);
    stack.sunshine.set_core_user(ZENDESK_ID, core_user());
    stack.support_user(ZENDESK_ID, NEW, EMAIL);
    stack.sunshine.add_conversation(&user.id, 3);
    (stack, user)
}

async fn assert_no_merge(stack: &Stack, user: &User) {
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert_eq!(stack.the_record()["remedy"], "release-email");
    assert!(stack.changes().iter().all(|it| !it.ends_with("/sync")));
    let kept = stack.sunshine.user(&user.id).unwrap();
    assert_eq!(kept.external_id, user.external_id);
    assert!(!kept.has_email(EMAIL));
    assert_eq!(stack.messages_of(&user.id), 3);
}

#[tokio::test]
async fn a_recycled_email_costs_no_one_their_history() {
    let (stack, user) = mergeable(linked_holder()).await;
    stack.report(NEW, EMAIL).await;
    assert_no_merge(&stack, &user).await;

    // The fields that the release cleared by side effect are restored.
    let kept = stack.sunshine.user(&user.id).unwrap();
    let mut profile = user.profile.clone();
    profile.remove("email");
    assert_eq!((kept.profile, kept.metadata), (profile, user.metadata));
}

#[tokio::test]
async fn the_identity_providers_claim_is_lineage() {
    let (stack, user) = mergeable(linked_holder()).await;
    stack.report_changed(OLD, NEW).await;
    let report = stack.drain().await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert_eq!(report["conflicts"][0]["remedy"], "merge");
    assert_eq!(stack.changes(), [format!("POST /users/{ZENDESK_ID}/sync")]);
    let kept = stack.sunshine.user_by_external_id(NEW).unwrap();
    assert_eq!(kept.id, user.id);
    assert_eq!(stack.messages_of(&kept.id), 3);
    // The user and its clients are in the archive.
    assert_eq!(stack.archived_lines("user").await[0]["externalId"], OLD);
}

#[tokio::test]
async fn the_callers_own_user_is_merged_in() {
    let (stack, _) = mergeable(linked_holder()).await;
    let own = stack.sunshine.add_user(User {
        external_id: Some(NEW.to_owned()),
        ..User::default()
    });
    stack.sunshine.add_conversation(&own.id, 2);
    stack.report_changed(OLD, NEW).await;
    assert_eq!(outcome(&stack.drain().await), ("resolved", None));
    let kept = stack.sunshine.user_by_external_id(NEW).unwrap();
    assert_eq!(stack.messages_of(&kept.id), 5);
}

#[tokio::test]
async fn a_caller_who_is_linked_is_not_merged() {
    let (stack, user) = mergeable(linked_holder()).await;
    stack.sunshine.add_user(User {
        external_id: Some(NEW.to_owned()),
        zendesk_id: Some("99".to_owned()),
        ..User::default()
    });
    stack.report_changed(OLD, NEW).await;
    let report = stack.drain().await;
    // The history stays with the old user, and the record says why.
    assert_eq!(outcome(&report), ("resolved", Some("caller_linked")));
    assert_eq!(stack.the_record()["remedy"], "release-email");
    assert_eq!(stack.messages_of(&user.id), 3);
}

#[tokio::test]
async fn a_lineage_expires_after_90_days() {
    let (stack, user) = mergeable(linked_holder()).await;
    let id = stack.report_changed(OLD, NEW).await;
    stack.edit(&id, |it| {
        it["lineages"][0]["time"] = json!(now() - 90 * DAY);
    });
    assert_no_merge(&stack, &user).await;
}

#[tokio::test]
async fn a_lineage_from_before_the_sign_up_is_about_another_user() {
    for signed_up_at in [Some("2099-01-01T00:00:00.000Z"), Some("yesterday"), None] {
        let (stack, user) = mergeable(User {
            signed_up_at: signed_up_at.map(ToOwned::to_owned),
            ..linked_holder()
        })
        .await;
        stack.report_changed(OLD, NEW).await;
        assert_no_merge(&stack, &user).await;
    }
}

#[tokio::test]
async fn a_lineage_to_another_user_contradicts() {
    for contradiction in [
        json!({"previous": OLD, "current": "7", "source": {"kind": "claim"}, "time": 1}),
        json!({"previous": "7", "current": OLD, "source": {"kind": "claim"}, "time": now()}),
    ] {
        let (stack, _) = mergeable(linked_holder()).await;
        let id = stack.report_changed(OLD, NEW).await;
        stack.edit(&id, |it| {
            it["lineages"][0]["time"] = json!(now() - DAY);
            it["lineages"].as_array_mut().unwrap().push(contradiction);
        });
        let report = stack.drain().await;
        let expected = ("needs_review", Some("contradicted_lineage"));
        assert_eq!(outcome(&report), expected);
        stack.assert_untouched();
    }
}

#[tokio::test]
async fn an_identity_that_stays_is_not_resolved() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    let user = stack.sunshine.add_user(holder());
    stack.sunshine.set_behaviour(Behaviour {
        keep_identities: true,
        ..Behaviour::default()
    });
    stack.report(NEW, EMAIL).await;
    assert_eq!(outcome(&stack.drain().await), ("confirming", None));
    let report = stack.drain().await;
    let expected = ("needs_review", Some("email_still_held"));
    assert_eq!(outcome(&report), expected);
    let releases = stack.changes();
    let releases = releases.iter().filter(|it| it.starts_with("DELETE"));
    assert_eq!(releases.count(), 1);
    // The fields that the release still cleared are restored.
    let kept = stack.sunshine.user(&user.id).unwrap();
    assert_eq!(kept.profile["givenName"], "Anna");
    assert_eq!(kept.metadata, user.metadata);
}

#[tokio::test]
async fn an_operator_who_saw_that_an_identity_stays_can_name_another_remedy() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let user = stack.sunshine.add_user(holder());
    stack.sunshine.set_behaviour(Behaviour {
        keep_identities: true,
        ..Behaviour::default()
    });
    stack.report(NEW, EMAIL).await;
    stack.drain_to_the_end().await;
    let shown = &stack.list("needs_review").await[0];
    // An approval is not lineage.
    let report = stack.approve(shown, "delete").await;
    assert_eq!(outcome(&report), ("needs_review", Some("no_lineage")));

    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert!(stack.sunshine.user(&user.id).is_none());
    let archived = stack.archived_lines("user").await;
    assert_eq!(archived[0]["profile"]["givenName"], "Anna");
}
