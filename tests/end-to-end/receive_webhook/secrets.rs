//! The signing secrets: several during a rollover, and never one that proves nothing.

use std::time::{Duration, Instant};

use super::*;

/// The status of an event that this secret signed.
async fn status(stack: &Stack, secret: &str) -> u16 {
    let event = webhook::delivery(secret, &changed("e", "", "1").to_string());
    stack.http(&event).await.status
}

/// Sends events signed with this secret until the response has this status.
async fn until(stack: &Stack, secret: &str, wanted: u16) {
    let began = Instant::now();
    while status(stack, secret).await != wanted {
        assert!(began.elapsed() < Duration::from_mins(1), "never {wanted}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_of_several_secrets_is_accepted() {
    let secrets = json!({"signingSecrets": ["first", "second"]});
    let stack = Stack::on(Store::with_secret(&secrets).await, &[]).await;
    for (secret, wanted) in [("first", 200), ("second", 200), ("third", 401)] {
        assert_eq!(status(&stack, secret).await, wanted, "{secret}");
    }
}

#[tokio::test]
async fn a_secret_is_rolled_over_without_a_refusal() {
    let old = json!({"signingSecrets": ["old"]});
    let stack = Stack::on(
        Store::with_secret(&old).await,
        &[("SECRET_TTL_SECONDS", "1")],
    )
    .await;
    assert_eq!(status(&stack, "old").await, 200);
    let both = json!({"signingSecrets": ["old", "new"]});
    stack.aws.put_secret(SECRET_ID, &both).await;
    until(&stack, "new", 200).await;
    assert_eq!(status(&stack, "old").await, 200);
    let new = json!({"signingSecrets": ["new"]});
    stack.aws.put_secret(SECRET_ID, &new).await;
    until(&stack, "old", 401).await;
    assert_eq!(status(&stack, "new").await, 200);
}

#[tokio::test]
async fn a_secret_that_proves_nothing_is_refused_by_the_name_of_its_field() {
    let published = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
    for secret in [
        json!({"signingSecrets": [published]}),
        json!({"signingSecrets": [SECRET, published]}),
        json!({"signingSecrets": [""]}),
        json!({"signingSecrets": []}),
        json!({"signingSecret": SECRET}),
    ] {
        let stack = Stack::on(Store::with_secret(&secret).await, &[]).await;
        let response = stack.http(&signed(&changed("e", "1", "2"))).await;
        assert_problem(&response, 503, "keys_unavailable");
        let names_it = |line: &str| line.contains("signingSecrets");
        let line = stack.function.output().line(names_it).await;
        assert!(
            !line.contains(SECRET) && !line.contains(published),
            "{line}"
        );
        assert_eq!(stack.aws.items(TABLE), [Value::Null; 0]);
    }
}

/// Two webhooks with the same events are the way to roll a secret over: an event has one effect,
/// whether one of them or both deliver it.
#[tokio::test]
async fn two_webhooks_side_by_side_have_one_effect() {
    let secrets = json!({"signingSecrets": ["first", "second"]});
    let stack = Stack::on(Store::with_secret(&secrets).await, &[]).await;
    let event = changed("e", "1234", "123456").to_string();
    let mut recorded = Vec::new();
    for (secret, metric) in [("first", "ExternalIdChanged"), ("second", "Replayed")] {
        let response = stack.http(&webhook::delivery(secret, &event)).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert!(stack.counted(metric), "{secret}");
        recorded.push(stack.recorded());
    }
    assert_eq!(recorded[0], recorded[1]);
}

/// An operator who configured the test secret of Zendesk's documentation must be able to find that
/// out.
#[tokio::test]
async fn a_delivery_with_the_published_test_secret_is_named_in_the_log() {
    let stack = Stack::start(&[]).await;
    let published = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
    assert_eq!(status(&stack, published).await, 401);
    let names_it = |line: &str| line.contains("published test secret");
    let line = stack.function.output().line(names_it).await;
    assert!(!line.contains(published), "{line}");
}

#[tokio::test]
async fn without_a_secret_zendesk_is_asked_to_deliver_again() {
    let aws = Aws::start().await.unwrap();
    aws.put_secret(SECRET_ID, &json!({"signingSecrets": [SECRET]}))
        .await;
    aws.create_table(conflicts_table(TABLE));
    let down = Fault::error(Service::SecretsManager, 500, "InternalServiceError");
    aws.set_faults([down]);
    let stack = Stack::on(Store { aws }, &[]).await;
    let event = signed(&changed("e", "1", "2"));
    let response = stack.http(&event).await;
    assert_problem(&response, 503, "keys_unavailable");
    assert_eq!(response.header("retry-after"), Some("5"));
    stack.aws.set_faults([]);
    until(&stack, SECRET, 200).await;
}

/// Anyone can send a request, so without a secret a request must not cause a fetch each time.
#[tokio::test]
async fn without_a_secret_it_is_fetched_at_most_every_five_seconds() {
    for secret in [None, Some(json!({"signingSecrets": []})), Some(json!(""))] {
        let aws = Aws::start().await.unwrap();
        if let Some(secret) = &secret {
            aws.put_secret(SECRET_ID, secret).await;
        }
        aws.create_table(conflicts_table(TABLE));
        let stack = Stack::on(Store { aws }, &[]).await;
        let began = Instant::now();
        let first = stack.aws.count("GetSecretValue");
        for _ in 0..6 {
            assert_eq!(status(&stack, "forged").await, 503);
        }
        let fetched = stack.aws.count("GetSecretValue") - first;
        let allowed = usize::from(began.elapsed() > Duration::from_secs(4));
        assert!(fetched <= allowed, "{fetched} fetches with {secret:?}");
    }
}

#[tokio::test]
async fn the_response_comes_within_four_seconds_if_the_secret_does_not() {
    let aws = Aws::start().await.unwrap();
    aws.create_table(conflicts_table(TABLE));
    let stack = Stack::on(Store { aws }, &[]).await;
    let hang = Fault::new(Service::SecretsManager, Effect::Delay);
    stack.aws.set_faults([hang.after(Duration::from_mins(1))]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    let response = stack.http(&signed(&changed("e", "1", "2"))).await;
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_problem(&response, 503, "keys_unavailable");
}
