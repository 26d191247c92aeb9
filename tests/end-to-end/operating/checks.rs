//! The action `check` of each function: each fault of a deployment is named.

use harness::lambda::{Function, HttpEvent};
use local_stack::aws::{Fault, Service};
use serde_json::{Value, json};

use crate::cleanup::*;

/// The result of one check, and what it says.
async fn check(function: &Function, name: &str) -> (Value, String) {
    let response = response(function, &json!({"action": "check"})).await;
    let checks = response["checks"].as_array().unwrap();
    let check = checks.iter().find(|it| it["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no {name}: {response}"));
    let all = checks.iter().all(|it| it["ok"] == true);
    assert_eq!(response["ok"], all, "{response}");
    (
        check["ok"].clone(),
        check["detail"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a_right_deployment_is_right() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    let checked = stack.invoke(json!({"action": "check"})).await;
    assert_eq!(checked["ok"], true, "{checked}");
    let names: Vec<_> = checked["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(
        names,
        [
            "configuration",
            "api_key",
            "sunshine",
            "clock",
            "table",
            "archive"
        ]
    );
    assert_eq!(
        stack.aws.items(TABLE),
        [Value::Null; 0],
        "nothing is written to the table"
    );
    let objects = stack.aws.objects(BUCKET).await;
    assert!(
        objects.iter().all(|key| key.starts_with("checks/")),
        "{objects:?}"
    );
}

#[tokio::test]
async fn each_fault_of_the_api_key_is_named() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    for (secret, ok, words) in [
        (
            json!({"keyId": "int_test", "secret": "wrong"}),
            false,
            "401",
        ),
        (
            json!({"keyId": "int_other", "secret": "CANARY-api-key"}),
            false,
            "401",
        ),
        (
            json!({"keyId": "int_test", "secret": "CANARY-api-key\n"}),
            false,
            "white space",
        ),
        (
            json!({"keyId": " int_test", "secret": "CANARY-api-key"}),
            false,
            "keyId has white space",
        ),
        (
            json!({"activeKid": "app_1", "keys": {"app_1": "s"}}),
            false,
            "keyId",
        ),
        (json!({"keyId": "act_1", "secret": "s"}), false, "int_"),
        (json!("no JSON"), false, "JSON"),
        (
            json!({"keyId": "int_test", "secret": "CANARY-api-key"}),
            true,
            "integration",
        ),
    ] {
        stack.aws.put_secret(API_KEY, &secret).await;
        // A cold start, because a cached key would hide the fault from the call.
        let clean = stack.launch("clean-conflicts", &[]).await;
        let (is_ok, detail) = check(&clean, "api_key").await;
        assert_eq!(is_ok, ok, "{secret}: {detail}");
        assert!(detail.contains(words), "{secret}: {detail}");
        assert!(!detail.contains("CANARY"), "{detail}");
        if !ok {
            assert_eq!(check(&clean, "sunshine").await.0, Value::Null, "{secret}");
        }
    }
    stack.aws.delete_secret(API_KEY).await;
    let (is_ok, detail) = check(&stack.clean, "api_key").await;
    assert_eq!(is_ok, false);
    assert!(detail.contains("ResourceNotFoundException"), "{detail}");
}

#[tokio::test]
async fn each_fault_of_a_variable_is_named() {
    let mut stack = Stack::start(&[("REMEDY", "plan")]).await;
    // One of the faults is another app.
    stack.holds_contract = false;
    for (variable, value, name, words) in [
        ("SUNSHINE_APP_ID", "another", "sunshine", "SUNSHINE_APP_ID"),
        (
            "SUNSHINE_BASE_URL",
            "http://127.0.0.1:1/sc",
            "sunshine",
            "SUNSHINE_BASE_URL",
        ),
        ("CONFLICTS_TABLE", "another", "table", "CONFLICTS_TABLE"),
        ("ARCHIVE_BUCKET", "another", "archive", "ARCHIVE_BUCKET"),
    ] {
        let clean = stack.launch("clean-conflicts", &[(variable, value)]).await;
        let (is_ok, detail) = check(&clean, name).await;
        assert_eq!(is_ok, false, "{variable}: {detail}");
        assert!(detail.contains(words), "{variable}: {detail}");
    }
    let denied = Fault::error(Service::S3, 403, "AccessDenied");
    stack
        .aws
        .set_faults([denied.clone(), denied.clone(), denied]);
    let (is_ok, detail) = check(&stack.clean, "archive").await;
    assert_eq!(is_ok, false);
    assert!(detail.contains("AccessDenied"), "{detail}");
}

#[tokio::test]
async fn a_report_is_checked_without_being_made() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    let report = stack.launch("report-conflict", &[]).await;
    assert_eq!(check(&report, "table").await.0, true);
    assert_eq!(stack.aws.items(TABLE), [Value::Null; 0]);
    let lost = stack
        .launch("report-conflict", &[("CONFLICTS_TABLE", "another")])
        .await;
    let (is_ok, detail) = check(&lost, "table").await;
    assert_eq!(is_ok, false);
    assert!(detail.contains("CONFLICTS_TABLE"), "{detail}");
}

