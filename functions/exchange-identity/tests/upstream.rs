//! A failing Puzzel: the caller gets typed errors, in time, without any of Puzzel's text, and no
//! call is repeated blindly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends if anything is not as expected"
)]

mod support;

use std::time::{Duration, Instant};

use exchange_identity::ExchangeIdentity;
use serde_json::{Value, json};
use support::{
    CHALLENGE, Fault, Faulty, IDENTIFY, START, USER_INFO_ID, call, call_within, response,
};
use support::{event, function, puzzel, read_request, token};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

const CANARY: &str = "{\"message\":\"CANARY\"}";

/// Each fault of Puzzel, with the status, code and `Retry-After` that the caller gets.
fn faults() -> Vec<(Fault, (u64, &'static str), Option<&'static str>)> {
    let say = |status, headers| Fault::Say(response(status, headers, CANARY));
    let rejected = (403, "identity_rejected");
    let error = (502, "upstream_error");
    let busy = (503, "upstream_busy");
    let timeout = (504, "upstream_timeout");
    vec![
        (say(400, ""), rejected, None),
        (say(401, ""), rejected, None),
        (say(403, ""), rejected, None),
        (say(404, ""), error, None),
        (say(409, ""), error, None),
        (say(429, ""), busy, Some("5")),
        (say(429, "retry-after: 7\r\n"), busy, Some("7")),
        (say(500, "retry-after: 7\r\n"), error, None),
        (say(503, ""), error, None),
        (say(503, "retry-after: 9\r\n"), busy, Some("9")),
        (say(302, "location: /CANARY\r\n"), error, None),
        (Fault::Say(String::new()), error, None),
        (Fault::Say("CANARY\r\n\r\n".to_owned()), error, None),
        (
            Fault::Say("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_owned()),
            error,
            None,
        ),
        (Fault::Reset, error, None),
        (Fault::Flood(50_000_000), error, None),
        (Fault::Hang, timeout, None),
        (Fault::Trickle, timeout, None),
    ]
}

/// The time of the invocation, which is short if the upstream never finishes.
fn time(fault: &Fault) -> Duration {
    match fault {
        Fault::Hang | Fault::Trickle => Duration::from_millis(750),
        _ => Duration::from_secs(20),
    }
}

/// The event of a user who authenticates.
fn authenticate() -> Value {
    let sent = json!({"codeChallenge": CHALLENGE});
    event("POST", "/puzzel/identity", &token(), &sent)
}

/// A listener, and the function that takes it for both of Puzzel's hosts.
async fn listener_and_function() -> (TcpListener, ExchangeIdentity) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let function = function(&url, &url, &[]).await;
    (listener, function)
}

/// Reads a request, and responds with a `userInfoId`.
async fn serve(stream: &mut TcpStream) {
    read_request(stream).await;
    let ok = response(200, "", &json!({"userInfoId": USER_INFO_ID}).to_string());
    stream.write_all(ok.as_bytes()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_authenticate_is_a_typed_error() {
    for (fault, expected, retry_after) in faults() {
        for (method, path) in [
            ("POST", "/puzzel/identity"),
            ("POST", START),
            ("PUT", IDENTIFY),
        ] {
            let upstream = Faulty::start(fault.clone()).await;
            let function = function(&upstream.url, "http://127.0.0.1:9", &[]).await;
            let sent = match path {
                "/puzzel/identity" => json!({"codeChallenge": CHALLENGE}),
                _ => Value::Null,
            };
            let began = Instant::now();
            let event = event(method, path, &token(), &sent);
            let reply = call_within(&function, &event, time(&fault)).await;
            assert!(began.elapsed() < Duration::from_secs(3), "{fault:?}");
            let (status, code) = reply.problem();
            assert_eq!((status, code.as_str()), expected, "{fault:?}");
            assert_eq!(reply.header("retry-after"), retry_after, "{fault:?}");
            assert!(!reply.text().contains("CANARY"));
            assert_eq!(upstream.requests(), 1, "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_chat_call_is_a_typed_error() {
    let puzzel = puzzel().await;
    for (fault, expected, retry_after) in faults() {
        for (method, path) in [("POST", START), ("PUT", IDENTIFY)] {
            let upstream = Faulty::start(fault.clone()).await;
            let function = function(&puzzel.uri(), &upstream.url, &[]).await;
            let event = event(method, path, &token(), &Value::Null);
            let reply = call_within(&function, &event, time(&fault)).await;
            let (status, code) = reply.problem();
            assert_eq!((status, code.as_str()), expected, "{fault:?}");
            assert_eq!(reply.header("retry-after"), retry_after, "{fault:?}");
            assert!(!reply.text().contains("CANARY"));
            assert!(!reply.text().contains(USER_INFO_ID));
            assert_eq!(upstream.requests(), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn authenticate_needs_a_user_info_id() {
    for body in [
        "",
        "<html>CANARY</html>",
        "{}",
        "[\"usr\"]",
        r#"{"userInfoId":""}"#,
        r#"{"userInfoId":null}"#,
        r#"{"userInfoId":12}"#,
        r#"{"userInfoId":"a\nb"}"#,
        r#"{"userinfoid":"usr"}"#,
    ] {
        let upstream = Faulty::start(Fault::Say(response(200, "", body))).await;
        let function = function(&upstream.url, &upstream.url, &[]).await;
        let reply = call(&function, &authenticate()).await;
        assert_eq!(
            reply.problem(),
            (502, "upstream_error".to_owned()),
            "{body}"
        );
        assert_eq!(upstream.requests(), 1);
    }
}

#[tokio::test]
async fn any_2xx_of_a_chat_call_is_success() {
    let puzzel = puzzel().await;
    let large = format!("{{\"n\": {}, \"f\": 1.10}}", "9".repeat(40));
    for (status, body, conversation) in [
        (200, "{\"id\": 1}", "{\"id\": 1}"),
        (201, " [1] ", "[1]"),
        (200, large.as_str(), large.as_str()),
        (202, "", "null"),
        (204, "", "null"),
        (200, "<html>", "null"),
        (200, "{\"id\":", "null"),
    ] {
        let upstream = Faulty::start(Fault::Say(response(status, "", body))).await;
        let function = function(&puzzel.uri(), &upstream.url, &[]).await;
        let reply = call(&function, &event("POST", START, &token(), &Value::Null)).await;
        assert_eq!(reply.status(), 200, "{body}");
        let expected = format!("{{\"conversation\":{conversation}}}");
        assert!(
            reply.text().contains(&json!(expected).to_string()),
            "{reply:?}"
        );
        let reply = call(&function, &event("PUT", IDENTIFY, &token(), &Value::Null)).await;
        assert_eq!(reply.status(), 204, "{body}");
    }
}

/// Waits for a server to end, with a limit, since it may be waiting for a call that never comes.
async fn ended<T>(server: tokio::task::JoinHandle<T>) -> T {
    let end = tokio::time::timeout(Duration::from_secs(10), server).await;
    end.expect("the server got all the calls it waits for")
        .unwrap()
}

#[tokio::test]
async fn a_refused_connection_is_an_upstream_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let function = function(&url, &url, &[]).await;
    let reply = call(&function, &event("POST", START, &token(), &Value::Null)).await;
    assert_eq!(reply.problem(), (502, "upstream_error".to_owned()));
}

/// An environment that was frozen finds its connection closed. The user must not notice.
#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_error() {
    for reads_it in [false, true] {
        let (listener, function) = listener_and_function().await;
        let event = authenticate();
        let server = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            serve(&mut first).await;
            if reads_it {
                read_request(&mut first).await;
            }
            drop(first);
            let (mut second, _) = listener.accept().await.unwrap();
            serve(&mut second).await;
            listener
        });
        for _ in 0..2 {
            assert_eq!(call(&function, &event).await.status(), 200);
        }
        ended(server).await;
    }
}

/// A call is retried once, and not until it works.
#[tokio::test]
async fn a_failed_retry_is_not_retried() {
    let (listener, function) = listener_and_function().await;
    let event = authenticate();
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        serve(&mut first).await;
        read_request(&mut first).await;
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        read_request(&mut second).await;
        listener
    });
    assert_eq!(call(&function, &event).await.status(), 200);
    let reply = call(&function, &event).await;
    assert_eq!(reply.problem(), (502, "upstream_error".to_owned()));
    let listener = ended(server).await;
    let third = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(third.is_err(), "the call came a third time");
}

/// Both hosts are the same here, so one connection can serve all calls.
#[tokio::test]
async fn one_connection_serves_all_calls() {
    let (listener, function) = listener_and_function().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..20 {
            serve(&mut stream).await;
        }
    });
    for _ in 0..10 {
        let reply = call(&function, &event("POST", START, &token(), &Value::Null)).await;
        assert_eq!(reply.status(), 200);
    }
    ended(server).await;
}
