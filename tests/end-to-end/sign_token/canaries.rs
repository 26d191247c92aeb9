//! Secrets, tokens and personal data do not leak.

use std::time::Duration;

use super::*;

/// The personal data in a user's token.
const PERSONAL: [&str; 4] = ["CANARY-sub", "CANARY-name", "CANARY-mail", "CANARY-was"];

/// The forbidden texts, and the places in which they were found.
struct Watch {
    forbidden: Vec<String>,
}

impl Watch {
    /// Watches for the secrets, the personal claims, and the parts of `tokens`.
    fn over(tokens: &[&str]) -> Self {
        let mut forbidden = vec!["CANARY".to_owned()];
        for token in tokens {
            // The header is the same for everyone.
            forbidden.extend(token.split('.').skip(1).map(ToOwned::to_owned));
        }
        forbidden.retain(|part| part.len() > 3);
        Self { forbidden }
    }

    fn check(&self, place: &str, text: &str) {
        for canary in &self.forbidden {
            assert!(
                !text.contains(canary.as_str()),
                "{canary} in {place}: {text}"
            );
        }
    }

    fn check_output(&self, function: &Function) {
        let lines = function.output().lines();
        assert!(lines.iter().any(|line| line.contains("CloudWatchMetrics")));
        for line in lines {
            self.check("the log", &line);
        }
    }
}

fn user() -> Value {
    json!({"sub": PERSONAL[0], "name": PERSONAL[1], "email": "CANARY-mail@example.com",
        "email_verified": "true", "was": PERSONAL[3]})
}

/// The variables for the most verbose logs.
fn loudly(format: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("RUST_LOG", "trace"),
        ("AWS_LAMBDA_LOG_FORMAT", format),
        ("PREVIOUS_EXTERNAL_ID_CLAIM", "was"),
    ]
}

#[tokio::test]
async fn on_success_only_the_response_contains_the_token() {
    for format in ["Text", "JSON"] {
        let stack = Stack::start(&loudly(format)).await;
        let response = stack.http(&HttpEvent::post(PATH).claims(user())).await;
        let token = response.json()["token"].as_str().unwrap().to_owned();
        let watch = Watch::over(&[&token]);
        watch.check_output(&stack.function);
        assert!(!response.body.contains("CANARY-mail") && !response.body.contains("thirty-two"));
    }
}

#[tokio::test]
async fn no_error_contains_the_data_that_caused_it() {
    let stack = Stack::start(&loudly("JSON")).await;
    let of_user = || HttpEvent::post(PATH).claims(user());
    let body = |body: &str| {
        of_user()
            .header("content-type", "application/json")
            .body(body)
    };
    let watch = Watch::over(&[]);
    for (event, status) in [
        (body(r#"{"CANARY":1}"#), 400),
        (body(r#"{"includeEmail":"CANARY"}"#), 400),
        (body("CANARY"), 400),
        (of_user().base64_body(b"CANARY\xff"), 400),
        (HttpEvent::post(PATH).header("x-email", "CANARY"), 401),
        (
            HttpEvent::post(PATH).claims(json!({"sub": ["CANARY"], "email": "CANARY"})),
            401,
        ),
        (
            HttpEvent::post("/CANARY")
                .query("email=CANARY")
                .claims(user()),
            404,
        ),
        (HttpEvent::new("CANARY", PATH).claims(user()), 405),
        (body(&"CANARY".repeat(3000)), 413),
        (body("{}").header("content-type", "CANARY/json"), 415),
        (by("CANARY\n"), 422),
    ] {
        let response = stack.http(&event).await;
        assert_eq!(response.status, status, "{response:?}");
        watch.check("the response", &format!("{response:?}"));
    }
    let failed = stack.function.invoke(&json!({"email": "CANARY"})).await;
    let Err(LambdaError::Function(error)) = failed else {
        panic!("{failed:?}");
    };
    watch.check("the error", &error.to_string());
    watch.check_output(&stack.function);
}

#[tokio::test]
async fn no_bearer_token_leaks_whether_it_is_valid_or_not() {
    let issuer = Issuer::start().await.unwrap();
    let url = issuer.url();
    let variables = [&bearer(&url)[..], &loudly("Text")].concat();
    let stack = Stack::start(&variables).await;
    let valid = issuer.id_token(user());
    let expired = issuer.id_token(json!({"sub": "CANARY", "ttl_seconds": -3600}));
    let foreign = issuer.id_token(json!({"sub": "CANARY", "aud": "CANARY"}));
    let nobody = issuer.id_token(json!({"email": "CANARY"}));
    let broken = format!("{valid}CANARY");
    let watch = Watch::over(&[&valid, &expired, &foreign, &nobody, &broken]);
    for token in [&expired, &foreign, &nobody, &broken, &"CANARY".to_owned()] {
        let response = stack.http(&HttpEvent::post(PATH).bearer(token)).await;
        assert_problem(&response, 401, "unauthenticated");
        watch.check("the response", &format!("{response:?}"));
    }
    stack.token(&HttpEvent::post(PATH).bearer(&valid)).await;
    watch.check_output(&stack.function);
}

#[tokio::test]
async fn no_failure_of_secrets_manager_reveals_a_secret() {
    let aws = Aws::start().await.unwrap();
    aws.put_secret(
        SECRET_ID,
        &json!({"activeKid": KID, "keys": {KID: SECRET, "app_a": {"a": SECRET}}}),
    )
    .await;
    let stack = Stack::on(Secrets { aws }, &loudly("JSON")).await;
    let watch = Watch::over(&[]);
    let event = HttpEvent::post(PATH).claims(user());
    for faults in [
        vec![],
        vec![down()],
        vec![refusing(400, "AccessDeniedException")],
        vec![Fault::new(Service::SecretsManager, Effect::DropResponse)],
    ] {
        stack.aws.set_faults(faults);
        tokio::time::sleep(RETRY_AFTER).await;
        let response = stack.http(&event).await;
        assert_problem(&response, 503, "keys_unavailable");
        watch.check("the response", &format!("{response:?}"));
    }
    let slow = Fault {
        delay_ms: 60_000,
        ..Fault::new(Service::SecretsManager, Effect::Delay)
    };
    stack.aws.set_faults([slow]);
    tokio::time::sleep(RETRY_AFTER).await;
    let soon = Duration::from_secs(2);
    let response = stack
        .function
        .invoke_within(&event.api_gateway(), soon)
        .await;
    watch.check("the response", &response.unwrap().to_string());
    watch.check_output(&stack.function);
}

/// `panics` is a handler on the same runtime, with the same telemetry, that panics with the
/// caller's token in its message. A test could not make ours panic.
#[tokio::test]
async fn a_panic_is_a_500_without_its_message_and_the_process_goes_on() {
    let function = Function::start("panics", loudly("JSON")).await.unwrap();
    let token = "CANARY-header.CANARY-claims.CANARY-signature";
    let watch = Watch::over(&[token]);
    for _ in 0..2 {
        let response = function.http(&HttpEvent::post("/").bearer(token)).await;
        let response = response.unwrap();
        assert_problem(&response, 500, "internal_error");
        watch.check("the response", &format!("{response:?}"));
    }
    let line = function
        .output()
        .line(|line| line.contains("the function panicked"))
        .await;
    assert!(line.contains("panics.rs"), "{line}");
    for line in function.output().lines() {
        watch.check("the log", &line);
    }
}
