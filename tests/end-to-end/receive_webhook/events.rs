//! Each event has its effect, and only once.

use std::time::Duration;

use super::*;

const IDENTITY_CHANGED: &str = "user.identity_changed";

fn email_changed(id: &str, detail: &Value, current: &Value) -> Value {
    let change = json!({"previous": null, "current": current});
    webhook::event(IDENTITY_CHANGED, id, &seconds_from_now(0), detail, &change)
}

#[tokio::test]
async fn a_changed_external_id_is_recorded_with_a_conflict_to_check() {
    let stack = Stack::start(&[]).await;
    stack.deliver(&changed("e", "1234", "123456")).await;
    assert!(stack.counted("ExternalIdChanged"));
    assert_eq!(stack.claimants(EMAIL), ids(["123456"]));
    let items = stack.recorded();
    let conflict = items.iter().find(|it| it["sk"] == "conflict").unwrap();
    assert_eq!(
        (&conflict["state"], &conflict["dueShard"]),
        (&json!("pending"), &json!("1"))
    );
    let changes = items.iter().filter(|it| it["sk"] == "changes");
    assert_eq!(changes.count(), 2);
    let user = items.iter().find(|it| it["sk"] == "user").unwrap();
    assert_eq!(user["externalId"], "123456");
    // A key never reveals its subject.
    for item in stack.aws.items(TABLE) {
        let key = format!("{} {}", item["pk"], item["sk"]);
        assert!(!key.contains("1234") && !key.contains("canary"), "{key}");
    }
}

#[tokio::test]
async fn ids_are_numbers_or_strings_and_the_prefix_has_two_spellings() {
    for (number, slash) in [(false, false), (false, true), (true, false), (true, true)] {
        let stack = Stack::start(&[]).await;
        let mut event = changed("7", "1234", "123456");
        if number {
            event["id"] = json!(7);
            event["event"] = json!({"previous": 1234, "current": 123_456});
            event["detail"]["external_id"] = json!(123_456);
        }
        if slash {
            event["type"] = json!("zen:event-type/user.external_id_changed");
        }
        stack.deliver(&event).await;
        assert_eq!(stack.claimants(EMAIL), ids(["123456"]));
        assert_eq!(stack.recorded().len(), 5, "{event}");
        stack.deliver(&changed("7", "1234", "123456")).await;
        assert!(stack.counted("Replayed"), "the same id, spelt either way");
    }
}

#[tokio::test]
async fn without_an_email_the_lineage_alone_is_recorded() {
    for email in [Value::Null, json!(""), json!(7)] {
        let stack = Stack::start(&[]).await;
        let mut event = changed("e", "1234", "123456");
        event["detail"]["email"] = email;
        stack.deliver(&event).await;
        let recorded = stack.recorded();
        let kinds: BTreeSet<_> = recorded.iter().map(|it| it["sk"].as_str()).collect();
        assert_eq!(kinds, BTreeSet::from([Some("changes"), Some("user")]));
    }
}

#[tokio::test]
async fn an_email_is_the_same_in_either_case() {
    let stack = Stack::start(&[]).await;
    let mut event = changed("e", "1234", "123456");
    event["detail"]["email"] = json!(format!(" {} ", EMAIL.to_uppercase()));
    stack.deliver(&event).await;
    assert_eq!(stack.claimants(EMAIL), ids(["123456"]));
}

#[tokio::test]
async fn a_changed_primary_email_is_a_conflict_to_check() {
    let stack = Stack::start(&[]).await;
    let user = json!({"external_id": 123_456, "email": "before@example.com"});
    let current = json!({"id": "1", "type": "email", "value": EMAIL, "primary": true});
    stack.deliver(&email_changed("e", &user, &current)).await;
    assert!(stack.counted("EmailChanged"));
    assert_eq!(stack.claimants(EMAIL), ids(["123456"]));
    assert_eq!(stack.recorded().len(), 3);
}

