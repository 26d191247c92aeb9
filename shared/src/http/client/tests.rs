//! The client against raw sockets, because only they can fail in the ways that matter.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SOON: Duration = Duration::from_secs(5);
const LIMIT: usize = 1000;

/// Reads a request's head, and returns it.
async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

/// A listener for a server that a test plays, one connection after the other.
async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url.parse().unwrap())
}

/// Sends one request to a server that responds with `bytes` and closes.
async fn received(bytes: &'static str) -> Result<Received, TransportError> {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
    });
    let client = HttpClient::new().unwrap();
    let request = client.request(Method::GET, url);
    let response = client.send(request, Deadline::after(SOON), LIMIT).await;
    server.await.unwrap();
    response
}

#[tokio::test]
async fn a_response_with_any_status_is_a_success() {
    let response = received("HTTP/1.1 503 No\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nhi")
        .await
        .unwrap();
    assert_eq!(response.status, 503);
    assert_eq!(response.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(response.body, b"hi");
    assert!(
        !format!("{response:?}").contains("104"),
        "Debug hides the body"
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let response = received("HTTP/1.1 302 F\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(response.unwrap().status, 302);
}

#[tokio::test]
async fn early_ends_are_distinguished() {
    let end = received("").await.unwrap_err();
    assert_eq!(end, TransportError::ClosedBeforeResponse);
    let garbage = received("SSH-2.0-x\r\n\r\n").await.unwrap_err();
    assert_eq!(garbage, TransportError::ClosedBeforeResponse);
    let cut = received("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi").await;
    assert_eq!(cut.unwrap_err(), TransportError::Interrupted);
    let chunk = received("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhi").await;
    assert_eq!(chunk.unwrap_err(), TransportError::Interrupted);
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let body = "x".repeat(LIMIT + 1);
    let endless: &'static str = format!("HTTP/1.1 200 OK\r\n\r\n{body}").leak();
    assert_eq!(
        received(endless).await.unwrap_err(),
        TransportError::BodyTooLarge
    );
    let whole: &'static str = format!("HTTP/1.1 200 OK\r\n\r\n{}", &body[1..]).leak();
    assert_eq!(received(whole).await.unwrap().body.len(), LIMIT);
}

#[tokio::test]
async fn a_refused_connection_is_known_as_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?secret=canary", listener.local_addr().unwrap());
    drop(listener);
    let client = HttpClient::new().unwrap();
    let request = client.request(Method::POST, url.parse().unwrap());
    let refused = client.send(request, Deadline::after(SOON), LIMIT).await;
    assert_eq!(refused.unwrap_err(), TransportError::Connect);
}

#[tokio::test]
async fn the_deadline_holds_for_head_and_body() {
    for bytes in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"] {
        let (listener, url) = listen().await;
        let client = HttpClient::new().unwrap();
        let request = client.request(Method::GET, url);
        let soon = Deadline::after(Duration::from_millis(50));
        let (response, _open) = tokio::join!(client.send(request, soon, LIMIT), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            stream.write_all(bytes.as_bytes()).await.unwrap();
            stream
        });
        assert_eq!(response.unwrap_err(), TransportError::Timeout);
    }
}

#[tokio::test]
async fn a_connection_is_reused() {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..2 {
            assert!(head(&mut stream).await.starts_with("GET / HTTP/1.1\r\n"));
            let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(ok).await.unwrap();
        }
    });
    let client = HttpClient::new().unwrap();
    for _ in 0..2 {
        let request = client.request(Method::GET, url.clone());
        client
            .send(request, Deadline::after(SOON), LIMIT)
            .await
            .unwrap();
    }
    server.await.unwrap();
}

/// Sends a second request on a connection that has already carried a response; `reply` is the
/// server's reaction.
async fn on_a_kept_connection(reply: &'static str) -> TransportError {
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for bytes in ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", reply] {
            head(&mut stream).await;
            stream.write_all(bytes.as_bytes()).await.unwrap();
        }
    });
    let client = HttpClient::new().unwrap();
    let send = async || {
        let request = client.request(Method::GET, url.clone());
        client.send(request, Deadline::after(SOON), LIMIT).await
    };
    send().await.unwrap();
    let error = send().await.unwrap_err();
    server.await.unwrap();
    error
}

