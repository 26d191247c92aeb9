//! Secrets, emails and external ids reach no log line, however much is logged.

use super::*;

#[tokio::test]
async fn no_log_line_contains_a_secret_or_the_person_of_an_event() {
    for format in ["Text", "JSON"] {
        let loudly = [("RUST_LOG", "trace"), ("AWS_LAMBDA_LOG_FORMAT", format)];
        let stack = Stack::start(&loudly).await;
        let taken = changed("CANARY-event", "CANARY-old", "CANARY-new");
        stack.deliver(&taken).await;
        stack.deliver(&taken).await;
        let mut other = changed("CANARY-other", "CANARY-old", "CANARY\nnew");
        stack.deliver(&other).await;
        other["time"] = json!("CANARY-time");
        let now = seconds_from_now(0);
        let signature = webhook::signature("another", &now, b"CANARY");
        for (event, status) in [
            (signed(&other), 400),
            (signed_body("CANARY"), 400),
            (signed_body(&"CANARY".repeat(3000)), 413),
            (with_signature(&now, &signature).body("CANARY"), 401),
            (with_signature("CANARY", "CANARY").body("CANARY"), 401),
            (HttpEvent::post("/CANARY").body("CANARY"), 404),
        ] {
            let response = stack.http(&event).await;
            assert_eq!(response.status, status, "{response:?}");
            assert!(!format!("{response:?}").contains("CANARY"), "{response:?}");
        }
        for fault in [
            Fault::error(Service::DynamoDb, 400, "AccessDeniedException"),
            Fault::new(Service::DynamoDb, Effect::Shorten),
        ] {
            stack.aws.set_faults([fault]);
            let event = changed("CANARY-third", "CANARY-old", "CANARY-new");
            assert_problem(&stack.http(&signed(&event)).await, 503, "upstream_busy");
            stack.aws.set_faults([]);
        }
        let lines = stack.function.output().lines();
        assert!(lines.iter().any(|line| line.contains("CloudWatchMetrics")));
        for line in lines {
            let is_clean = ["CANARY", "canary-mail"]
                .iter()
                .all(|it| !line.contains(it));
            assert!(is_clean, "{line}");
        }
    }
}