/// The first email of a user comes by another event, whose field has two names in public clients.
#[tokio::test]
async fn a_created_primary_email_is_a_conflict_to_check() {
    let user = json!({"external_id": 123_456});
    let identity = |primary: bool, kind: &str| json!({"id": "1", "type": kind, "value": EMAIL, "primary": primary});
    for field in ["current", "identity"] {
        let stack = Stack::start(&[]).await;
        for (id, identity, count) in [
            ("a", identity(false, "email"), 0),
            ("b", identity(true, "phone_number"), 0),
            ("c", identity(true, "email"), 1),
        ] {
            let (now, change) = (seconds_from_now(0), json!({field: identity}));
            let event = webhook::event("user.identity_created", id, &now, &user, &change);
            stack.deliver(&event).await;
            assert_eq!(stack.claimants(EMAIL).len(), count, "{event}");
        }
        assert!(stack.counted("EmailChanged"));
        assert_eq!(stack.claimants(EMAIL), ids(["123456"]));
    }
}

/// Events arrive in any order, and the latest one determines the user of an email.
#[tokio::test]
async fn an_older_event_requests_no_check_of_an_email_that_has_changed_since() {
    let changed_to = |id: &str, seconds: i64, external_id: &str, email: &str| {
        let user = json!({"external_id": external_id, "email": email});
        let current = json!({"id": "1", "type": "email", "value": email, "primary": true});
        let mut event = email_changed(id, &user, &current);
        event["time"] = json!(seconds_from_now(seconds));
        event
    };
    let stack = Stack::start(&[]).await;
    stack
        .deliver(&changed_to("b", -30, "1", "new@example.com"))
        .await;
    stack.deliver(&changed_to("a", -60, "1", EMAIL)).await;
    assert_eq!(stack.claimants("new@example.com"), ids(["1"]));
    assert_eq!(stack.claimants(EMAIL), ids([]));

    // The same holds if the external id was changed in between, or by the late event.
    stack.deliver(&changed("c", "1", "2")).await;
    stack
        .deliver(&changed_to("d", -45, "1", "late@example.com"))
        .await;
    assert_eq!(stack.claimants("late@example.com"), ids([]));
    let late = ("1", "2");
    let late = external_id_changed("e", &seconds_from_now(-20), "other@example.com", late);
    stack.deliver(&late).await;
    assert_eq!(stack.claimants("other@example.com"), ids([]));

    // Events of the same moment, or about another user, all count.
    let moment = seconds_from_now(-10);
    for (id, external_id, email) in [
        ("f", "3", "f@example.com"),
        ("g", "3", "g@example.com"),
        ("h", "4", "h@example.com"),
    ] {
        let mut event = changed_to(id, 0, external_id, email);
        event["time"] = json!(moment);
        stack.deliver(&event).await;
        assert_eq!(stack.claimants(email), ids([external_id]));
    }
}

/// No source says which user of a merge is gone, so both are recorded in the same way.
#[tokio::test]
async fn a_merge_is_recorded_of_both_users() {
    let stack = Stack::start(&[]).await;
    let merged = |id: &str, of: &Value, with: &Value, time: i64| {
        let detail = json!({"id": of});
        let change = json!({"user": {"id": with}});
        webhook::event("user.merged", id, &seconds_from_now(time), &detail, &change)
    };
    stack
        .deliver(&merged("a", &json!(10), &json!("11"), 0))
        .await;
    assert!(stack.counted("UserMerged"));
    let recorded = stack.recorded();
    let times: Vec<_> = recorded.iter().map(|it| &it["mergedAt"]).collect();
    assert_eq!(times.len(), 2);
    assert!(times[0].is_u64() && times[0] == times[1], "{recorded:?}");
    stack
        .deliver(&merged("b", &json!("11"), &json!("10"), -60))
        .await;
    assert_eq!(
        stack.recorded(),
        recorded,
        "the older event replaced the newer"
    );
}

/// A user who is now an agent, or no longer has an external id, states nothing about an end user,
/// but the known external id is no longer true.
#[tokio::test]
async fn an_event_of_an_agent_revokes_the_known_external_id() {
    for change in ["agent", "gone", "deleted", "email of no one"] {
        let stack = Stack::start(&[]).await;
        stack.deliver(&changed("e", "1234", "123456")).await;
        let mut event = changed("f", "123456", "9001");
        if change.starts_with("email") {
            let email = json!({"type": "email", "value": "x@example.com", "primary": true});
            event = email_changed("f", &json!({"external_id": "123456"}), &email);
        }
        event["time"] = json!(seconds_from_now(1));
        match change {
            "agent" => event["detail"]["role"] = json!("agent"),
            "email of no one" => event["detail"]["external_id"] = Value::Null,
            "gone" => event["event"]["current"] = Value::Null,
            _ => event["type"] = json!("zen:event-type:user.deleted"),
        }
        stack.deliver(&event).await;
        assert!(stack.counted("Ignored"));
        let recorded = stack.recorded();
        let user = recorded.iter().find(|it| it["sk"] == "user").unwrap();
        assert!(user["externalId"].is_null(), "{user}");
        assert_eq!(recorded.len(), 5);
    }
}