#[tokio::test]
async fn the_end_of_a_kept_connection_is_distinguished() {
    let silent = on_a_kept_connection("").await;
    assert_eq!(silent, TransportError::KeptConnectionClosed);
    let garbage = on_a_kept_connection("SSH-2.0-x\r\n\r\n").await;
    assert_eq!(garbage, TransportError::ClosedBeforeResponse);
}

/// Responds to one request on the next connection.
async fn respond_once(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    respond_on(&mut stream).await;
}

async fn respond_on(stream: &mut TcpStream) {
    head(stream).await;
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(ok).await.unwrap();
}

async fn get(client: &HttpClient, url: &Url) -> Result<Received, TransportError> {
    let request = client.request(Method::GET, url.clone());
    client.send(request, Deadline::after(SOON), LIMIT).await
}

#[tokio::test]
async fn a_connection_opened_ahead_carries_nothing_until_the_next_request_uses_it() {
    let (listener, url) = listen().await;
    let client = HttpClient::new().unwrap();
    client.connect_ahead(url.join("/x").unwrap()).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut byte = [0];
    let read = timeout(Duration::from_millis(50), stream.read(&mut byte)).await;
    assert!(read.is_err(), "nothing is sent and nothing is closed");
    let (response, ()) = tokio::join!(get(&client, &url), respond_on(&mut stream));
    assert_eq!(response.unwrap().status, 200);
    // It goes on as any other connection.
    let (response, ()) = tokio::join!(get(&client, &url), respond_on(&mut stream));
    assert_eq!(response.unwrap().status, 200);
    assert_eq!(client.connections.used(), 1);
}

#[tokio::test]
async fn a_connection_opened_ahead_serves_its_own_origin_only() {
    let (ahead, ahead_url) = listen().await;
    let (other, other_url) = listen().await;
    let client = HttpClient::new().unwrap();
    client.connect_ahead(ahead_url.clone()).await;
    let (response, ()) = tokio::join!(get(&client, &other_url), respond_once(&other));
    assert_eq!(response.unwrap().status, 200);
    let (response, ()) = tokio::join!(get(&client, &ahead_url), respond_once(&ahead));
    assert_eq!(response.unwrap().status, 200);
}

#[tokio::test]
async fn a_connection_opened_ahead_that_was_closed_is_replaced() {
    let (listener, url) = listen().await;
    let client = HttpClient::new().unwrap();
    client.connect_ahead(url.clone()).await;
    drop(listener.accept().await.unwrap());
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (response, ()) = tokio::join!(get(&client, &url), respond_once(&listener));
    assert_eq!(response.unwrap().status, 200);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_ahead_is_tried_again_by_the_request() {
    let (listener, url) = listen().await;
    drop(listener);
    let client = HttpClient::new().unwrap();
    client.connect_ahead(url.clone()).await;
    let error = get(&client, &url).await.unwrap_err();
    assert_eq!(error, TransportError::Connect);
}

#[tokio::test]
async fn a_request_that_fails_on_a_connection_opened_ahead_is_not_taken_for_a_kept_one() {
    // It is the first request on that connection, so it may well have been executed.
    let (listener, url) = listen().await;
    let client = HttpClient::new().unwrap();
    client.connect_ahead(url.clone()).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let (response, ()) = tokio::join!(get(&client, &url), async {
        head(&mut stream).await;
        drop(stream);
    });
    assert_eq!(response.unwrap_err(), TransportError::ClosedBeforeResponse);
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let wait = |value: String| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers)
    };
    assert_eq!(wait("0".into()), Some(Duration::ZERO));
    assert_eq!(wait("18446744073709551615".into()), Some(MAX_RETRY_AFTER));
    assert_eq!(wait("-1".into()), None);
    assert_eq!(wait("soon".into()), None);
    let then = SystemTime::now() + Duration::from_mins(1);
    let until = wait(httpdate::fmt_http_date(then)).unwrap();
    assert!(until > Duration::from_secs(50) && until <= Duration::from_mins(1));
    let past = wait("Sun, 06 Nov 1994 08:49:37 GMT".into());
    assert_eq!(past, Some(Duration::ZERO));
}
