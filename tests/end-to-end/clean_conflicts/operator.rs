//! The commands of an operator: `resolve`, `list`, `approve`.

use local_stack::webhook::seconds_from_now;

use super::*;
use crate::zendesk::Zendesk;

async fn everything_allowed(user: User) -> (Stack, User) {
    let stack = Stack::start(&[("REMEDY", "delete"), TRUSTED]).await;
    let user = stack.sunshine.add_user(user);
    stack.sunshine.set_core_user(ZENDESK_ID, core_user());
    stack.support_user(ZENDESK_ID, NEW, EMAIL);
    stack.sunshine.add_conversation(&user.id, 3);
    (stack, user)
}

#[tokio::test]
async fn resolve_applies_the_named_remedy() {
    for (remedy, call) in [
        ("release-email", "DELETE /users/ID/personalinformation"),
        ("merge", "POST /users/35436/sync"),
        ("delete", "DELETE /users/ID"),
    ] {
        let (stack, user) = everything_allowed(linked_holder()).await;
        let report = stack.resolve(Some(remedy)).await;
        assert_eq!(outcome(&report), ("resolved", None), "{report}");
        assert_eq!(report["conflicts"][0]["remedy"], remedy);
        assert_eq!(stack.changes()[0], call.replace("ID", &user.id));
        let free = stack
            .sunshine
            .users()
            .iter()
            .all(|it| !it.has_email(EMAIL) || it.external_id.as_deref() == Some(NEW));
        assert!(free);
        // The second time, there is nothing to do.
        let calls = stack.changes().len();
        let report = stack.resolve(Some(remedy)).await;
        assert_eq!(stack.changes().len(), calls, "{remedy} {report}");
    }
}

/// The old external id became another user's after the list was made and before it was processed.
/// That user signed up long ago.
#[tokio::test]
async fn a_pair_does_not_reach_a_user_who_got_the_external_id_since() {
    let (stack, user) = everything_allowed(linked_holder()).await;
    let import = json!({"action": "import", "batch": "b", "pairs": [[OLD, NEW]], "by": "ada"});
    stack.clean.invoke(&import).await.unwrap();
    let mut items = stack.aws.items(TABLE).into_iter();
    let mut pair = items.find(|it| it["sk"] == "pair").unwrap();
    pair["trueSince"] = json!(now() - 60_000);
    stack.aws.put_item(TABLE, &pair);
    let zendesk = Zendesk::beside(&stack).await;
    let (kind, detail) = ("user.external_id_changed", json!({"external_id": OLD}));
    let change = json!({"previous": "other", "current": OLD});
    zendesk.deliver(kind, 30, detail, change).await;
    let report = stack.drain().await;
    let expected = ("needs_review", Some("contradicted_lineage"));
    assert_eq!(outcome(&report), expected, "{report}");
    assert_eq!(stack.sunshine.user(&user.id), Some(user));
    assert_eq!(stack.changes(), [""; 0]);
}

/// After the delete, its external id belongs to another user, with another email or none.
#[tokio::test]
async fn a_resolve_that_is_sent_twice_never_reaches_the_next_holder_of_an_external_id() {
    // This holds for any sign-up time.
    let just_now = seconds_from_now(0);
    let long_ago = "2020-01-01T00:00:00Z";
    for (email, is_lost, signed_up_at) in [
        (Some("other@example.com"), false, Some(just_now.as_str())),
        (None, false, None),
        (None, true, Some(just_now.as_str())),
        (None, false, Some(long_ago)),
        (Some(EMAIL), true, Some(just_now.as_str())),
        (Some(EMAIL), true, Some(long_ago)),
    ] {
        let (stack, user) = everything_allowed(holder()).await;
        if is_lost {
            let faults = stack.sunshine.faults();
            faults.add(Rule::new("DELETE", Fault::Drop).times(1));
        }
        stack.resolve(Some("delete")).await;
        assert!(stack.sunshine.user(&user.id).is_none());
        let next = stack.sunshine.add_user(User {
            identities: email.into_iter().map(Identity::email).collect(),
            signed_up_at: signed_up_at.map(ToOwned::to_owned),
            ..holder()
        });
        stack.sunshine.add_conversation(&next.id, 3);
        let calls = stack.changes().len();
        for dry_run in [true, false] {
            for remedy in ["delete", "merge"] {
                let mut event = resolve(Some(remedy));
                event["dryRun"] = json!(dry_run);
                let report = stack.invoke(event).await;
                let (state, reason) = outcome(&report);
                // Either it was done before, or a person must look.
                match state {
                    "resolved" => assert_eq!(report["notAConflict"], 1, "{email:?} {report}"),
                    _ => assert!(
                        state == "needs_review"
                            && [Some("contradicted_lineage"), Some("holder_changed")]
                                .contains(&reason),
                        "{email:?} {report}"
                    ),
                }
            }
        }
        assert_eq!(stack.changes().len(), calls, "{email:?}");
        assert_eq!(stack.messages_of(&next.id), 3);
    }
}