#[tokio::test]
async fn an_irrelevant_event_is_accepted_without_effect() {
    let stack = Stack::start(&[]).await;
    let user = json!({"external_id": "1", "email": EMAIL});
    let with = |name: &str, value: Value| {
        let mut event = changed("e", "1234", "123456");
        *event.pointer_mut(name).unwrap() = value;
        event
    };
    let secondary = json!({"type": "email", "value": EMAIL, "primary": false});
    let phone = json!({"type": "phone_number", "value": "+4712345678", "primary": true});
    let mut events = vec![
        with("/type", json!("zen:event-type:user.created")),
        with("/type", json!("zen:event-type:user.deleted")),
        with("/type", json!("zen:event-type:ticket.created")),
        with("/type", json!("something else")),
        with("/detail/role", json!("agent")),
        with("/detail/role", json!("admin")),
        with("/detail/role", Value::Null),
        with("/event/current", Value::Null),
        with("/event/current", json!("..")),
        with("/event/current", json!("a\nb")),
        with("/event/current", json!("a".repeat(256))),
        with("/event", json!([])),
        with("/detail", json!("none")),
        email_changed("e", &user, &secondary),
        email_changed("e", &user, &phone),
        email_changed("e", &json!({"external_id": null}), &secondary),
    ];
    for (number, event) in events.iter_mut().enumerate() {
        event["id"] = json!(number);
        stack.deliver(event).await;
        assert!(stack.counted("Ignored"), "{event}");
    }
    assert_eq!(stack.recorded(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_replay_has_no_effect_for_a_day() {
    let stack = Stack::start(&[]).await;
    let event = changed("e", "1234", "123456");
    stack.deliver(&event).await;
    let before = stack.aws.items(TABLE);
    for _ in 0..3 {
        stack.deliver(&event).await;
        assert!(stack.counted("Replayed"));
    }
    // Its id is signed, so anything else with that id is a replay too.
    stack.deliver(&changed("e", "1234", "999")).await;
    assert_eq!(stack.aws.items(TABLE), before);

    // After a day the id is forgotten. Then the same content only counts as stated again.
    let mut seen = stack.aws.items(TABLE);
    seen.retain(|item| item["sk"] == "seen");
    let expires = seen[0]["expiresAt"].as_u64().unwrap();
    let time = seen[0]["time"].as_u64().unwrap();
    assert_eq!(expires - time / 1000, 24 * 60 * 60);
    seen[0]["time"] = json!(time - 24 * 60 * 60 * 1000);
    stack.aws.put_item(TABLE, &seen[0]);
    let stated = || {
        let mut items = stack.recorded();
        for item in items.iter_mut().filter(|it| it["claims"].is_array()) {
            item["claims"][0]["lastAt"] = Value::Null;
            for field in ["version", "updatedAt", "expiresAt", "writeId"] {
                item[field] = Value::Null;
            }
        }
        items
    };
    let before = stated();
    stack.deliver(&event).await;
    assert!(stack.counted("ExternalIdChanged"));
    assert_eq!(stated(), before);
}

#[tokio::test]
async fn an_event_that_cannot_be_recorded_is_delivered_again() {
    let broken = |operation: &str| {
        Fault::error(Service::DynamoDb, 400, "AccessDeniedException").on(operation)
    };
    let lost = Fault::new(Service::DynamoDb, Effect::DropRequest).on("TransactWriteItems");
    let user = json!({"external_id": 123_456});
    let current = json!({"id": "1", "type": "email", "value": EMAIL, "primary": true});
    let email = email_changed("e", &user, &current);
    for (fault, event) in [
        (broken("TransactWriteItems"), changed("e", "1234", "123456")),
        (lost, changed("e", "1234", "123456")),
        (broken("GetItem"), email.clone()),
        (broken("TransactWriteItems"), email),
    ] {
        let stack = Stack::start(&[]).await;
        stack.aws.set_faults([fault]);
        let response = stack.http(&signed(&event)).await;
        assert_problem(&response, 503, "upstream_busy");
        assert_eq!(response.header("retry-after"), Some("5"));
        // The table never contains a part of an event.
        assert_eq!(stack.aws.items(TABLE), [Value::Null; 0]);
        stack.aws.set_faults([]);
        stack.deliver(&event).await;
        assert!(!stack.counted("Replayed"));
        assert_eq!(stack.claimants(EMAIL), ids(["123456"]));
    }
}

/// The SDK retries the transaction with the same token.
#[tokio::test]
async fn a_lost_response_of_the_table_does_not_record_an_event_twice() {
    let stack = Stack::start(&[]).await;
    let lost = Fault::new(Service::DynamoDb, Effect::DropResponse).on("TransactWriteItems");
    stack.aws.set_faults([lost.times(1)]);
    stack.deliver(&changed("e", "1234", "123456")).await;
    assert_eq!(stack.aws.count("TransactWriteItems"), 2);
    assert!(stack.counted("ExternalIdChanged"));
    let recorded = stack.recorded();
    assert!(
        recorded
            .iter()
            .all(|it| it["version"].is_null() || it["version"] == 1)
    );
}

/// Zendesk hangs up after about ten seconds, and retries a 503 only with `Retry-After`.
#[tokio::test]
async fn the_response_comes_within_four_seconds_whatever_hangs() {
    let user = json!({"external_id": 123_456});
    let current = json!({"id": "1", "type": "email", "value": EMAIL, "primary": true});
    let email = email_changed("e", &user, &current);
    for (operation, event) in [
        ("TransactWriteItems", changed("e", "1234", "123456")),
        ("GetItem", email),
    ] {
        let stack = Stack::start(&[]).await;
        let hang = Fault::new(Service::DynamoDb, Effect::Delay).on(operation);
        stack.aws.set_faults([hang.after(Duration::from_mins(1))]);
        let began = std::time::Instant::now();
        let response = stack.http(&signed(&event)).await;
        assert!(began.elapsed() < Duration::from_secs(4), "{operation}");
        assert_problem(&response, 503, "upstream_busy");
        assert_eq!(response.header("retry-after"), Some("5"));
        stack.aws.set_faults([]);
        stack.deliver(&event).await;
        assert!(!stack.counted("Replayed"));
    }
}

/// The invocation's own deadline counts if it is earlier.
#[tokio::test]
async fn the_response_comes_before_the_invocation_ends() {
    let stack = Stack::start(&[]).await;
    let event = changed("e", "1234", "123456");
    let hang = Fault::new(Service::DynamoDb, Effect::Delay).on("TransactWriteItems");
    stack.aws.set_faults([hang.after(Duration::from_mins(1))]);
    let delivery = signed(&event).api_gateway();
    let response = stack
        .function
        .invoke_within(&delivery, Duration::from_secs(2));
    let response = HttpResponse::new(response.await.unwrap());
    assert_problem(&response, 503, "upstream_busy");
    assert_eq!(response.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn a_body_has_up_to_16_kib() {
    let stack = Stack::start(&[]).await;
    let mut event = changed("e", "1234", "123456");
    event["padding"] = json!("");
    let room = 16 * 1024 - event.to_string().len();
    event["padding"] = json!("a".repeat(room));
    stack.deliver(&event).await;
    assert_eq!(stack.claimants(EMAIL), ids(["123456"]));
    event["padding"] = json!("a".repeat(room + 1));
    let response = stack.http(&signed(&event)).await;
    assert_problem(&response, 413, "payload_too_large");
}

#[tokio::test]
async fn a_signed_body_that_is_not_an_event_is_a_bad_request() {
    let stack = Stack::start(&[]).await;
    for body in [
        "",
        "{}",
        "null",
        "[1]",
        "{",
        "\u{0}",
        r#"{"type":"x","id":"1","time":"soon"}"#,
    ] {
        let response = stack.http(&signed_body(body)).await;
        assert_problem(&response, 400, "invalid_request");
    }
}