#[tokio::test]
async fn each_fault_of_the_signing_key_is_named() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    for (secret, ok, words) in [
        (
            json!({"activeKid": "app_1", "keys": {"app_1": "CANARY"}}),
            true,
            "form",
        ),
        (
            json!({"activeKid": "app_1", "keys": {"app_1": "CANARY\n"}}),
            false,
            "keys.app_1 has white space",
        ),
        (
            json!({"activeKid": "int_1", "keys": {"int_1": "CANARY"}}),
            false,
            "app_",
        ),
        (
            json!({"activeKid": "app_2", "keys": {"app_1": "CANARY"}}),
            false,
            "activeKid",
        ),
        (
            json!({"keyId": "int_test", "secret": "CANARY"}),
            false,
            "activeKid",
        ),
    ] {
        stack.aws.put_secret("signing", &secret).await;
        let sign = stack
            .launch("sign-token", &[("SIGNING_KEY_SECRET_ID", "signing")])
            .await;
        let (is_ok, detail) = check(&sign, "signing_key").await;
        assert_eq!(is_ok, ok, "{secret}: {detail}");
        assert!(detail.contains(words), "{secret}: {detail}");
        assert!(!detail.contains("CANARY"), "{detail}");
    }
}

#[tokio::test]
async fn the_webhook_puzzel_and_the_eraser_check_themselves() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    stack
        .aws
        .put_secret("webhook", &json!({"signingSecrets": ["s", "t "]}))
        .await;
    let webhook = stack
        .launch("receive-webhook", &[("WEBHOOK_SECRET_ID", "webhook")])
        .await;
    let (is_ok, detail) = check(&webhook, "webhook_secret").await;
    assert_eq!(is_ok, false);
    assert!(
        detail.contains("signingSecrets has white space"),
        "{detail}"
    );
    assert_eq!(check(&webhook, "table").await.0, true);

    let nowhere = "http://127.0.0.1:1";
    let puzzel = [
        ("PUZZEL_CUSTOMER_ID", "1"),
        ("PUZZEL_IDP_URL", nowhere),
        ("PUZZEL_COMM_URL", nowhere),
    ];
    let exchange = stack.launch("exchange-identity", &puzzel).await;
    let (is_ok, detail) = check(&exchange, "puzzel").await;
    assert_eq!(is_ok, false);
    assert!(detail.contains("identity service"), "{detail}");

    let erase = stack.launch("erase-person", &[]).await;
    assert_eq!(check(&erase, "table").await.0, true);
    let lost = stack
        .launch("erase-person", &[("ARCHIVE_BUCKET", "another")])
        .await;
    let (is_ok, detail) = check(&lost, "archive").await;
    assert_eq!(is_ok, false, "{detail}");
}

#[tokio::test]
async fn an_issuer_that_does_not_respond_is_named() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    let bearer = [
        ("IDENTITY_SOURCE", "bearer"),
        ("OIDC_ISSUER", "http://127.0.0.1:1"),
        ("OIDC_AUDIENCE", "web"),
    ];
    let report = stack.launch("report-conflict", &bearer).await;
    let (is_ok, detail) = check(&report, "issuer").await;
    assert_eq!(is_ok, false);
    assert!(detail.contains("http://127.0.0.1:1"), "{detail}");
}

#[tokio::test]
async fn no_route_leads_to_a_check() {
    let stack = Stack::start(&[("REMEDY", "plan")]).await;
    let report = stack.launch("report-conflict", &[]).await;
    let event = HttpEvent::post("/zendesk/conflicts")
        .header("content-type", "application/json")
        .body(r#"{"action":"check"}"#);
    let response = report.http(&event).await.unwrap();
    assert_eq!(response.status, 401, "{response:?}");
}
