//! The signing secrets: several for a rollover, and none that prove nothing.

use std::time::{Duration, Instant};

use super::*;

/// The status of an event that this secret signed.
async fn status(stack: &Stack, secret: &str) -> u16 {
    let (now, body) = (seconds_from_now(0), changed("e", "", "1").to_string());
    let signature = webhook::signature(secret, &now, body.as_bytes());
    let event = with_signature(&now, &signature).body(&body);
    stack.http(&event).await.status
}

/// Sends what this secret signed until the answer has this status.
async fn until(stack: &Stack, secret: &str, wanted: u16) {
    let began = Instant::now();
    while status(stack, secret).await != wanted {
        assert!(began.elapsed() < Duration::from_mins(1), "never {wanted}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_of_several_secrets_is_good() {
    let secrets = json!({"signingSecrets": ["first", "second"]});
    let stack = Stack::with_secret(&secrets, &[]).await;
    for (secret, wanted) in [("first", 200), ("second", 200), ("third", 401)] {
        assert_eq!(status(&stack, secret).await, wanted, "{secret}");
    }
}

#[tokio::test]
async fn a_secret_is_rolled_over_without_a_refusal() {
    let old = json!({"signingSecrets": ["old"]});
    let stack = Stack::with_secret(&old, &[("SECRET_TTL_SECONDS", "1")]).await;
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
        let stack = Stack::with_secret(&secret, &[]).await;
        let answer = stack.http(&signed(&changed("e", "1", "2"))).await;
        assert_problem(&answer, 503, "keys_unavailable");
        let names_it = |line: &str| line.contains("signingSecrets");
        let line = stack.function.output().line(names_it).await;
        assert!(
            !line.contains(SECRET) && !line.contains(published),
            "{line}"
        );
        assert_eq!(stack.aws.items(TABLE), [Value::Null; 0]);
    }
}

#[tokio::test]
async fn without_a_secret_zendesk_is_asked_to_deliver_again() {
    let aws = Aws::start().await.unwrap();
    aws.put_secret(SECRET_ID, &json!({"signingSecrets": [SECRET]}))
        .await;
    aws.create_table(conflicts_table(TABLE));
    let down = Fault::error(Service::SecretsManager, 500, "InternalServiceError");
    aws.set_faults([down]);
    let function = launch(&aws, &[]).await;
    let stack = Stack { aws, function };
    let event = signed(&changed("e", "1", "2"));
    assert_problem(&stack.http(&event).await, 503, "keys_unavailable");
    stack.aws.set_faults([]);
    assert_eq!(stack.http(&event).await.status, 200);
}
