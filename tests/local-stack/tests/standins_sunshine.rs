//! The stand-in's v2 API follows the contract, traps included.

mod support;

use std::collections::BTreeMap;

use local_stack::standins::sunshine::{
    Behaviour, Client, CoreUser, Rate, Sunshine, SunshineConfig, User,
};
use reqwest::Method;
use serde_json::{Value, json};
use support::{json_of, response_to, status_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const APP: &str = "5d8cff3cd55b040010928b5b";

async fn start() -> Sunshine {
    let integration_keys = BTreeMap::from([("int_1".into(), "secret".into())]);
    Sunshine::start(SunshineConfig {
        integration_keys,
        ..SunshineConfig::default()
    })
    .await
    .unwrap()
}

async fn call(
    sunshine: &Sunshine,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let url = format!("{}/v2/apps/{APP}{path}", sunshine.url());
    let mut request = reqwest::Client::new()
        .request(method, url)
        .basic_auth("int_1", Some("secret"));
    if let Some(body) = body {
        request = request.json(&body);
    }
    response_to(request).await
}

async fn get(sunshine: &Sunshine, path: &str) -> (u16, Value) {
    call(sunshine, Method::GET, path, None).await
}

async fn delete(sunshine: &Sunshine, path: &str) -> (u16, Value) {
    call(sunshine, Method::DELETE, path, None).await
}

/// Sends a request line that no client library would.
async fn raw(sunshine: &Sunshine, line: &str) -> String {
    let address = sunshine.url().replace("http://", "").replace("/sc", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    // int_1:secret
    let request = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Basic aW50XzE6c2VjcmV0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn a_user_is_found_by_id_external_id_and_email() {
    let sunshine = start().await;
    let mut user = User::known("1234", "sue+x@example.org");
    user.profile
        .insert("email".into(), "profile@example.org".into());
    let user = sunshine.add_user(user);
    for either in [user.id.as_str(), "1234"] {
        assert_eq!(
            get(&sunshine, &format!("/users/{either}")).await,
            (200, json!({ "user": user }))
        );
    }
    let (_, found) = get(
        &sunshine,
        "/users?filter[identities.email]=Sue%2Bx@example.org",
    )
    .await;
    assert_eq!(found, json!({ "users": [user] }));
    let (_, unencoded_plus) = get(
        &sunshine,
        "/users?filter[identities.email]=sue+x@example.org",
    )
    .await;
    assert_eq!(unencoded_plus, json!({ "users": [] }));
    let (_, by_profile) = get(
        &sunshine,
        "/users?filter[identities.email]=profile@example.org",
    )
    .await;
    assert_eq!(by_profile, json!({ "users": [] }));
    assert_eq!(get(&sunshine, "/users").await.0, 400);
    let (status, missing) = get(&sunshine, "/users/nobody").await;
    assert_eq!(
        (status, &missing["errors"][0]["code"]),
        (404, &json!("user_not_found"))
    );
}

#[tokio::test]
async fn a_brand_separated_user_needs_its_brand() {
    let sunshine = start().await;
    let brand_id = Some("9477922990333".into());
    let user = sunshine.add_user(User {
        brand_id,
        ..User::known("1234", "sue@example.org")
    });
    let email = "/users?filter[identities.email]=sue@example.org";
    assert_eq!(get(&sunshine, email).await.1, json!({ "users": [] }));
    assert_eq!(get(&sunshine, "/users/1234").await.0, 404);
    assert_eq!(get(&sunshine, &format!("/users/{}", user.id)).await.0, 200);
    assert_eq!(
        get(&sunshine, &format!("{email}&brandId=9477922990333"))
            .await
            .1,
        json!({ "users": [user] })
    );
    assert_eq!(
        get(&sunshine, "/users/1234?brandId=9477922990333").await.0,
        200
    );
}

#[tokio::test]
async fn an_external_id_that_looks_like_an_id_hits_that_person() {
    let sunshine = start().await;
    let victim = sunshine.add_user(User::known("1", "victim@example.org"));
    let other = sunshine.add_user(User::known(&victim.id, "other@example.org"));
    assert_eq!(
        delete(&sunshine, &format!("/users/{}", victim.id)).await,
        (200, json!({}))
    );
    assert_eq!(sunshine.users(), [other]);
}

#[tokio::test]
async fn a_dot_segment_deletes_the_app() {
    for line in ["/users/..", "/users/%2e%2E", "/"] {
        let sunshine = start().await;
        let line = format!("DELETE /sc/v2/apps/{APP}{line}");
        assert!(
            raw(&sunshine, &line).await.starts_with("HTTP/1.1 200"),
            "{line}"
        );
        assert!(sunshine.app_deleted(), "{line}");
        assert_eq!(sunshine.strays(), [line.clone() + " HTTP/1.1"]);
        assert_eq!(sunshine.traffic().all()[0].line, line + " HTTP/1.1");
        assert_eq!(
            get(&sunshine, "/users/1").await.1["errors"][0]["code"],
            "app_not_found"
        );
    }
    let sunshine = start().await;
    raw(
        &sunshine,
        &format!("DELETE /sc/v2/apps/{APP}/users/%252e%252e"),
    )
    .await;
    raw(&sunshine, &format!("GET /sc/v2/apps/{APP}/users/a%2Fb")).await;
    assert!(!sunshine.app_deleted() && sunshine.strays().is_empty());
    raw(&sunshine, "GET /sc/v2/apps/other/users/1").await;
    raw(&sunshine, "rubbish").await;
    assert_eq!(sunshine.strays().len(), 1);
    assert_eq!(
        sunshine.traffic().all().last().unwrap().line,
        "rubbish HTTP/1.1"
    );
}

#[tokio::test]
async fn only_the_right_key_may_call() {
    let sunshine = start().await;
    sunshine.set_integration_keys(BTreeMap::from([("int_1".into(), "rotated".into())]));
    let (status, response) = get(&sunshine, "/users/1").await;
    assert_eq!(
        (status, response),
        (
            401,
            json!({ "errors": [{ "code": "unauthorized", "title": "Authorization is required" }] })
        )
    );
}

#[tokio::test]
async fn patch_writes_only_the_allowed_fields() {
    let sunshine = start().await;
    let user = sunshine.add_user(User::known("1234", "sue@example.org"));
    let path = format!("/users/{}", user.id);
    let change = json!({ "profile": { "givenName": "Sue" }, "metadata": { "vip": true }, "toBeRetained": true });
    let (status, response) = call(&sunshine, Method::PATCH, &path, Some(change)).await;
    assert_eq!(status, 200, "{response}");
    let kept = sunshine.user(&user.id).unwrap();
    assert_eq!(
        (
            &kept.profile["givenName"],
            &kept.metadata["vip"],
            kept.to_be_retained
        ),
        (&json!("Sue"), &json!(true), Some(true))
    );
    for wrong in [
        json!({ "externalId": "9" }),
        json!({ "identities": [] }),
        json!({ "metadata": { "a": { "b": 1 } } }),
        json!({ "metadata": { "a": "x".repeat(5000) } }),
    ] {
        assert_eq!(
            call(&sunshine, Method::PATCH, &path, Some(wrong)).await.0,
            400
        );
    }
    assert_eq!(
        call(
            &sunshine,
            Method::PATCH,
            &path,
            Some(json!({ "metadata": { "a": "x".repeat(100_000) } }))
        )
        .await
        .0,
        413
    );
    assert_eq!(sunshine.user(&user.id).unwrap(), kept);
}

#[tokio::test]
async fn personalinformation_clears_the_personal_data_and_keeps_the_history() {
    let sunshine = start().await;
    let mut user = User::known("1234", "sue@example.org");
    user.profile.insert("givenName".into(), "Sue".into());
    user.profile.insert("locale".into(), "fr-CA".into());
    user.metadata.insert("vip".into(), true.into());
    let user = sunshine.add_user(user);
    sunshine.add_client(
        &user.id,
        Client {
            display_name: Some("Sue".into()),
            ..Client::sdk()
        },
    );
    sunshine.add_conversation(&user.id, 3);
    let path = format!("/users/{}/personalinformation", user.id);

    sunshine.set_behaviour(Behaviour {
        keep_identities: true,
        ..Behaviour::default()
    });
    delete(&sunshine, &path).await;
    assert_eq!(sunshine.user(&user.id).unwrap().identities, user.identities);
    sunshine.set_behaviour(Behaviour::default());
    let (status, response) = delete(&sunshine, &path).await;
    assert_eq!(status, 200);
    assert_eq!(response["user"]["identities"], json!([]));
    assert_eq!(
        (&response["user"]["metadata"], &response["user"]["profile"]),
        (&json!({}), &json!({ "locale": "fr-CA" }))
    );
    assert_eq!(response["user"]["externalId"], "1234");
    let (_, clients) = get(&sunshine, &format!("/users/{}/clients", user.id)).await;
    assert!(clients["clients"][0]["id"].is_string());
    assert!(
        clients["clients"][0].get("info").is_none()
            && clients["clients"][0].get("displayName").is_none()
    );
    assert_eq!(sunshine.conversations(&user.id)[0].message_count(), 3);
}

#[tokio::test]
async fn a_delete_completes_later_if_requested() {
    let sunshine = start().await;
    let user = sunshine.add_user(User::known("1234", "sue@example.org"));
    let conversation = sunshine.add_conversation(&user.id, 1);
    sunshine.set_behaviour(Behaviour {
        defer_deletions: true,
        ..Behaviour::default()
    });
    let path = format!("/users/{}", user.id);
    assert_eq!(delete(&sunshine, &path).await.0, 200);
    assert_eq!(get(&sunshine, &path).await.0, 200);
    assert_eq!(sunshine.complete_deletions(), [user.id]);
    assert_eq!(get(&sunshine, &path).await.0, 404);
    assert_eq!(
        get(
            &sunshine,
            &format!("/conversations/{}/messages", conversation.id)
        )
        .await
        .0,
        404
    );
    assert_eq!(sunshine.changing_calls().len(), 1);
}

#[tokio::test]
async fn messages_page_backwards_and_conversations_forwards() {
    let sunshine = start().await;
    let user = sunshine.add_user(User::known("1234", "sue@example.org"));
    let long = sunshine.add_conversation(&user.id, 249);
    sunshine.post_message(&long.id, "the last").unwrap();
    let mut path = format!("/conversations/{}/messages?page[size]=7", long.id);
    let mut texts = Vec::new();
    for (expected, more) in [(100, true), (100, true), (50, false)] {
        let (_, page) = get(&sunshine, &path).await;
        let messages = page["messages"].as_array().unwrap();
        assert_eq!(
            (messages.len(), &page["meta"]["hasMore"]),
            (expected, &json!(more))
        );
        texts.splice(
            0..0,
            messages
                .iter()
                .map(|message| message["content"]["text"].as_str().unwrap().to_owned()),
        );
        let before = page["meta"]["beforeCursor"].as_str().unwrap_or_default();
        assert_eq!(page["links"]["prev"].is_string(), more);
        path = format!("/conversations/{}/messages?page[before]={before}", long.id);
    }
    assert_eq!(texts.len(), 250);
    assert_eq!(
        (texts[0].as_str(), texts[248].as_str(), texts[249].as_str()),
        ("message 0 of 249", "message 248 of 249", "the last")
    );

    for _ in 0..30 {
        sunshine.add_conversation(&user.id, 0);
    }
    let first = format!("/conversations?filter[userId]={}", user.id);
    let (_, page) = get(&sunshine, &first).await;
    assert_eq!(
        (
            page["conversations"].as_array().unwrap().len(),
            &page["conversations"][0]["isDefault"]
        ),
        (25, &json!(true))
    );
    let next = page["links"]["next"].as_str().unwrap();
    let next = reqwest::Client::new().get(next);
    let rest = json_of(next.basic_auth("int_1", Some("secret"))).await;
    assert_eq!(
        (
            rest["conversations"].as_array().unwrap().len(),
            &rest["meta"]["hasMore"]
        ),
        (6, &json!(false))
    );

    let cursor = page["meta"]["afterCursor"].as_str().unwrap();
    for wrong in [
        format!("page[after]={cursor}&page[before]={cursor}"),
        "page[size]=101".into(),
        "page[size]=0".into(),
        "page[after]=x".into(),
    ] {
        assert_eq!(
            get(&sunshine, &format!("{first}&{wrong}")).await.0,
            400,
            "{wrong}"
        );
    }
    assert_eq!(
        get(&sunshine, "/conversations?filter[userId]=nobody")
            .await
            .0,
        404
    );
    assert_eq!(get(&sunshine, "/conversations").await.0, 400);
}

#[tokio::test]
async fn sync_merges_into_the_user_and_moves_from_a_linked_one() {
    let sunshine = start().await;
    let core = CoreUser {
        external_id: Some("123456".into()),
        email: Some("sue@example.org".into()),
        ..CoreUser::default()
    };
    let old = sunshine.add_user(User {
        zendesk_id: Some("35436".into()),
        ..User::known("1234", "sue@example.org")
    });
    let new = sunshine.add_user(User {
        identities: Vec::new(),
        ..User::known("123456", "")
    });
    sunshine.add_conversation(&old.id, 2);
    sunshine.add_conversation(&new.id, 1);
    sunshine.set_core_user("35436", core.clone());
    let (status, response) = call(&sunshine, Method::POST, "/users/35436/sync", None).await;
    assert_eq!(
        (status, &response["user"]["externalId"]),
        (200, &json!("123456")),
        "{response}"
    );
    assert_eq!(sunshine.users().len(), 1);
    assert_eq!(sunshine.conversations(&old.id).len(), 2);

    // The other way round: the caller's own user is also linked, so it loses the external id.
    let sunshine = start().await;
    let old = sunshine.add_user(User {
        zendesk_id: Some("35436".into()),
        ..User::known("1234", "sue@example.org")
    });
    let own = User {
        zendesk_id: Some("2".into()),
        identities: Vec::new(),
        ..User::known("123456", "")
    };
    let own = sunshine.add_user(own);
    sunshine.set_core_user("35436", core);
    call(
        &sunshine,
        Method::POST,
        "/users/35436/sync",
        Some(json!({})),
    )
    .await;
    assert_eq!(sunshine.user(&own.id).unwrap().external_id, None);
    assert_eq!(
        sunshine.user(&old.id).unwrap().external_id.as_deref(),
        Some("123456")
    );

    // If a survivor is named, it gets the history of the outgoing user.
    sunshine.add_conversation(&old.id, 2);
    let (_, response) = call(
        &sunshine,
        Method::POST,
        "/users/35436/sync",
        Some(json!({ "survivingZendeskId": "2" })),
    )
    .await;
    assert_eq!(response["user"]["id"], own.id.as_str());
    assert_eq!(
        (
            sunshine.users().len(),
            sunshine.conversations(&own.id).len()
        ),
        (1, 1)
    );
    assert_eq!(
        call(&sunshine, Method::POST, "/users/35436/sync", None)
            .await
            .0,
        404
    );
}

/// A user whom Support links to an external id of another system.
#[tokio::test]
async fn sync_writes_supports_external_id_whatever_it_is() {
    let sunshine = start().await;
    let sue = sunshine.add_user(User {
        zendesk_id: Some("77".into()),
        ..User::known("1234", "sue@example.org")
    });
    let third = sunshine.add_user(User::known("9001", "third@example.org"));
    sunshine.add_conversation(&third.id, 2);
    let core_user = CoreUser {
        external_id: Some("9001".into()),
        email: Some("sue@example.org".into()),
        ..CoreUser::default()
    };
    sunshine.set_core_user("77", core_user);
    let (status, synced) = call(&sunshine, Method::POST, "/users/77/sync", Some(json!({}))).await;
    assert_eq!(
        (status, &synced["user"]["externalId"]),
        (200, &json!("9001"))
    );
    assert_eq!(synced["user"]["id"], sue.id);
    assert!(
        sunshine.user(&third.id).is_none(),
        "the third user is merged in"
    );
    assert_eq!(sunshine.conversations(&sue.id).len(), 1);
}

#[tokio::test]
async fn a_user_is_created_once() {
    let sunshine = start().await;
    let body = Some(json!({"externalId": "123456"}));
    let (status, created) = call(&sunshine, Method::POST, "/users", body.clone()).await;
    assert_eq!(
        (status, &created["user"]["externalId"]),
        (201, &json!("123456"))
    );
    assert!(sunshine.user_by_external_id("123456").is_some());
    let (status, again) = call(&sunshine, Method::POST, "/users", body).await;
    assert_eq!(
        (status, &again["errors"][0]["code"]),
        (409, &json!("conflict"))
    );
}

/// `POST /v1.1/apps/{appId}/appusers/merge`.
async fn merge(sunshine: &Sunshine, surviving: &User, discarded: &User) -> u16 {
    let url = format!("{}/v1.1/apps/{APP}/appusers/merge", sunshine.url());
    let body = json!({"surviving": {"_id": surviving.id}, "discarded": {"_id": discarded.id}});
    let request = reqwest::Client::new()
        .post(url)
        .basic_auth("int_1", Some("secret"));
    status_of(request.json(&body)).await
}

#[tokio::test]
async fn a_merge_by_ids_touches_two_users_and_no_third() {
    for drop_merged_identities in [false, true] {
        let sunshine = start().await;
        sunshine.set_behaviour(Behaviour {
            drop_merged_identities,
            ..Behaviour::default()
        });
        let old = sunshine.add_user(User::known("1234", "sue@example.org"));
        sunshine.add_conversation(&old.id, 3);
        let new = sunshine.add_user(User {
            identities: vec![],
            ..User::known("123456", "")
        });
        let third = sunshine.add_user(User::known("9001", "third@example.org"));
        assert_eq!(merge(&sunshine, &new, &old).await, 200);
        assert!(sunshine.user(&old.id).is_none());
        let survivor = sunshine.user(&new.id).unwrap();
        assert_eq!(survivor.external_id.as_deref(), Some("123456"));
        assert_eq!(
            survivor.has_email("sue@example.org"),
            !drop_merged_identities
        );
        assert_eq!(sunshine.conversations(&new.id)[0].message_count(), 3);
        assert_eq!(sunshine.user(&third.id), Some(third));
        assert_eq!(merge(&sunshine, &new, &old).await, 404);
        assert_eq!(sunshine.changing_calls().len(), 2);
        assert_eq!(sunshine.strays(), [""; 0]);
    }
}

#[tokio::test]
async fn a_merge_by_ids_may_be_refused() {
    let sunshine = start().await;
    let [old, new] = ["1234", "123456"].map(|id| sunshine.add_user(User::known(id, "a@b.example")));
    for status in [401, 403] {
        sunshine.set_behaviour(Behaviour {
            refuse_merges: Some(status),
            ..Behaviour::default()
        });
        assert_eq!(merge(&sunshine, &new, &old).await, status);
        assert!(sunshine.user(&old.id).is_some());
    }
}

#[tokio::test]
async fn the_rate_limit_is_enforced() {
    let sunshine = start().await;
    sunshine.set_behaviour(Behaviour {
        rate: Some(Rate {
            per_second: 2,
            retry_after: Some("1".into()),
        }),
        ..Behaviour::default()
    });
    let url = format!("{}/v2/apps/{APP}/users/1", sunshine.url());
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let response = reqwest::Client::new()
            .get(&url)
            .basic_auth("int_1", Some("secret"))
            .send()
            .await
            .unwrap();
        statuses.push((
            response.status().as_u16(),
            response.headers().contains_key("retry-after"),
        ));
    }
    assert_eq!(statuses, [(404, false), (404, false), (429, true)]);
}

#[tokio::test]
async fn it_can_be_controlled_over_http() {
    let sunshine = start().await;
    let client = reqwest::Client::new();
    let control = |method: Method, path: &str, body: Value| {
        let request = client
            .request(method, format!("{}/_control/{path}", sunshine.url()))
            .json(&body);
        async move {
            request
                .send()
                .await
                .unwrap()
                .error_for_status()
                .unwrap()
                .json::<Value>()
                .await
                .unwrap()
        }
    };
    let user = control(
        Method::POST,
        "users",
        json!({ "externalId": "1234", "profile": { "givenName": "Sue" } }),
    )
    .await;
    let id = user["id"].as_str().unwrap();
    control(
        Method::POST,
        &format!("users/{id}/clients"),
        json!({ "type": "sdk" }),
    )
    .await;
    let conversation = control(
        Method::POST,
        &format!("users/{id}/conversations"),
        json!({ "messages": 30_000 }),
    )
    .await;
    let posted = format!(
        "conversations/{}/messages",
        conversation["id"].as_str().unwrap()
    );
    control(Method::POST, &posted, json!({ "text": "hello" })).await;
    control(Method::PUT, "core-users/7", json!({ "externalId": "9" })).await;
    control(
        Method::PUT,
        "behaviour",
        json!({ "deferDeletions": true, "rate": { "perSecond": 5 } }),
    )
    .await;
    control(
        Method::PUT,
        "keys",
        json!({ "integrationKeys": { "int_2": "other" } }),
    )
    .await;
    assert_eq!(control(Method::GET, "users", json!({})).await[0]["id"], id);
    assert_eq!(
        control(Method::GET, "state", json!({})).await,
        json!({ "appDeleted": false, "strays": [] })
    );
    assert_eq!(
        control(Method::POST, "deletions", json!({})).await,
        json!({ "deleted": [] })
    );
    assert_eq!(sunshine.conversations(id)[0].message_count(), 30_001);
    assert_eq!(get(&sunshine, "/users/1234").await.0, 401);
    assert_eq!(
        sunshine.traffic().all().len(),
        1,
        "control calls are not traffic"
    );
}
