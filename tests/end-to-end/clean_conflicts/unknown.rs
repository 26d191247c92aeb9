//! Responses that were lost, came late, or report that the work is already done.

use super::*;

const DELETE: &str = "DELETE **/users/*";
const RELEASE: &str = "DELETE **/users/*/personalinformation";
const SYNC: &str = "POST **/users/*/sync";

/// Loses the response to the next such request, which takes effect.
fn lose_the_response(stack: &Stack, request: &str) {
    let faults = stack.sunshine.faults();
    faults.add(Rule::new(request, Fault::Drop).times(1));
}

/// Loses the next such request.
fn lose(stack: &Stack, request: &str) {
    let faults = stack.sunshine.faults();
    faults.add(Rule::new(request, Fault::Reset).times(1));
}

#[tokio::test]
async fn a_user_who_came_after_a_delete_of_unknown_outcome_survives() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let user = stack.sunshine.add_user(holder());
    let held = stack.sunshine.traffic().hold(DELETE, 1, Point::Handled);
    lose_the_response(&stack, DELETE);
    let again = async {
        held.reached().await.unwrap();
        // Before the function learns anything, someone logs in with the old external id.
        let user = stack.sunshine.add_user(holder());
        stack.sunshine.add_conversation(&user.id, 3);
        held.release();
        user
    };
    let (report, again) = tokio::join!(stack.resolve(Some("delete")), again);
    assert_ne!(report["resolved"], 1, "{report}");
    let record = stack.drain_to_the_end().await;
    // Someone holds the email, and it is not the deleted user.
    assert_eq!(record["state"], "needs_review");
    assert_eq!(record["reason"], "holder_changed");
    assert!(stack.sunshine.user(&user.id).is_none());
    assert_eq!(stack.sunshine.user(&again.id).unwrap(), again);
    assert_eq!(stack.messages_of(&again.id), 3);
    assert_eq!(stack.changes(), [format!("DELETE /users/{}", user.id)]);
}

/// The outcome for the first user does not block: an operator decides about the new one.
#[tokio::test]
async fn a_new_holder_after_a_call_of_unknown_outcome_is_a_new_decision() {
    for remedy in ["delete", "release-email"] {
        let stack = Stack::start(&[("REMEDY", "delete")]).await;
        let user = stack.sunshine.add_user(holder());
        let held = stack.sunshine.traffic().hold("DELETE", 1, Point::Handled);
        lose_the_response(&stack, "DELETE");
        let newcomer = async {
            held.reached().await.unwrap();
            stack.sunshine.remove_user(&user.id);
            let newcomer = User {
                external_id: Some("newcomer".to_owned()),
                ..holder()
            };
            let newcomer = stack.sunshine.add_user(newcomer);
            stack.sunshine.add_conversation(&newcomer.id, 3);
            held.release();
            newcomer
        };
        let (_, newcomer) = tokio::join!(stack.resolve(Some(remedy)), newcomer);
        let record = stack.drain_to_the_end().await;
        assert_eq!(record["reason"], "holder_changed", "{record}");
        assert_eq!(stack.changes().len(), 1);

        let shown = stack.list("needs_review").await;
        assert_eq!(shown[0]["userId"], newcomer.id);
        // Nothing proves that the newcomer's external id became the caller's.
        let report = stack.approve(&shown[0], "delete").await;
        assert_eq!(outcome(&report), ("needs_review", Some("no_lineage")));
        assert_eq!(stack.changes().len(), 1);

        let shown = stack.list("needs_review").await;
        let report = stack.approve(&shown[0], "release-email").await;
        assert_eq!(outcome(&report), ("resolved", None), "{report}");
        let released = format!("DELETE /users/{}/personalinformation", newcomer.id);
        assert!(stack.changes().contains(&released));
        assert_eq!(stack.messages_of(&newcomer.id), 3);
        // The archive is the newcomer's own, and so are the restored fields.
        assert_eq!(stack.archived_lines("user").await[0]["id"], newcomer.id);
        let profile = stack.sunshine.user(&newcomer.id).unwrap().profile;
        assert_eq!(profile["givenName"], "Anna");
    }
}

