//! The signing key: its source, and the behaviour if it cannot be fetched.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::*;

/// The variable for a secret that is fresh for one second only.
const BRIEF: (&str, &str) = ("SECRET_TTL_SECONDS", "1");

/// Requests tokens until the response is `wanted`.
async fn ask_until(stack: &Stack, wanted: impl Fn(&HttpResponse) -> bool) -> HttpResponse {
    let started = Instant::now();
    loop {
        let response = stack.http(&by("7")).await;
        if wanted(&response) {
            return response;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{response:?}");
        tokio::task::yield_now().await;
    }
}

fn kid(response: &HttpResponse) -> Option<String> {
    let header = header_of(response.json()["token"].as_str()?)?;
    header["kid"].as_str().map(ToOwned::to_owned)
}

fn has_metric(stack: &Stack, name: &str) -> bool {
    let lines = stack.function.output().json();
    lines
        .iter()
        .any(|line| line[name].is_number() && line["_aws"].is_object())
}

#[tokio::test]
async fn the_key_is_read_during_init_and_not_during_a_request() {
    let stack = Stack::start(&[]).await;
    assert_eq!(stack.reads(), 1);
    for _ in 0..10 {
        stack.token(&by("7")).await;
    }
    assert_eq!(stack.aws.requests().len(), 1);
    for metric in ["Signed", "KeyAge", "ColdStart", "Duration"] {
        assert!(has_metric(&stack, metric), "{metric}");
    }
}

#[tokio::test]
async fn a_key_is_rolled_over_by_its_active_kid() {
    let stack = Stack::start(&[BRIEF]).await;
    let response = stack.http(&by("7")).await;
    assert_eq!(kid(&response).as_deref(), Some(KID));
    stack.aws.put_secret(SECRET_ID, &keys("app_a")).await;
    ask_until(&stack, |response| kid(response).as_deref() == Some("app_a")).await;
}

#[tokio::test]
async fn secrets_manager_may_fail_for_a_while_once_a_key_is_there() {
    let stack = Stack::start(&[BRIEF]).await;
    stack.aws.set_faults([down()]);
    ask_until(&stack, |response| {
        assert_eq!(response.status, 200);
        has_metric(&stack, "SecretFetchFailed")
    })
    .await;
    let warned =
        |line: &str| line.contains("WARN") && line.contains("a secret could not be fetched");
    stack.function.output().line(warned).await;
    let asked = stack.reads();
    stack.token(&by("7")).await;
    assert_eq!(
        stack.reads(),
        asked,
        "a failed fetch is not retried at once"
    );
}

#[tokio::test]
async fn a_refused_key_is_not_served_stale() {
    let stack = Stack::start(&[BRIEF]).await;
    stack
        .aws
        .set_faults([refusing(400, "AccessDeniedException")]);
    let refused = ask_until(&stack, |response| response.status != 200).await;
    assert_problem(&refused, 503, "keys_unavailable");
    stack.aws.set_faults([down()]);
    assert_problem(&stack.http(&by("7")).await, 503, "keys_unavailable");
    stack.aws.set_faults([]);
    ask_until(&stack, |response| response.status == 200).await;
}

#[tokio::test]
async fn a_deleted_key_is_not_served_stale() {
    let stack = Stack::start(&[BRIEF]).await;
    stack.aws.delete_secret(SECRET_ID).await;
    let missing = ask_until(&stack, |response| response.status != 200).await;
    assert_problem(&missing, 503, "keys_unavailable");
}

#[tokio::test]
async fn without_a_key_the_function_starts_responds_with_503_and_recovers() {
    let faults = [
        down(),
        refusing(400, "AccessDeniedException"),
        refusing(400, "ThrottlingException"),
        Fault::new(Service::SecretsManager, Effect::DropRequest),
        Fault::new(Service::SecretsManager, Effect::DropResponse),
    ];
    let recover = async |fault| {
        let aws = Aws::start().await.unwrap();
        aws.put_secret(SECRET_ID, &keys(KID)).await;
        aws.set_faults([fault]);
        let stack = Stack::on(Secrets { aws }, &[]).await;
        let response = stack.http(&by("7")).await;
        assert_problem(&response, 503, "keys_unavailable");
        assert_eq!(response.header("retry-after"), Some("5"));
        stack.aws.set_faults([]);
        ask_until(&stack, |response| response.status == 200).await;
    };
    join_all(faults.map(recover)).await;
}

#[tokio::test]
async fn without_a_key_requests_do_not_make_secrets_manager_be_asked_at_will() {
    for fault in [down(), refusing(400, "AccessDeniedException")] {
        let aws = Aws::start().await.unwrap();
        aws.put_secret(SECRET_ID, &keys(KID)).await;
        aws.set_faults([fault]);
        let stack = Stack::on(Secrets { aws }, &[]).await;
        let reads = stack.reads();
        for _ in 0..6 {
            assert_problem(&stack.http(&by("7")).await, 503, "keys_unavailable");
        }
        assert_eq!(stack.reads(), reads);
    }
}

#[tokio::test]
async fn white_space_around_a_secret_is_logged_without_the_secret() {
    let aws = Aws::start().await.unwrap();
    let secret = json!({"activeKid": KID, "keys": {KID: format!("{SECRET}\n")}});
    aws.put_secret(SECRET_ID, &secret).await;
    let stack = Stack::on(Secrets { aws }, &[]).await;
    stack.token(&by("7")).await;
    let warned = |line: &str| line.contains("WARN") && line.contains("white space around it");
    let line = stack.function.output().line(warned).await;
    assert!(line.contains(KID) && !line.contains(SECRET), "{line}");
    assert!(has_metric(&stack, "SecretLooksWrong"));
}

/// Zendesk refuses every token of such a key, and no one else notices.
#[tokio::test]
async fn a_key_of_another_kind_is_counted() {
    let aws = Aws::start().await.unwrap();
    let secret = json!({"activeKid": "int_a", "keys": {"int_a": SECRET}});
    aws.put_secret(SECRET_ID, &secret).await;
    let stack = Stack::on(Secrets { aws }, &[]).await;
    stack.token(&by("7")).await;
    let warned = |line: &str| line.contains("WARN") && line.contains("does not begin with app_");
    stack.function.output().line(warned).await;
    assert!(has_metric(&stack, "SecretLooksWrong"));
}

#[tokio::test]
async fn a_key_that_looks_right_is_not_counted() {
    let stack = Stack::start(&[]).await;
    stack.token(&by("7")).await;
    assert!(!has_metric(&stack, "SecretLooksWrong"));
}

#[tokio::test]
async fn a_slow_secrets_manager_costs_503_and_not_the_deadline() {
    let stack = cold(&[]).await;
    let slow = Fault {
        delay_ms: 60_000,
        ..Fault::new(Service::SecretsManager, Effect::Delay)
    };
    stack.aws.set_faults([slow]);
    assert_problem(&stack.http(&by("7")).await, 503, "keys_unavailable");

    tokio::time::sleep(RETRY_AFTER).await;
    let soon = Duration::from_secs(2);
    let response = stack
        .function
        .invoke_within(&by("7").api_gateway(), soon)
        .await;
    assert!(matches!(
        HttpResponse::new(response.unwrap()).status,
        503 | 504
    ));
    stack.aws.set_faults([]);
    ask_until(&stack, |response| response.status == 200).await;
}

#[tokio::test]
async fn the_error_of_a_secret_with_a_wrong_shape_names_the_field() {
    for (secret, field) in [
        (None, "ResourceNotFoundException"),
        (Some(json!("CANARY")), "SecretString"),
        (Some(json!({"keys": {KID: SECRET}})), "activeKid"),
        (
            Some(json!({"activeKid": KID, "keys": {"app_a": SECRET}})),
            "activeKid",
        ),
        (Some(json!({"activeKid": KID})), "keys"),
        (Some(json!({"activeKid": KID, "keys": [SECRET]})), "keys"),
        (
            Some(json!({"activeKid": KID, "keys": {KID: ""}})),
            "keys.app_b",
        ),
        (
            Some(json!({"activeKid": KID, "keys": {KID: {"secret": SECRET}}})),
            "keys.app_b",
        ),
    ] {
        let aws = Aws::start().await.unwrap();
        if let Some(secret) = secret {
            aws.put_secret(SECRET_ID, &secret).await;
        }
        let stack = Stack::on(Secrets { aws }, &[]).await;
        assert_problem(&stack.http(&by("7")).await, 503, "keys_unavailable");
        let is_warning = |line: &str| line.contains("WARN") && line.contains(field);
        stack.function.output().line(is_warning).await;
        let output = stack.function.output().lines().join("\n");
        assert!(!output.contains("CANARY"), "{output}");
    }
}

#[tokio::test]
async fn a_secret_of_zendesks_usual_length_warns_and_signs() {
    let aws = Aws::start().await.unwrap();
    let short = "CANARY-of-24-characters!";
    let secret = json!({"activeKid": KID, "keys": {KID: short}});
    aws.put_secret(SECRET_ID, &secret).await;
    let stack = Stack::on(Secrets { aws }, &[]).await;
    stack.token(&by("7")).await;
    let warned = |line: &str| line.contains("WARN") && line.contains("shorter than 32 bytes");
    let line = stack.function.output().line(warned).await;
    assert!(!line.contains("CANARY"), "{line}");
}
