//! The stand-in's messaging login decides as Zendesk does.

mod support;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local_stack::standins::sunshine::{Sunshine, SunshineConfig, User};
use serde_json::{Value, json};
use support::response_to;

const KID: &str = "app_5deaa3531c7f940010cc4ba4";
const SECRET: &str = "BFJJ88naxc5PZNAMU9KpBNTR";

async fn start() -> Sunshine {
    let signing_keys = BTreeMap::from([(KID.into(), SECRET.into())]);
    Sunshine::start(SunshineConfig {
        signing_keys,
        ..SunshineConfig::default()
    })
    .await
    .unwrap()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn sign(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn jwt(claims: &Value) -> String {
    sign(
        &Header {
            kid: Some(KID.into()),
            ..Header::default()
        },
        claims,
    )
}

/// A JWT as the product makes it, with a verified email if one is given.
fn jwt_of(external_id: &str, email: Option<&str>) -> String {
    let mut claims =
        json!({ "scope": "user", "external_id": external_id, "iat": now(), "exp": now() + 900 });
    if let Some(email) = email {
        claims["email"] = email.into();
        claims["email_verified"] = true.into();
    }
    jwt(&claims)
}

async fn post(sunshine: &Sunshine, path: &str, body: &Value) -> (u16, Value) {
    let url = sunshine.url() + path;
    response_to(reqwest::Client::new().post(url).json(body)).await
}

async fn login(sunshine: &Sunshine, body: Value) -> (u16, Value) {
    post(sunshine, "/_login", &body).await
}

#[tokio::test]
async fn both_dialects_log_in_and_keep_the_user() {
    let sunshine = start().await;
    let (status, first) = login(
        &sunshine,
        json!({ "jwt": jwt_of("1234", Some("sue@example.org")) }),
    )
    .await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["user"]["externalId"], "1234");
    assert_eq!(first["user"]["identities"][0]["value"], "sue@example.org");

    let legacy = jwt(&json!({ "scope": "appUser", "userId": "1234" }));
    let (status, second) = login(&sunshine, json!({ "jwt": legacy })).await;
    assert_eq!((status, &second["user"]["id"]), (200, &first["user"]["id"]));
}

#[tokio::test]
async fn a_wrong_jwt_is_invalid_auth() {
    let sunshine = start().await;
    let good = json!({ "scope": "user", "external_id": "1234", "iat": now(), "exp": now() + 900 });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        jwt(&claims)
    };
    let header = || Header {
        kid: Some(KID.into()),
        ..Header::default()
    };
    let good_jwt = jwt(&good);
    let wrong = [
        ("no kid", sign(&Header::default(), &good)),
        (
            "unknown kid",
            sign(
                &Header {
                    kid: Some("app_other".into()),
                    ..Header::default()
                },
                &good,
            ),
        ),
        (
            "no typ",
            sign(
                &Header {
                    typ: None,
                    ..header()
                },
                &good,
            ),
        ),
        (
            "HS384",
            sign(
                &Header {
                    alg: Algorithm::HS384,
                    ..header()
                },
                &good,
            ),
        ),
        ("numeric external_id", with("external_id", json!(1234))),
        ("empty external_id", with("external_id", json!(""))),
        (
            "external_id of 256",
            with("external_id", json!("x".repeat(256))),
        ),
        ("app scope", with("scope", json!("app"))),
        (
            "exp as a string",
            with("exp", json!((now() + 900).to_string())),
        ),
        ("exp in the past", with("exp", json!(now() - 1))),
        ("iat as a string", with("iat", json!(now().to_string()))),
        ("cut short", good_jwt[..good_jwt.len() - 4].to_owned()),
        ("not a JWT", "hello".to_owned()),
    ];
    for (what, jwt) in wrong {
        let (status, response) = login(&sunshine, json!({ "jwt": jwt })).await;
        assert_eq!(
            (status, &response["code"]),
            (401, &json!("invalid_auth")),
            "{what}: {response}"
        );
    }
    assert_eq!(
        login(
            &sunshine,
            json!({ "jwt": with("external_id", json!("x".repeat(255))) })
        )
        .await
        .0,
        200
    );

    sunshine.set_signing_keys(BTreeMap::from([(KID.into(), "another secret".into())]));
    assert_eq!(login(&sunshine, json!({ "jwt": good_jwt })).await.0, 401);
}

