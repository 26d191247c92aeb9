//! The request that each call sends, and the response that it reads.

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use super::*;

async fn responding(body: Value) -> (MockServer, SunshineClient) {
    let (server, client) = server().await;
    let response = ResponseTemplate::new(200).set_body_json(body);
    Mock::given(any())
        .respond_with(response)
        .mount(&server)
        .await;
    (server, client)
}

#[tokio::test]
async fn users_are_listed_by_email_and_brand() {
    let (server, client) = responding(json!({"users": [{"id": USER}]})).await;
    let users = client
        .list_users_by_email("a+b@c.example", soon())
        .await
        .unwrap();
    assert_eq!(users[0].id, user_id());
    let sent = "GET /users?filter%5Bidentities.email%5D=a%2Bb%40c.example&brandId=9477922990333";
    assert_eq!(lines(&server).await, [sent]);
    let request = &server.received_requests().await.unwrap()[0];
    // int_1:secret0
    assert_eq!(
        request.headers["authorization"],
        "Basic aW50XzE6c2VjcmV0MA=="
    );
    assert_eq!(client.requests(), 1);
}

#[tokio::test]
async fn a_user_is_read_by_id() {
    let (server, client) = responding(json!({"user": {"id": USER, "externalId": "1"}})).await;
    let user = client.user(&user_id(), soon()).await.unwrap();
    assert_eq!(user.external_id.as_deref(), Some("1"));
    assert_eq!(lines(&server).await, [format!("GET /users/{USER}")]);
    let other = "000000000000000000000000".parse().unwrap();
    let error = client.user(&other, soon()).await.unwrap_err();
    assert_eq!(error, Error::AnotherUser);
}

#[tokio::test]
async fn an_external_id_is_one_segment_of_the_path() {
    let (server, client) = responding(json!({"user": {"id": USER}})).await;
    for id in ["a/b", "%2e%2e", "a\\..\\b", "?x=1#", "\u{4e16}"] {
        client
            .user_by_external_id(&id.parse().unwrap(), soon())
            .await
            .unwrap();
    }
    let encoded = [
        "a%2Fb",
        "%252e%252e",
        "a%5C..%5Cb",
        "%3Fx%3D1%23",
        "%E4%B8%96",
    ];
    let expected = encoded.map(|id| format!("GET /users/{id}?brandId=9477922990333"));
    assert_eq!(lines(&server).await, expected);
}

#[tokio::test]
async fn changes_go_to_ids_only() {
    // Nothing in the response to a change is used.
    let (server, client) = responding(json!({})).await;
    let (id, core): (_, ZendeskId) = (user_id(), "35436".parse().unwrap());
    let mut patch = UserPatch::default();
    patch.profile.surname = Some("Doe".to_owned());
    client.update_user(&id, &patch, soon()).await.unwrap();
    client.delete_user(&id, soon()).await.unwrap();
    client
        .delete_personal_information(&id, soon())
        .await
        .unwrap();
    client.sync_user(&core, soon()).await.unwrap();
    let expected = [
        format!("PATCH /users/{USER}"),
        format!("DELETE /users/{USER}"),
        format!("DELETE /users/{USER}/personalinformation"),
        "POST /users/35436/sync".to_owned(),
    ];
    assert_eq!(lines(&server).await, expected);
    let requests = server.received_requests().await.unwrap();
    assert_eq!(
        requests[0].body_json::<Value>().unwrap(),
        json!({"profile": {"surname": "Doe"}})
    );
    assert_eq!(requests[3].body_json::<Value>().unwrap(), json!({}));
}

#[tokio::test]
async fn a_merge_names_both_users_by_their_ids() {
    let (server, client) = responding(json!({})).await;
    let discarded = "000000000000000000000000".parse().unwrap();
    let surviving = user_id();
    let merged = client.merge_users(&surviving, &discarded, soon());
    merged.await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.method.as_str(), "POST");
    let app = "5d8cff3cd55b040010928b5b";
    assert_eq!(
        request.url.path(),
        format!("/sc/v1.1/apps/{app}/appusers/merge")
    );
    assert_eq!(
        request.body_json::<Value>().unwrap(),
        json!({"surviving": {"_id": USER}, "discarded": {"_id": "000000000000000000000000"}})
    );
}

#[tokio::test]
async fn a_user_is_made_of_an_external_id() {
    let (server, client) = responding(json!({"user": {"id": USER, "externalId": "a/b"}})).await;
    let id = "a/b".parse().unwrap();
    let user = client.create_user(&id, soon()).await.unwrap();
    assert_eq!(user.id, user_id());
    assert_eq!(lines(&server).await, ["POST /users"]);
    let request = &server.received_requests().await.unwrap()[0];
    let body = request.body_json::<Value>().unwrap();
    assert_eq!(body, json!({"externalId": "a/b"}));
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let more = json!({"hasMore": true, "afterCursor": "a2", "beforeCursor": "b2"});
    let item = json!([{"id": "c1", "type": "sdk"}]);
    let body = json!({"clients": item, "conversations": item, "messages": item, "meta": more});
    let (server, client) = responding(body).await;
    let (id, after, before) = (user_id(), "a1".parse().unwrap(), "b1".parse().unwrap());

    let clients = client.clients(&id, Some(&after), soon()).await.unwrap();
    assert_eq!(clients.next.unwrap().as_str(), "a2");
    assert_eq!(clients.items[0].raw.as_str(), r#"{"id":"c1","type":"sdk"}"#);
    let conversations = client
        .conversations(&id, Some(&after), soon())
        .await
        .unwrap();
    assert_eq!(conversations.next.unwrap().as_str(), "a2");
    let conversation = &conversations.items[0].id;
    let newest = client.messages(conversation, None, soon()).await.unwrap();
    assert_eq!(newest.next.unwrap().as_str(), "b2");
    client
        .messages(conversation, Some(&before), soon())
        .await
        .unwrap();

    let expected = [
        format!("GET /users/{USER}/clients?page%5Bsize%5D=100&page%5Bafter%5D=a1"),
        format!(
            "GET /conversations?filter%5BuserId%5D={USER}&page%5Bsize%5D=100&page%5Bafter%5D=a1"
        ),
        "GET /conversations/c1/messages".to_owned(),
        "GET /conversations/c1/messages?page%5Bbefore%5D=b1".to_owned(),
    ];
    assert_eq!(lines(&server).await, expected);
}

#[tokio::test]
async fn a_response_that_violates_the_contract_is_an_error() {
    for body in [
        json!({}),
        json!([]),
        json!({"user": {"id": ".."}}),
        json!({"user": [1]}),
    ] {
        let (_server, client) = responding(body).await;
        let error = client.user(&user_id(), soon()).await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse { .. }), "{error:?}");
    }
}
