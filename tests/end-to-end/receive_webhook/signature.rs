//! A request that Zendesk did not sign is refused with 401, and leaves nothing behind.

use super::*;

const BODY: &str =
    r#"{"type":"zen:event-type:user.created","id":"1","time":"2026-01-01T00:00:00Z"}"#;

fn sign_at(timestamp: &str, body: &str) -> HttpEvent {
    let signature = webhook::signature(SECRET, timestamp, body.as_bytes());
    with_signature(timestamp, &signature).body(body)
}

fn sign_with(secret: &str) -> HttpEvent {
    let now = seconds_from_now(0);
    let signature = webhook::signature(secret, &now, BODY.as_bytes());
    with_signature(&now, &signature).body(BODY)
}

#[tokio::test]
async fn an_unsigned_request_is_refused_and_leaves_nothing() {
    let stack = Stack::start(&[]).await;
    let now = seconds_from_now(0);
    let signature = webhook::signature(SECRET, &now, BODY.as_bytes());
    let flipped_body = BODY.replacen("created", "creatfd", 1);
    let flipped_signature = format!(
        "{}{}",
        if signature.starts_with('A') { 'B' } else { 'A' },
        &signature[1..]
    );
    // The same signature, with bytes moved across the border in either direction.
    let (shorter, moved) = now.split_at(now.len() - 1);
    let longer = format!("{now}{}", &BODY[..1]);
    let refused = [
        (
            "flipped body",
            with_signature(&now, &signature).body(&flipped_body),
        ),
        (
            "flipped signature",
            with_signature(&now, &flipped_signature).body(BODY),
        ),
        (
            "other timestamp",
            with_signature(&seconds_from_now(-1), &signature).body(BODY),
        ),
        (
            "no signature",
            HttpEvent::post(PATH).header(TIMESTAMP, &now).body(BODY),
        ),
        (
            "no timestamp",
            HttpEvent::post(PATH)
                .header(SIGNATURE, &signature)
                .body(BODY),
        ),
        ("no header", HttpEvent::post(PATH).body(BODY)),
        ("empty signature", with_signature(&now, "").body(BODY)),
        ("empty timestamp", with_signature("", &signature).body(BODY)),
        ("no body", with_signature(&now, &signature)),
        ("stale", sign_at(&seconds_from_now(-310), BODY)),
        ("future", sign_at(&seconds_from_now(310), BODY)),
        ("no time", sign_at("now", BODY)),
        ("other zone", sign_at(&now.replace('Z', "+00:00"), BODY)),
        (
            "moved to the body",
            with_signature(shorter, &signature).body(&format!("{moved}{BODY}")),
        ),
        (
            "moved to the timestamp",
            with_signature(&longer, &signature).body(&BODY[1..]),
        ),
        ("wrong secret", sign_with("another secret")),
        ("empty secret", sign_with("")),
        (
            "published test secret",
            sign_with("dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="),
        ),
    ];
    for (what, event) in refused {
        let response = stack.http(&event).await;
        assert_eq!(response.status, 401, "{what}: {response:?}");
        assert_problem(&response, 401, "invalid_signature");
    }
    assert_eq!(stack.aws.items(TABLE), [Value::Null; 0]);
    let tables = stack.aws.requests();
    assert!(tables.iter().all(|it| it.service != Service::DynamoDb));
}

#[tokio::test]
async fn a_timestamp_at_the_edge_is_accepted() {
    let stack = Stack::start(&[]).await;
    let fraction = seconds_from_now(0).replace('Z', ".123Z");
    for timestamp in [&seconds_from_now(-290), &seconds_from_now(290), &fraction] {
        let response = stack.http(&sign_at(timestamp, BODY)).await;
        assert_eq!(response.status, 200, "{timestamp}: {response:?}");
    }
}

#[tokio::test]
async fn header_names_may_have_any_case_and_the_body_may_be_base64() {
    let stack = Stack::start(&[]).await;
    let cases: [fn(&str) -> String; 3] = [str::to_owned, str::to_lowercase, str::to_uppercase];
    for case in cases {
        let mut event = signed_body(BODY).api_gateway();
        let headers = event["headers"].as_object().unwrap().clone();
        let renamed = headers
            .into_iter()
            .map(|(name, value)| (case(&name), value));
        event["headers"] = renamed.collect();
        let response = HttpResponse::new(stack.function.invoke(&event).await.unwrap());
        assert_eq!(response.status, 200, "{response:?}");
    }
    let now = seconds_from_now(0);
    let signature = webhook::signature(SECRET, &now, BODY.as_bytes());
    let encoded = with_signature(&now, &signature).base64_body(BODY);
    assert_eq!(stack.http(&encoded).await.status, 200);
    let mut broken = encoded.api_gateway();
    broken["body"] = json!("not base64");
    let response = HttpResponse::new(stack.function.invoke(&broken).await.unwrap());
    assert_problem(&response, 400, "invalid_request");
}

#[tokio::test]
async fn another_path_or_method_is_not_a_webhook() {
    let stack = Stack::start(&[]).await;
    let response = stack.http(&HttpEvent::new("GET", PATH)).await;
    assert_problem(&response, 405, "method_not_allowed");
    let response = stack.http(&HttpEvent::post("/webhooks/other")).await;
    assert_problem(&response, 404, "not_found");
}
