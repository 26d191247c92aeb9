//! Ids that would lead a careless client astray.

use super::*;

/// Hostile external ids, each with whether the v2 API could accept it at all.
fn external_ids() -> Vec<(String, bool)> {
    [
        ("..", false),
        (".", false),
        ("", false),
        ("a\0b", false),
        ("12\r34", false),
        ("12\n34", false),
        ("12\t34", false),
        ("%2e%2e", true),
        ("%2E%2e%2fusers", true),
        ("a/b", true),
        ("../..", true),
        ("a\\..\\b", true),
        ("..;", true),
        ("?a=b#c", true),
        (" ", true),
        ("67a11490f0305f4a391e9f8a", true),
        ("\u{4e16}\u{754c}", true),
        ("\u{ff0e}\u{ff0e}", true),
        ("\u{202e}4321", true),
    ]
    .map(|(id, is_taken)| (id.to_owned(), is_taken))
    .into_iter()
    .chain([("a".repeat(1025), false)])
    .collect()
}

#[tokio::test]
async fn a_callers_hostile_external_id_is_refused_or_releases_the_right_email() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    for (number, (id, is_taken)) in external_ids().into_iter().enumerate() {
        let email = format!("user{number}@example.com");
        let user = User {
            zendesk_id: Some(number.to_string()),
            ..User::known(&format!("old{number}"), &email)
        };
        let user = stack.sunshine.add_user(user);
        let caller = json!({"sub": id, "email": email, "email_verified": true});
        let response = stack.report_as(caller).await;
        let refused = if id.is_empty() { 401 } else { 422 };
        let expected = if is_taken { 202 } else { refused };
        assert_eq!(response.status, expected, "{id:?}");
        stack.make_due();
        stack.drain().await;
        if is_taken {
            let record = stack.record(response.json()["conflictId"].as_str().unwrap());
            assert_eq!(record["state"], "resolved", "{id:?} {record}");
            assert!(!stack.sunshine.user(&user.id).unwrap().has_email(&email));
        }
    }
    stack.assert_on_the_path();
    assert_eq!(stack.sunshine.users().len(), external_ids().len());
}

#[tokio::test]
async fn resolve_with_a_hostile_external_id_is_refused_or_deletes_the_right_user() {
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    for (number, (id, is_taken)) in external_ids().into_iter().enumerate() {
        let resolve = |previous: &str, current: &str| {
            json!({
                "action": "resolve", "remedy": "delete",
                "previousExternalId": previous, "currentExternalId": current, "by": "ada",
            })
        };
        if !is_taken {
            for event in [resolve(&id, NEW), resolve(OLD, &id)] {
                assert!(stack.refusal(event).await.contains("ExternalId"), "{id:?}");
            }
            continue;
        }
        let email = |side: &str| format!("{side}{number}@example.com");
        let previous = stack.sunshine.add_user(User::known(&id, &email("a")));
        let report = stack.invoke(resolve(&id, NEW)).await;
        assert_eq!(outcome(&report), ("resolved", None), "{id:?} {report}");
        assert!(stack.sunshine.user(&previous.id).is_none());

        let old = format!("old{number}");
        let other = stack.sunshine.add_user(User::known(&old, &email("b")));
        let report = stack.invoke(resolve(&old, &id)).await;
        assert_eq!(outcome(&report), ("resolved", None), "{id:?} {report}");
        assert!(stack.sunshine.user(&other.id).is_none());
    }
    stack.assert_on_the_path();
    let deletes = stack.changes();
    assert!(
        deletes
            .iter()
            .all(|it| it.len() == "DELETE /users/".len() + 24),
        "{deletes:?}"
    );
}

#[tokio::test]
async fn an_external_id_that_is_another_users_id_does_not_reach_that_user() {
    // An external id that is another user's id.
    let stack = Stack::start(&[("REMEDY", "delete")]).await;
    let victim = stack
        .sunshine
        .add_user(User::known("victim", "victim@example.com"));
    stack.sunshine.add_user(User {
        external_id: Some(victim.id.clone()),
        ..linked_holder()
    });
    stack.report_changed(&victim.id, NEW).await;
    stack.drain().await;
    stack
        .invoke(json!({
            "action": "resolve", "remedy": "delete",
            "previousExternalId": victim.id, "currentExternalId": NEW, "by": "ada",
        }))
        .await;
    assert_eq!(stack.sunshine.user(&victim.id), Some(victim));
    stack.assert_on_the_path();
}

#[tokio::test]
async fn hostile_ids_in_users_from_upstream_cause_no_remedy() {
    let stack = Stack::start(&[("REMEDY", "delete"), ("SUNSHINE_BRAND_ID", "9477")]).await;
    stack.sunshine.add_user(linked_holder());
    let user = |changes: Value| {
        let mut user = json!(linked_holder());
        user["id"] = json!("67a11490f0300123456789ab");
        user["brandId"] = json!("9477");
        for (name, value) in changes.as_object().unwrap() {
            user[name] = value.clone();
        }
        json!({"users": [user]}).to_string()
    };
    for (id, _) in external_ids() {
        for field in ["id", "zendeskId", "brandId", "externalId"] {
            let is_none = id.is_empty() && field != "id";
            let is_an_id = field == "id" && id.len() == 24;
            if is_none || is_an_id || field == "externalId" {
                continue;
            }
            let mut changes = json!({});
            changes[field] = json!(id);
            // Only a merge uses a zendeskId.
            assert_nothing_comes_of(&stack, "merge", &[("GET **/users", user(changes))]).await;
        }
    }
}

#[tokio::test]
async fn hostile_ids_and_cursors_in_pages_cause_no_remedy() {
    let mut stack = Stack::start(&[("REMEDY", "delete")]).await;
    // A cursor is sent back as the upstream gave it, and these are not the document's.
    stack.holds_contract = false;
    stack.sunshine.add_user(linked_holder());
    let listed = |id: &str, cursor: &str| {
        json!({
            "clients": [{"id": id}], "conversations": [{"id": id}],
            "messages": [{"id": id}], "meta": {"hasMore": true, "afterCursor": cursor},
        })
        .to_string()
    };
    for (id, _) in external_ids() {
        let is_a_word = id.len() == 24;
        if !is_a_word {
            let responses = [("GET **/conversations", listed(&id, "1"))];
            assert_nothing_comes_of(&stack, "delete", &responses).await;
        }
        // Any cursor is used in a query only.
        for pattern in ["GET **/conversations", "GET **/clients"] {
            assert_nothing_comes_of(&stack, "delete", &[(pattern, listed("a", &id))]).await;
        }
    }
}

/// Checks that a requested remedy is not sent while the upstream returns these responses.
async fn assert_nothing_comes_of(stack: &Stack, remedy: &str, responses: &[(&str, String)]) {
    stack.sunshine.faults().clear();
    for (pattern, body) in responses {
        let rule = Rule::new(*pattern, Fault::answer(200, body.as_str()));
        stack.sunshine.faults().add(rule);
    }
    let report = stack.resolve(Some(remedy)).await;
    assert_eq!(report["resolved"], 0, "{report} {responses:?}");
    stack.assert_untouched();
    // The next copy must start from the beginning.
    for mut record in stack.records() {
        record["archiveProgress"] = json!("");
        record["attempts"] = json!(0);
        stack.aws.put_item(TABLE, &record);
    }
}