/// This holds even if a claim says that its reassigned external id became the caller's.
#[tokio::test]
async fn a_delete_that_was_sent_to_one_user_is_never_applied_to_another() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let mut user = holder();
    user.identities.push(Identity::phone("+4712345678"));
    let user = stack.sunshine.add_user(user);
    stack.report_changed(OLD, NEW).await;
    assert_eq!(outcome(&stack.drain().await).0, "needs_review");
    let held = stack.sunshine.traffic().hold(DELETE, 1, Point::Handled);
    lose_the_response(&stack, DELETE);
    let again = async {
        held.reached().await.unwrap();
        let again = stack.sunshine.add_user(holder());
        held.release();
        again
    };
    let shown = stack.list("needs_review").await;
    let (_, again) = tokio::join!(stack.approve(&shown[0], "delete"), again);
    assert!(stack.sunshine.user(&user.id).is_none());
    let record = stack.drain_to_the_end().await;
    assert_eq!(record["reason"], "holder_changed", "{record}");
    for remedy in ["delete", "merge"] {
        let shown = stack.list("needs_review").await;
        let report = stack.approve(&shown[0], remedy).await;
        assert_eq!(outcome(&report).0, "needs_review", "{report}");
    }
    assert_eq!(stack.sunshine.user(&again.id).unwrap(), again);
    assert_eq!(stack.changes().len(), 1);
}

#[tokio::test]
async fn a_delete_whose_response_was_lost_is_recognised_as_done() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.add_user(holder());
    lose_the_response(&stack, DELETE);
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert_eq!(stack.changes().len(), 1);
}

/// The delete is lost, and whether the user is gone cannot be read.
#[tokio::test]
async fn a_malformed_response_does_not_show_that_a_user_is_gone() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let mut user = holder();
    user.identities.clear();
    let user = stack.sunshine.add_user(user);
    let held = stack.sunshine.traffic().hold(DELETE, 1, Point::Arrived);
    lose(&stack, DELETE);
    let read = format!("GET **/users/{}", user.id);
    let breaks = async {
        held.reached().await.unwrap();
        let malformed = Fault::answer(200, r#"{"user": {}}"#);
        stack
            .sunshine
            .faults()
            .add(Rule::new(read.as_str(), malformed));
        held.release();
    };
    let (report, ()) = tokio::join!(stack.resolve(Some("delete")), breaks);
    assert_eq!(report["deferred"], 1, "{report}");
    assert_eq!(stack.the_record()["state"], "confirming");
    assert!(stack.sunshine.user(&user.id).is_some());

    stack.sunshine.faults().clear();
    assert_eq!(stack.drain_to_the_end().await["reason"], "outcome_unknown");
}

#[tokio::test]
async fn a_lost_delete_is_sent_again_only_if_it_is_named_again() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.add_user(holder());
    lose(&stack, DELETE);
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("confirming", None), "{report}");
    let record = stack.drain_to_the_end().await;
    assert_eq!(record["state"], "needs_review");
    assert_eq!(record["reason"], "outcome_unknown");
    assert_eq!(stack.changes().len(), 1);
    let shown = stack.list("needs_review").await;
    stack.approve(&shown[0], "delete").await;
    assert_eq!(stack.drain_to_the_end().await["state"], "resolved");
    assert_eq!(stack.changes().len(), 2);
}

#[tokio::test]
async fn an_asynchronous_deletion_is_waited_for() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.set_behaviour(Behaviour {
        defer_deletions: true,
        ..Behaviour::default()
    });
    let user = stack.sunshine.add_user(holder());
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("confirming", None), "{report}");
    assert_eq!(outcome(&stack.drain().await), ("confirming", None));
    assert_eq!(stack.sunshine.complete_deletions(), [user.id]);
    stack.make_due();
    assert_eq!(outcome(&stack.drain().await), ("resolved", None));
    assert_eq!(stack.changes().len(), 1);
}

