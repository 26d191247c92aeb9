//! The content of the archive before a remedy; without an archive, nothing is touched.

use std::collections::BTreeSet;

use super::*;

/// A stack that allows everything, and a user with a client and a conversation.
async fn with_history(messages: usize, variables: &[(&str, &str)]) -> (Stack, User, String) {
    let stack = Stack::start(&[&[("REMEDY", "delete")], variables].concat()).await;
    let user = stack.sunshine.add_user(holder());
    stack.sunshine.add_client(&user.id, Client::sdk());
    let conversation = stack.sunshine.add_conversation(&user.id, messages).id;
    (stack, user, conversation)
}

fn ids(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().map(|it| it["id"].as_str().unwrap()).collect()
}

/// Checks that nothing in the archive was written twice, and that no name in it identifies a user.
fn assert_written_once(stack: &Stack) {
    let requests = stack.aws.requests();
    let puts = requests
        .iter()
        .filter(|it| it.service == Service::S3 && it.operation == "PUT");
    let mut paths = BTreeSet::new();
    for put in puts {
        assert!(paths.insert(&put.path), "{} was written twice", put.path);
        let names = [OLD, NEW, EMAIL, "anna"];
        let tail = put.path.rsplit('/').next().unwrap();
        assert!(names.iter().all(|it| !tail.contains(it)), "{}", put.path);
    }
}

#[tokio::test]
async fn a_release_archives_the_user_and_its_clients() {
    let (stack, user, _) = with_history(3, &[("REMEDY", "release-email")]).await;
    stack.report(NEW, EMAIL).await;
    assert_eq!(outcome(&stack.drain().await), ("resolved", None));
    let mut archived = stack.archived_lines("user").await;
    assert_eq!(archived.remove(0), json!(user));
    let clients = stack.archived_lines("clients").await;
    assert_eq!(clients.len(), 1);
    assert_eq!(clients[0]["info"]["browserLanguage"], "en-US");
    assert_eq!(stack.archived_lines("messages").await.len(), 0);
    assert_written_once(&stack);
}

#[tokio::test]
async fn a_delete_archives_250_messages_that_page_backwards() {
    let (stack, user, conversation) = with_history(250, &[]).await;
    for number in 0..3 {
        stack.sunshine.add_conversation(&user.id, number);
    }
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert_eq!(stack.changes(), [format!("DELETE /users/{}", user.id)]);
    let messages = stack.archived_lines("messages").await;
    assert_eq!((messages.len(), ids(&messages).len()), (253, 253));
    let conversations = stack.archived_lines("conversations").await;
    assert_eq!(conversations.len(), 4);
    assert!(ids(&conversations).contains(conversation.as_str()));
    assert_eq!(stack.archived_lines("clients").await.len(), 1);
    assert_written_once(&stack);
}

#[tokio::test]
async fn a_message_between_archive_and_delete_is_archived_before_the_delete() {
    let (stack, user, conversation) = with_history(250, &[]).await;
    // The evidence is read again when the archive is complete.
    let hold = stack
        .sunshine
        .traffic()
        .hold("GET **/users", 2, Point::Arrived);
    let meanwhile = async {
        hold.reached().await.unwrap();
        for number in 0..120 {
            let text = format!("late {number}");
            stack.sunshine.post_message(&conversation, &text).unwrap();
        }
        stack.sunshine.add_conversation(&user.id, 130);
        let renamed = User {
            profile: json!({"givenName": "Late"}).as_object().unwrap().clone(),
            ..user.clone()
        };
        stack.sunshine.add_user(renamed);
        hold.release();
    };
    let (report, ()) = tokio::join!(stack.resolve(Some("delete")), meanwhile);
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    assert!(stack.sunshine.user(&user.id).is_none());
    let messages = stack.archived_lines("messages").await;
    assert_eq!(ids(&messages).len(), 250 + 120 + 130);
    assert_eq!(stack.archived_lines("conversations").await.len(), 2);
    let users = stack.archived_lines("user").await;
    assert_eq!(users[1]["profile"]["givenName"], "Late");
    assert_written_once(&stack);
}

/// Reading every conversation once more takes time, in which the evidence may change.
#[tokio::test]
async fn the_evidence_is_read_again_after_late_messages_were_archived() {
    let (stack, user, conversation) = with_history(3, &[]).await;
    // The first read is for the archive, the second finds new messages.
    let hold = stack
        .sunshine
        .traffic()
        .hold("GET **/messages", 2, Point::Arrived);
    let meanwhile = async {
        hold.reached().await.unwrap();
        stack.sunshine.post_message(&conversation, "late").unwrap();
        stack.sunshine.add_user(User {
            external_id: Some("another".to_owned()),
            ..holder()
        });
        hold.release();
    };
    let (report, ()) = tokio::join!(stack.resolve(Some("delete")), meanwhile);
    assert_eq!(outcome(&report), ("needs_review", Some("several_users")));
    assert!(stack.sunshine.user(&user.id).is_some());
    stack.assert_untouched();
}

