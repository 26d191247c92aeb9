//! The harness itself: a function under our Runtime API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::lambda::{Function, LambdaError};
use serde_json::{Value, json};

async fn start(environment: &[(&str, &str)]) -> Result<Function, LambdaError> {
    let program = env!("CARGO_BIN_EXE_echo").into();
    Function::start_program("echo", program, environment.iter().copied()).await
}

#[tokio::test]
async fn an_event_reaches_the_function_with_its_context_and_the_response_comes_back() {
    let function = start(&[]).await.unwrap();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();

    let event = json!({"n": 1});
    let first = function.invoke_within(&event, Duration::from_secs(20));
    let first = first.await.unwrap();
    let second = function.invoke(&json!({"n": 2})).await.unwrap();

    assert_eq!(first["event"], json!({"n": 1}));
    assert_eq!(second["event"], json!({"n": 2}));
    assert_ne!(first["request"], second["request"]);
    assert!(first["function"].as_str().unwrap().ends_with(":echo"));
    let allowed = u128::from(first["deadline"].as_u64().unwrap()) - before.as_millis();
    assert!((20_000..25_000).contains(&allowed), "{allowed}");
}

#[tokio::test]
async fn simultaneous_invocations_all_get_a_response() {
    let function = start(&[]).await.unwrap();
    let events: Vec<Value> = (0..3).map(|n| json!({ "n": n })).collect();
    let (a, b, c) = tokio::join!(
        function.invoke(&events[0]),
        function.invoke(&events[1]),
        function.invoke(&events[2]),
    );
    for (response, event) in [a, b, c].into_iter().zip(&events) {
        assert_eq!(&response.unwrap()["event"], event);
    }
}

#[tokio::test]
async fn the_process_sees_only_the_variables_that_it_was_given() {
    let function = start(&[("GIVEN", "yes")]).await.unwrap();
    let line = function
        .output()
        .line(|line| line.starts_with("hello"))
        .await;
    assert!(line.contains(r#"("GIVEN", "yes")"#), "{line}");
    assert!(line.contains("AWS_LAMBDA_FUNCTION_NAME"), "{line}");
    assert!(!line.contains("CARGO"), "{line}");
    assert!(!line.contains(r#"("PATH""#), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_written_before_the_response_is_there_with_it() {
    let function = start(&[]).await.unwrap();
    for number in 0..300 {
        let event = json!({"do": "write", "number": number});
        function.invoke(&event).await.unwrap();
        let lines = function.output().json();
        assert_eq!(lines.last(), Some(&event));
    }
}

#[tokio::test]
async fn a_deadline_starts_with_the_invocations_turn() {
    let function = start(&[]).await.unwrap();
    let wait = json!({"do": "wait", "millis": 600});
    let second = Duration::from_secs(1);
    let (first, last) = tokio::join!(
        function.invoke_within(&wait, second),
        function.invoke_within(&wait, second),
    );
    first.unwrap();
    last.unwrap();
}

#[tokio::test]
async fn errors_of_the_handler_come_back_and_the_process_goes_on() {
    let function = start(&[]).await.unwrap();
    let failed = function.invoke(&json!({"do": "fail"})).await;
    let Err(LambdaError::Function(error)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(error["errorMessage"], "told to fail");
    function.invoke(&json!({})).await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_process_is_seen_with_status_and_output() {
    let mut function = start(&[]).await.unwrap();
    let ended = function.invoke(&json!({"do": "exit"})).await;
    let Err(LambdaError::Exited { status, output }) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(status.code(), Some(3));
    assert!(output.contains("hello"));

    function.restart().await.unwrap();
    function.invoke(&json!({})).await.unwrap();
    assert_eq!(
        function.output().lines().len(),
        2,
        "each process wrote one line"
    );
}

#[tokio::test]
async fn a_function_past_its_deadline_is_killed() {
    let mut function = start(&[]).await.unwrap();
    let event = json!({"do": "hang"});
    let late = function.invoke_within(&event, Duration::from_millis(50));
    assert!(matches!(late.await, Err(LambdaError::TimedOut)));
    assert_eq!(function.exited().await.code(), None, "it ended by a signal");
    function.restart().await.unwrap();
    function.invoke(&json!({})).await.unwrap();
}

#[tokio::test]
async fn a_function_killed_during_an_invocation_ends_by_a_signal() {
    let function = start(&[]).await.unwrap();
    let event = json!({"do": "hang"});
    let (ended, _) = tokio::join!(function.invoke(&event), function.kill());
    assert!(matches!(ended, Err(LambdaError::Exited { status, .. }) if status.code().is_none()));
}

#[tokio::test]
async fn a_function_that_cannot_start_is_an_error_at_once() {
    let Err(LambdaError::Exited { status, output }) = start(&[("REFUSE_TO_START", "1")]).await
    else {
        panic!("it started");
    };
    assert_eq!(status.code(), Some(1));
    assert!(output.contains("told not to start"), "{output}");
}