#[tokio::test]
async fn an_email_of_another_external_id_conflicts_until_it_is_left_out() {
    let sunshine = start().await;
    login(
        &sunshine,
        json!({ "jwt": jwt_of("1234", Some("sue@example.org")) }),
    )
    .await;

    let (status, response) = login(
        &sunshine,
        json!({ "jwt": jwt_of("123456", Some("Sue@example.org")) }),
    )
    .await;
    assert_eq!((status, &response["code"]), (409, &json!("conflict")));
    assert_eq!(
        login(&sunshine, json!({ "jwt": jwt_of("123456", None) }))
            .await
            .0,
        200
    );

    for verified in [json!("true"), json!(1), json!(false), Value::Null] {
        let claims = json!({ "scope": "user", "external_id": "9", "email": "sue@example.org", "email_verified": verified });
        let (status, response) = login(&sunshine, json!({ "jwt": jwt(&claims) })).await;
        assert_eq!(
            (status, &response["user"]["identities"]),
            (200, &json!([])),
            "{verified}"
        );
    }
}

#[tokio::test]
async fn an_email_without_an_external_id_is_taken_over() {
    let sunshine = start().await;
    let imported = sunshine.add_user(User {
        external_id: None,
        ..User::known("", "sue@example.org")
    });
    let (_, response) = login(
        &sunshine,
        json!({ "jwt": jwt_of("1234", Some("sue@example.org")) }),
    )
    .await;
    assert_eq!(response["user"]["id"], imported.id.as_str());
    assert_eq!(response["user"]["externalId"], "1234");
}

#[tokio::test]
async fn an_anonymous_user_who_logs_in_keeps_the_conversation() {
    let sunshine = start().await;
    let message = json!({ "deviceId": "phone", "text": "hello?" });
    let (status, stranger) = post(&sunshine, "/_messages", &message).await;
    assert_eq!(status, 201, "{stranger}");

    // The first login gives the anonymous user the external id; the user stays the same.
    let (_, known) = login(
        &sunshine,
        json!({ "jwt": jwt_of("1234", None), "deviceId": "phone" }),
    )
    .await;
    assert_eq!(known["user"]["id"], stranger["userId"]);

    // The anonymous user of a second device is merged into the user that now has the external id.
    let (_, other) = post(
        &sunshine,
        "/_messages",
        &json!({ "deviceId": "laptop", "text": "me again" }),
    )
    .await;
    assert_ne!(other["userId"], stranger["userId"]);
    let (_, both) = login(
        &sunshine,
        json!({ "jwt": jwt_of("1234", None), "deviceId": "laptop" }),
    )
    .await;
    assert_eq!(both["user"]["id"], stranger["userId"]);
    let texts: Vec<_> = both["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["messages"][0]["content"]["text"])
        .collect();
    assert_eq!(texts, ["hello?", "me again"]);

    // After the logout, the device has an anonymous user again.
    post(&sunshine, "/_logout", &json!({ "deviceId": "laptop" })).await;
    let (_, fresh) = login(&sunshine, json!({ "deviceId": "laptop" })).await;
    assert_ne!(fresh["user"]["id"], stranger["userId"]);
    assert_eq!(fresh["conversations"], json!([]));
}

#[tokio::test]
async fn only_a_users_own_activity_updates_last_seen() {
    let sunshine = start().await;
    let jwt = jwt_of("1234", Some("sue@example.org"));
    let last_seen = |user: &str| sunshine.clients(user)[0].last_seen.clone().unwrap();
    let (_, session) = login(&sunshine, json!({"jwt": jwt})).await;
    let user = session["user"]["id"].as_str().unwrap();
    let at_login = last_seen(user);
    let conversation = sunshine.add_conversation(user, 0);
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    sunshine.post_message(&conversation.id, "from the business");
    assert_eq!(last_seen(user), at_login);
    let message = json!({"jwt": jwt, "text": "Where is my parcel?"});
    post(&sunshine, "/_messages", &message).await;
    assert!(last_seen(user) > at_login);
    assert_eq!(sunshine.clients(user).len(), 1);
}