#[tokio::test]
async fn a_deletion_that_never_happens_needs_review_and_is_not_sent_again() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.set_behaviour(Behaviour {
        defer_deletions: true,
        ..Behaviour::default()
    });
    stack.sunshine.add_user(holder());
    stack.resolve(Some("delete")).await;
    assert_eq!(stack.the_record()["state"], "confirming");
    let id = stack.the_record()["conflictId"]
        .as_str()
        .unwrap()
        .to_owned();
    let a_day_ago = now() - 24 * 60 * 60 * 1000;
    stack.edit(&id, |record| record["sentAt"] = a_day_ago.into());
    let record = stack.drain_to_the_end().await;
    assert_eq!(record["state"], "needs_review");
    assert_eq!(record["reason"], "email_still_held");
    assert_eq!(stack.changes().len(), 1);
}

#[tokio::test]
async fn a_404_to_our_own_call_means_done() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let user = stack.sunshine.add_user(holder());
    let held = stack.sunshine.traffic().hold(DELETE, 1, Point::Arrived);
    let removed = async {
        held.reached().await.unwrap();
        stack.sunshine.remove_user(&user.id);
        held.release();
    };
    let (report, ()) = tokio::join!(stack.resolve(Some("delete")), removed);
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
}

#[tokio::test]
async fn after_a_release_whose_response_was_lost_the_fields_are_restored() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    let user = stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    lose_the_response(&stack, RELEASE);
    lose_the_response(&stack, "PATCH");
    stack.drain().await;
    assert_eq!(stack.drain_to_the_end().await["state"], "resolved");
    let released = stack.sunshine.user(&user.id).unwrap();
    assert_eq!(released.metadata, user.metadata);
    assert_eq!(released.profile["givenName"], "Anna");
    assert_eq!(stack.sunshine.traffic().matching(RELEASE).len(), 1);
}

#[tokio::test]
async fn a_lost_release_or_merge_is_sent_again() {
    for (remedy, request) in [("release-email", RELEASE), ("merge", SYNC)] {
        let stack = Stack::start(&[("REMEDY", remedy), TRUSTED]).await;
        let user = stack.sunshine.add_user(linked_holder());
        stack.sunshine.add_conversation(&user.id, 3);
        stack.sunshine.set_core_user(ZENDESK_ID, core_user());
        stack.support_user(ZENDESK_ID, NEW, EMAIL);
        stack.report_changed(OLD, NEW).await;
        lose(&stack, request);
        assert_eq!(outcome(&stack.drain().await), ("confirming", None));
        let record = stack.drain_to_the_end().await;
        assert_eq!(record["state"], "resolved", "{record}");
        assert_eq!(stack.sunshine.traffic().matching(request).len(), 2);
        assert_eq!(stack.messages_of(&user.id), 3);
    }
}

#[tokio::test]
async fn a_merge_whose_response_was_lost_is_recognised_as_done() {
    let stack = Stack::start(&[("REMEDY", "merge"), TRUSTED]).await;
    let user = stack.sunshine.add_user(linked_holder());
    stack.sunshine.add_conversation(&user.id, 3);
    stack.sunshine.set_core_user(ZENDESK_ID, core_user());
    stack.support_user(ZENDESK_ID, NEW, EMAIL);
    stack.report_changed(OLD, NEW).await;
    lose_the_response(&stack, SYNC);
    assert_eq!(outcome(&stack.drain().await), ("resolved", None));
    assert_eq!(stack.changes().len(), 1);
    assert_eq!(stack.messages_of(&user.id), 3);
}

/// `personalinformation` may leave the identity; then an operator applies a stronger remedy.
#[tokio::test]
async fn an_operator_may_delete_after_a_release_that_did_not_resolve() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    stack.sunshine.set_behaviour(Behaviour {
        keep_identities: true,
        ..Behaviour::default()
    });
    let user = stack.sunshine.add_user(holder());
    stack.sunshine.add_conversation(&user.id, 3);
    stack.resolve(Some("release-email")).await;
    let record = stack.drain_to_the_end().await;
    assert_eq!(record["reason"], "email_still_held", "{record}");
    assert_eq!(
        stack.sunshine.user(&user.id).unwrap().metadata,
        user.metadata
    );

    let shown = stack.list("needs_review").await;
    stack.approve(&shown[0], "delete").await;
    let record = stack.drain_to_the_end().await;
    assert_eq!(record["state"], "resolved", "{record}");
    assert!(stack.sunshine.user(&user.id).is_none());
    assert_eq!(stack.archived_lines("messages").await.len(), 3);
}
