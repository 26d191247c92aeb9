//! A release may take an email only from a user who has gone, for the person who owns the email.

use super::*;

const RELEASE: (&str, &str) = ("REMEDY", "release-email");

/// The holder was seen after the first report, so it is an active person.
#[tokio::test]
async fn one_report_takes_nothing_from_a_holder_who_is_active() {
    let stack = Stack::start(&[RELEASE]).await;
    let victim = stack.sunshine.add_user(holder());
    let seen_at = |time: &str| stack.sunshine.add_client(&victim.id, Client::seen_at(time));
    seen_at(LONG_AGO);
    seen_at(AFTER_THE_REPORT);
    stack.report("mallory", EMAIL).await;
    stack.drain().await;
    assert_state(&stack, "needs_review", Some("holder_active"));
    stack.assert_untouched();
    assert_unchanged(&stack, &victim);
}

#[tokio::test]
async fn the_email_of_a_holder_not_seen_since_the_report_is_released() {
    let stack = Stack::start(&[RELEASE]).await;
    let left_over = stack.sunshine.add_user(holder());
    let client = Client::seen_at(LONG_AGO);
    stack.sunshine.add_client(&left_over.id, client);
    stack.sunshine.add_client(&left_over.id, Client::sdk());
    stack.report(NEW, EMAIL).await;
    stack.drain().await;
    assert_state(&stack, "resolved", None);
}

/// During the wait, the holder may be seen.
#[tokio::test]
async fn a_release_without_lineage_waits_and_a_holder_who_comes_back_keeps_the_email() {
    let stack = Stack::start(&[RELEASE, ("RELEASE_AFTER_SECONDS", "2")]).await;
    let victim = stack.sunshine.add_user(holder());
    stack.report("mallory", EMAIL).await;
    stack.make_due();
    let report = stack.drain().await;
    assert_eq!(report["resolved"], 0, "{report}");
    assert_eq!(stack.the_record()["endedAt"], Value::Null);
    stack.assert_untouched();
    let client = Client::seen_at(AFTER_THE_REPORT);
    stack.sunshine.add_client(&victim.id, client);
    tokio::time::sleep(Duration::from_secs(3)).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "needs_review", Some("holder_active"));
    stack.assert_untouched();
}

#[tokio::test]
async fn a_release_without_lineage_is_taken_once_the_wait_is_over() {
    let stack = Stack::start(&[RELEASE, ("RELEASE_AFTER_SECONDS", "2")]).await;
    stack.sunshine.add_user(holder());
    stack.report(NEW, EMAIL).await;
    stack.drain().await;
    stack.assert_untouched();
    tokio::time::sleep(Duration::from_secs(3)).await;
    stack.drain_to_the_end().await;
    assert_state(&stack, "resolved", None);
}

/// `personalinformation` removes every identity, and one disputed email is not worth the others.
#[tokio::test]
async fn a_holder_with_another_identity_needs_review() {
    let others = [
        Identity::email("anna.work@example.com"),
        Identity::phone("+4712345678"),
    ];
    for (other, has_lineage) in others
        .into_iter()
        .flat_map(|it| [(it.clone(), false), (it, true)])
    {
        let stack = Stack::start(&[RELEASE]).await;
        let mut victim = holder();
        victim.identities.push(other);
        let victim = stack.sunshine.add_user(victim);
        if has_lineage {
            stack.report_changed_an_hour_ago().await;
        } else {
            stack.report(NEW, EMAIL).await;
        }
        stack.drain().await;
        assert_state(&stack, "needs_review", Some("other_identities"));
        stack.assert_untouched();
        assert_unchanged(&stack, &victim);
    }
}

/// An event does not say whether anyone verified the email.
#[tokio::test]
async fn an_event_alone_releases_nothing() {
    let stack = Stack::start(&[RELEASE, ("TRUST_WEBHOOK_LINEAGE", "true")]).await;
    let zendesk = Zendesk::beside(&stack).await;
    let victim = stack.sunshine.add_user(holder());
    zendesk.email_changed(0, "mallory", EMAIL).await;
    stack.drain().await;
    assert_state(&stack, "planned", Some("not_claimed"));
    stack.make_due();
    stack.drain().await;
    stack.assert_untouched();
    assert_unchanged(&stack, &victim);
}

/// Support's external ids belong to another system: the event is about the holder itself.
#[tokio::test]
async fn an_event_about_ids_of_another_namespace_takes_nothing_from_its_own_user() {
    for kind in ["external id", "email"] {
        let stack = Stack::start(&[RELEASE, ("TRUST_WEBHOOK_LINEAGE", "true")]).await;
        let zendesk = Zendesk::beside(&stack).await;
        let sue = stack.sunshine.add_user(linked_holder());
        if kind == "email" {
            zendesk.email_changed(0, "CRM-9", EMAIL).await;
        } else {
            zendesk.external_id_changed(0, "CRM-8", "CRM-9").await;
        }
        stack.drain().await;
        assert_state(&stack, "planned", Some("not_claimed"));
        stack.assert_untouched();
        assert_unchanged(&stack, &sue);
    }
}

/// A report by the same external id turns an event's check into a claim.
#[tokio::test]
async fn a_report_after_an_event_is_worked_on() {
    let stack = Stack::start(&[RELEASE]).await;
    let zendesk = Zendesk::beside(&stack).await;
    stack.sunshine.add_user(holder());
    zendesk.external_id_changed(60, OLD, NEW).await;
    stack.drain().await;
    assert_state(&stack, "planned", Some("not_claimed"));
    stack.report(NEW, EMAIL).await;
    stack.drain().await;
    assert_state(&stack, "resolved", None);
    assert_eq!(stack.the_record()["remedy"], "release-email");
}

/// Two people claim the email, even if the first claim is old.
#[tokio::test]
async fn a_dispute_is_not_forgotten() {
    let stack = Stack::start(&[RELEASE]).await;
    let victim = stack.sunshine.add_user(holder());
    let id = stack.report("mallory", EMAIL).await;
    stack.report("someone", EMAIL).await;
    stack.drain().await;
    assert_state(&stack, "needs_review", Some("several_callers"));
    // Eighty days later one of them reports again: the record must outlive that report.
    stack.age(&id, 80 * DAY);
    let expires_at = || stack.record(&id)["expiresAt"].as_u64().unwrap() * 1000;
    assert!(expires_at() < now() + 11 * DAY);
    stack.report("mallory", EMAIL).await;
    assert!(expires_at() > now() + 89 * DAY);
    stack.drain().await;
    assert_state(&stack, "needs_review", Some("several_callers"));
    assert_unchanged(&stack, &victim);
}