#[tokio::test]
async fn without_an_archive_nothing_is_touched() {
    let denied = || AwsFault::error(Service::S3, 403, "AccessDenied");
    let shortened = AwsFault::new(Service::S3, Effect::Shorten);
    for fault in [denied().on("PUT"), denied().on("GET"), shortened.on("GET")] {
        let (stack, user, _) = with_history(3, &[]).await;
        stack.aws.set_faults([fault.clone()]);
        for remedy in ["delete", "release-email"] {
            let report = stack.resolve(Some(remedy)).await;
            assert_eq!(outcome(&report), ("pending", None), "{report} {fault:?}");
            assert_eq!(report["deferred"], 1);
        }
        stack.assert_untouched();

        // When the archive works again, the work continues.
        stack.aws.set_faults([]);
        let report = stack.resolve(Some("delete")).await;
        assert_eq!(outcome(&report), ("resolved", None), "{report} {fault:?}");
        assert!(stack.sunshine.user(&user.id).is_none());
        assert_eq!(stack.archived_lines("messages").await.len(), 3);
        assert_written_once(&stack);
    }
}

#[tokio::test]
async fn thirty_thousand_messages_take_several_runs_and_little_memory() {
    let rate = [("SUNSHINE_REQUESTS_PER_SECOND", "30")];
    let (stack, user, _) = with_history(30_000, &rate).await;
    stack
        .invoke(
            json!({"action": "resolve", "previousExternalId": "none", "currentExternalId": NEW, "by": "ada"}),
        )
        .await;
    let before = stack.clean.peak_memory();

    // At 30 requests a second 300 pages take more than eight seconds.
    let mut runs = 0;
    loop {
        runs += 1;
        let report = stack
            .invoke_within(resolve(Some("delete")), Duration::from_secs(8))
            .await;
        // On a busy machine a run may find no time to record the conflict, or to release its lease,
        // which ends at its deadline. The next run resumes the archive all the same.
        let stopped = &report["stoppedBecause"];
        if stopped == "another_run" || (stopped == "out_of_time" && report["examined"] == 0) {
            assert!(runs < 100);
            continue;
        }
        if outcome(&report) == ("resolved", None) {
            break;
        }
        assert_eq!(outcome(&report), ("pending", None), "{report}");
        assert_eq!(report["stoppedBecause"], "out_of_time");
        assert!(stack.sunshine.user(&user.id).is_some());
        assert!(runs < 100);
    }
    let growth = stack.clean.peak_memory() - before;
    println!(
        "{runs} runs; memory grew by {} KiB from {} KiB",
        growth / 1024,
        before / 1024
    );
    assert!(runs > 1);
    assert!(growth < 16 << 20, "{growth} bytes more");

    let messages = stack.archived_lines("messages").await;
    assert_eq!(ids(&messages).len(), 30_000);
    let objects = stack.aws.objects(BUCKET).await;
    let pages = objects.iter().filter(|it| it.contains("/messages-"));
    assert!(pages.count() >= 300);
    // It resumed where it stopped: each page was read once, except for the pages cut off by the end
    // of a run, and the newest page, which is read again before a delete.
    let reads = stack.sunshine.traffic().matching("GET **/messages").len();
    assert!(reads <= 301 + 2 * runs, "{reads} in {runs} runs");
    assert_written_once(&stack);
}

/// The progress of the archive of so many conversations does not fit into the record.
#[tokio::test]
async fn an_archive_whose_progress_is_too_long_for_the_record_resumes_where_it_stopped() {
    const CONVERSATIONS: usize = 150;
    let (stack, user, _) = with_history(100, &[]).await;
    for _ in 1..CONVERSATIONS {
        stack.sunshine.add_conversation(&user.id, 100);
    }
    let pages = "GET **/messages";
    let traffic = stack.sunshine.traffic();
    // Here a run is too short on any machine.
    let hold = traffic.hold(pages, 120, Point::Arrived);
    let mut runs = 0;
    loop {
        runs += 1;
        let report = stack
            .invoke_within(resolve(Some("delete")), Duration::from_secs(8))
            .await;
        assert_eq!(outcome(&report), ("pending", None), "{report}");
        let progress = stack.the_record()["archiveProgress"].to_string();
        if progress.contains("/progress-") {
            break;
        }
        assert!(runs < 20);
    }
    hold.release();
    let report = stack.resolve(Some("delete")).await;
    assert_eq!(outcome(&report), ("resolved", None), "{report}");
    let messages = stack.archived_lines("messages").await;
    assert_eq!(ids(&messages).len(), CONVERSATIONS * 100);
    // Each page was read once for the archive, except for the pages cut off by the end of a run,
    // and once before the delete.
    let reads = traffic.matching(pages).len();
    println!("{runs} runs, {reads} pages read");
    assert!(reads <= 2 * CONVERSATIONS + 2 * runs, "{reads}");
    assert_written_once(&stack);
}
