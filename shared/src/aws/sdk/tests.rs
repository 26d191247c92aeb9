//! The SDK with our HTTP client, against raw sockets and a mock.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Config, Credentials, Region};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

/// The time of an attempt whose response is expected, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(30);
/// The time of an attempt that is meant to fail by it, if no other one is.
const IMPATIENT: Duration = Duration::from_secs(1);

fn client(endpoint: String, attempts: u32, timeout: Duration) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(1));
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(timeout)
        .build();
    Client::from_conf(
        Config::builder()
            .behavior_version_latest()
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(endpoint)
            .retry_config(retries)
            .timeout_config(timeouts)
            .http_client(http_client().unwrap())
            .build(),
    )
}

async fn put(client: &Client) -> Result<(), Failure> {
    let put = client.put_item().table_name("t");
    let put = put.item("pk", AttributeValue::S("x".to_owned())).send();
    // Boxed, because the SDK's futures are large.
    let put = Box::pin(put).await;
    put.map(drop).map_err(|error| failure(&error))
}

/// Reads a request, head and body, and responds that it succeeded.
async fn respond(stream: &mut TcpStream) -> String {
    let mut read = String::new();
    while !read.ends_with("\"}}}") {
        read.push(char::from(stream.read_u8().await.unwrap()));
    }
    let done = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(done).await.unwrap();
    read
}

#[tokio::test]
async fn a_rehearsal_opens_the_connection_and_sends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let client = client(endpoint, 1, PATIENT);
    let mut rehearsed = Ok(());
    rehearse(async { rehearsed = put(&client).await }).await;
    assert!(rehearsed.is_err());
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut byte)).await;
    assert!(read.is_err(), "nothing is sent and nothing is closed");

    let (done, request) = tokio::join!(put(&client), respond(&mut stream));
    assert_eq!(done, Ok(()));
    assert!(
        request.contains("x-amz-target: DynamoDB_20120810.PutItem"),
        "{request}"
    );
    assert!(
        request.contains("authorization: AWS4-HMAC-SHA256"),
        "{request}"
    );
}

#[tokio::test]
async fn a_failure_has_the_code_and_whether_it_is_temporary() {
    for (status, code, is_refusal) in [
        (400, "ValidationException", true),
        (400, "AccessDeniedException", true),
        (400, "ThrottlingException", false),
        (400, "RequestLimitExceeded", false),
        (500, "InternalServerError", false),
    ] {
        let server = MockServer::start().await;
        let body = serde_json::json!({"__type": code, "message": "CANARY"});
        let refusal = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(any())
            .respond_with(refusal)
            .mount(&server)
            .await;
        let failed = put(&client(server.uri(), 1, PATIENT)).await.unwrap_err();
        let why = code.to_owned();
        assert_eq!(failed, Failure { why, is_refusal });
        assert!(!failed.to_string().contains("CANARY"));
    }
}

#[tokio::test]
async fn network_failures_are_distinguished_and_retried() {
    let expected = |why: &str| Failure {
        why: why.to_owned(),
        is_refusal: false,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // The first connection closes, the second never responds, the third does.
    let server = tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        let (_silent, _) = listener.accept().await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        respond(&mut stream).await;
        listener
    });
    assert_eq!(put(&client(endpoint.clone(), 3, IMPATIENT)).await, Ok(()));
    let listener = server.await.unwrap();

    let once = client(endpoint, 1, IMPATIENT);
    let (silent, failed) = tokio::join!(listener.accept(), put(&once));
    assert_eq!(failed, Err(expected("timeout")));
    drop((silent, listener));
    assert_eq!(put(&once).await, Err(expected("connection failed")));
}

#[tokio::test]
async fn a_rehearsal_without_credentials_fails_harmlessly() {
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::from_static("eu-west-1"))
        .http_client(http_client().unwrap())
        .build();
    let client = Client::from_conf(config);
    rehearse(async { drop(put(&client).await) }).await;
}