#[tokio::test]
async fn without_a_named_remedy_the_mildest_that_resolves_is_applied() {
    let (stack, _) = everything_allowed(linked_holder()).await;
    let report = stack.resolve(None).await;
    assert_eq!(report["conflicts"][0]["remedy"], "merge", "{report}");
    assert_eq!(outcome(&report), ("resolved", None));

    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(linked_holder());
    let report = stack.resolve(None).await;
    assert_eq!(
        report["conflicts"][0]["remedy"], "release-email",
        "{report}"
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing_at_all() {
    let (stack, _) = everything_allowed(linked_holder()).await;
    let before = stack.aws.items(TABLE);
    for remedy in [None, Some("release-email"), Some("merge"), Some("delete")] {
        let mut event = resolve(remedy);
        event["dryRun"] = json!(true);
        let report = stack.invoke(event).await;
        assert_eq!(outcome(&report), ("planned", None), "{report}");
        let expected = remedy.unwrap_or("merge");
        assert_eq!(report["conflicts"][0]["remedy"], expected);
    }
    stack.assert_untouched();
    assert_eq!(stack.aws.items(TABLE), before);
    let requests = stack.aws.requests();
    let writes = requests.iter().filter(|it| {
        it.operation.starts_with("PUT")
            || it.operation.starts_with("Put")
            || it.operation.starts_with("Update")
    });
    assert_eq!(writes.count(), 0, "{requests:?}");

    // It takes earlier reports into account.
    stack.report("7", EMAIL).await;
    let records = stack.records();
    let mut event = resolve(Some("delete"));
    event["dryRun"] = json!(true);
    let report = stack.invoke(event).await;
    assert_eq!(outcome(&report), ("needs_review", Some("several_callers")));
    assert_eq!(stack.records(), records);
}

#[tokio::test]
async fn the_previous_id_may_be_as_long_as_the_api_accepts() {
    let previous = "\u{e4}".repeat(1024);
    let (stack, user) = everything_allowed(User {
        external_id: Some(previous.clone()),
        ..holder()
    })
    .await;
    let event = json!({
        "action": "resolve", "previousExternalId": previous, "currentExternalId": NEW,
        "remedy": "delete", "by": "ada",
    });
    let report = stack.invoke(event).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert!(stack.sunshine.user(&user.id).is_none());
}

#[tokio::test]
async fn a_previous_id_that_no_one_has_is_not_a_conflict() {
    let (stack, user) = everything_allowed(holder()).await;
    // The path also accepts a user's own id.
    for previous in ["nobody", &user.id] {
        let event = json!({
            "action": "resolve", "previousExternalId": previous, "currentExternalId": NEW,
            "remedy": "delete", "by": "ada",
        });
        let report = stack.invoke(event).await;
        assert_eq!(report["notAConflict"], 1, "{report}");
    }
    stack.assert_untouched();
    assert_eq!(stack.records(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_user_with_several_emails_needs_review() {
    let mut user = holder();
    user.identities.push(Identity::email("other@example.com"));
    let (stack, _) = everything_allowed(user).await;
    for remedy in [Some("delete"), None] {
        let report = stack.resolve(remedy).await;
        let expected = ("needs_review", Some("several_emails"));
        assert_eq!(outcome(&report), expected);
    }
    stack.assert_untouched();
    assert_eq!(stack.the_record()["state"], "needs_review");
}

#[tokio::test]
async fn only_merge_and_delete_apply_to_a_user_without_an_email() {
    let mut user = holder();
    user.identities.clear();
    let (stack, user) = everything_allowed(user).await;
    for remedy in [None, Some("release-email")] {
        let report = stack.resolve(remedy).await;
        assert_eq!(outcome(&report), ("needs_review", Some("no_email")));
    }
    let report = stack.resolve(Some("merge")).await;
    assert_eq!(outcome(&report), ("needs_review", Some("no_zendesk_id")));
    stack.assert_untouched();
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert!(stack.sunshine.user(&user.id).is_none());
    assert_eq!(stack.archived_lines("messages").await.len(), 3);
}

#[tokio::test]
async fn a_user_who_must_be_retained_is_not_deleted() {
    let (stack, _) = everything_allowed(User {
        to_be_retained: Some(true),
        ..holder()
    })
    .await;
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("needs_review", Some("to_be_retained")));
    stack.assert_untouched();
}

#[tokio::test]
async fn a_delete_is_resolved_when_it_has_taken_effect() {
    let (stack, user) = everything_allowed(holder()).await;
    stack.sunshine.set_behaviour(Behaviour {
        defer_deletions: true,
        ..Behaviour::default()
    });
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("confirming", None), "{report}");
    // Neither the schedule nor the operator sends it again.
    assert_eq!(outcome(&stack.drain().await), ("confirming", None));
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("confirming", None));
    assert_eq!(stack.sunshine.complete_deletions(), [user.id]);
    assert_eq!(outcome(&stack.drain().await), ("resolved", None));
    assert_eq!(stack.changes().len(), 1);
}

#[tokio::test]
async fn a_remedy_beyond_what_is_allowed_is_refused() {
    for (allowed, named) in [
        ("plan", "release-email"),
        ("release-email", "merge"),
        ("merge", "delete"),
    ] {
        let stack = Stack::start(&[("REMEDY", allowed)]).await;
        stack.sunshine.add_user(linked_holder());
        let id = stack.report(NEW, EMAIL).await;
        let record = stack.record(&id);
        for event in [resolve(Some(named)), approve(&record, named)] {
            let words = stack.refusal(event).await;
            assert!(words.contains("REMEDY"), "{words}");
        }
        stack.assert_untouched();
        assert_eq!(stack.record(&id), record);
    }
}

#[tokio::test]
async fn an_approved_conflict_continues_as_it_was_shown() {
    let (stack, user) = everything_allowed(linked_holder()).await;
    stack.report(NEW, EMAIL).await;
    stack.report("7", EMAIL).await;
    stack.drain().await;
    let listed = stack.list("needs_review").await;
    let shown = &listed[0];
    assert_eq!(shown["reason"], "several_callers");
    assert_eq!(shown["userId"], user.id);
    assert_eq!(stack.list("planned").await, [Value::Null; 0]);

    let mut unknown = shown.clone();
    unknown["conflictId"] = json!("0123456789abcdef0123456789abcdef");
    let mut older = shown.clone();
    older["version"] = json!(shown["version"].as_u64().unwrap() - 1);
    assert!(
        stack
            .refusal(approve(&unknown, "delete"))
            .await
            .contains("no conflict")
    );
    assert!(
        stack
            .refusal(approve(&older, "delete"))
            .await
            .contains("changed")
    );

    // A release needs no single claimant: it only takes the email off the holder.
    let report = stack.approve(shown, "release-email").await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    let mut now = shown.clone();
    now["version"] = stack.the_record()["version"].clone();
    assert!(
        stack
            .refusal(approve(&now, "release-email"))
            .await
            .contains("only a conflict")
    );
}

#[tokio::test]
async fn an_approval_is_for_the_user_that_was_shown() {
    let (stack, user) = everything_allowed(holder()).await;
    stack.report(NEW, EMAIL).await;
    stack.report("7", EMAIL).await;
    stack.drain().await;
    let listed = stack.list("needs_review").await;
    stack.sunshine.remove_user(&user.id);
    stack.sunshine.add_user(User::known("stranger", EMAIL));
    let report = stack.approve(&listed[0], "release-email").await;
    let expected = ("needs_review", Some("holder_changed"));
    assert_eq!(outcome(&report), expected);
    stack.assert_untouched();
}

#[tokio::test]
async fn an_approval_is_not_lineage() {
    for remedy in ["merge", "delete"] {
        let stack = Stack::start(&[]).await;
        stack.sunshine.add_user(linked_holder());
        stack.report(NEW, EMAIL).await;
        stack.drain().await;
        let shown = stack.list("planned").await.remove(0);
        let clean = stack
            .launch("clean-conflicts", &[("REMEDY", "delete")])
            .await;
        let report = clean.invoke(&approve(&shown, remedy)).await.unwrap();
        assert_eq!(outcome(&report), ("needs_review", Some("no_lineage")));
        stack.assert_untouched();
    }
}

#[tokio::test]
async fn a_plan_is_carried_out_when_it_is_allowed() {
    let stack = Stack::start(&[]).await;
    stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    stack.drain().await;
    let clean = stack
        .launch("clean-conflicts", &[("REMEDY", "release-email")])
        .await;
    let scheduled = json!({"version": "0", "detail-type": "Scheduled Event", "detail": {}});
    let report = clean.invoke(&scheduled).await.unwrap();
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
}

#[tokio::test]
async fn a_mistake_has_a_type_and_names_the_field() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    for (event, field) in [
        (Value::Null, "action"),
        (json!({}), "action"),
        (json!({"action": "purge"}), "action"),
        (json!({"Records": []}), "action"),
        (json!({"action": "drain", "remedy": "delete"}), "remedy"),
        (
            json!({"action": "resolve", "previousExternalId": OLD}),
            "currentExternalId",
        ),
        (
            json!({"action": "resolve", "previousExternalId": OLD, "currentExternalId": OLD, "by": "ada"}),
            "currentExternalId",
        ),
        (
            json!({"action": "resolve", "previousExternalId": OLD, "currentExternalId": NEW}),
            "by",
        ),
        (json!({"action": "list", "limit": 1000}), "limit"),
        (
            json!({"action": "approve", "conflictId": "x", "version": 1, "remedy": "delete", "by": "ada"}),
            "conflictId",
        ),
    ] {
        let response = stack.clean.invoke_within(&event, DEADLINE).await;
        let Err(LambdaError::Function(error)) = response else {
            panic!("{event}: {response:?}");
        };
        assert_eq!(error["errorType"], "InvalidRequest", "{event}: {error}");
        let words = error["errorMessage"].as_str().unwrap();
        assert!(words.contains(field), "{event}: {words}");
    }
    stack.assert_untouched();
    assert_eq!(stack.aws.items(TABLE), [Value::Null; 0]);
}
