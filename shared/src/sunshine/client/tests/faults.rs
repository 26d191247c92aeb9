//! Connections that are refused, hang, break, or lose the response.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::client::TransportError;

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 49\r\n\r\n\
    {\"user\": {\"id\": \"7494535bff5cef41a15be74d\"}}     ";

/// The fault of a connection after the server has read the request.
#[derive(Clone, Copy)]
enum Fault {
    Close,
    Reset,
    Hang,
    Say(&'static str),
}

/// A server that applies these faults to its connections in turn, the last one for ever, and the
/// request lines that it received.
async fn failing(faults: &'static [Fault]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        let mut hanging = Vec::new();
        let mut faults = faults.iter().cycle_last();
        while let Ok((mut stream, _)) = listener.accept().await {
            let line = request_line(&mut stream).await;
            seen.lock().unwrap().push(line);
            match faults() {
                Fault::Close => {}
                Fault::Reset => stream.set_zero_linger().unwrap(),
                Fault::Hang => hanging.push(stream),
                Fault::Say(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
            }
        }
    });
    (base, lines)
}

trait CycleLast {
    fn cycle_last(self) -> impl FnMut() -> Fault;
}

impl CycleLast for std::slice::Iter<'static, Fault> {
    /// The items, and then the last one for ever.
    fn cycle_last(mut self) -> impl FnMut() -> Fault {
        let mut last = Fault::Close;
        move || {
            last = self.next().copied().unwrap_or(last);
            last
        }
    }
}

/// Reads a request without a body, and returns its first line.
async fn request_line(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    head.lines().next().unwrap().to_owned()
}

/// A timeout that only a hanging server reaches.
fn impatient(fault: Fault) -> Options {
    let attempt_timeout = match fault {
        Fault::Hang => Duration::from_millis(300),
        _ => fast().attempt_timeout,
    };
    Options {
        attempt_timeout,
        ..fast()
    }
}

const LOST: [(Fault, TransportError); 6] = [
    (Fault::Close, TransportError::ClosedBeforeResponse),
    (Fault::Reset, TransportError::ClosedBeforeResponse),
    (Fault::Hang, TransportError::Timeout),
    (
        Fault::Say("HTTP/1.1 200 OK\r\ncontent-le"),
        TransportError::ClosedBeforeResponse,
    ),
    (
        Fault::Say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),
        TransportError::Interrupted,
    ),
    (
        Fault::Say("garbage\r\n\r\n"),
        TransportError::ClosedBeforeResponse,
    ),
];

#[tokio::test]
async fn a_change_whose_response_was_lost_is_unknown_and_never_retried() {
    for (fault, cause) in LOST {
        let (base, lines) = failing(Box::leak(Box::new([fault]))).await;
        let client = client_of(&base, impatient(fault));
        let error = client.delete_user(&user_id(), soon()).await.unwrap_err();
        assert_eq!(error, Error::Unknown(Box::new(Error::Transport(cause))));
        assert_eq!(lines.lock().unwrap().len(), 1);
    }
}

/// HTTP clients like to retry a request that failed on a pooled connection.
#[tokio::test]
async fn a_change_that_was_lost_on_a_pooled_connection_is_not_retried_either() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let client = client_of(&base, fast());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request_line(&mut stream).await;
        let kept = OK.replace("connection: close\r\n", "");
        stream.write_all(kept.as_bytes()).await.unwrap();
        assert!(request_line(&mut stream).await.starts_with("DELETE "));
        drop(stream);
        listener
    });
    client.user(&user_id(), soon()).await.unwrap();
    let error = client.delete_user(&user_id(), soon()).await.unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error:?}");
    let listener = server.await.unwrap();
    let nobody = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(nobody.is_err(), "the change was sent again");
}

#[tokio::test]
async fn a_read_whose_response_was_lost_is_retried() {
    for (fault, _) in LOST {
        let (base, lines) = failing(Box::leak(Box::new([fault, Fault::Say(OK)]))).await;
        let client = client_of(&base, impatient(fault));
        client.user(&user_id(), soon()).await.unwrap();
        assert_eq!(lines.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_read_is_given_up_when_it_keeps_failing() {
    let (base, lines) = failing(&[Fault::Close]).await;
    let options = Options {
        max_retries: 2,
        ..fast()
    };
    let client = client_of(&base, options);
    let error = client.user(&user_id(), soon()).await.unwrap_err();
    assert_eq!(
        error,
        Error::Transport(TransportError::ClosedBeforeResponse)
    );
    assert_eq!(lines.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_refused_connection_is_retried_also_for_changes_and_then_not_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = Options {
        max_retries: 2,
        ..fast()
    };
    let client = client_of(&base, options);
    let error = client.delete_user(&user_id(), soon()).await.unwrap_err();
    assert_eq!(error, Error::Transport(TransportError::Connect));
    assert_eq!(client.requests(), 3);
}

#[tokio::test]
async fn all_attempts_end_by_the_deadline() {
    let (base, _lines) = failing(&[Fault::Hang]).await;
    let client = client_of(&base, impatient(Fault::Hang));
    let began = tokio::time::Instant::now();
    let deadline = Deadline::after(Duration::from_millis(250));
    client.user(&user_id(), deadline).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_requested_again() {
    let (base, lines) = failing(&[Fault::Say(OK)]).await;
    let client = client_of(
        &base,
        Options {
            body_limit: 10,
            ..fast()
        },
    );
    let error = client.user(&user_id(), soon()).await.unwrap_err();
    assert_eq!(error, Error::Transport(TransportError::BodyTooLarge));
    assert_eq!(lines.lock().unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(42),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Checks the request line as it arrives, for any possible external id.
    #[test]
    fn no_external_id_leaves_its_segment(id in "(\\PC|[./\\\\%?#@:;&=+ ]|%2[eEfF]|\\.\\.){1,8}") {
        let Ok(id) = id.parse::<LookupExternalId>() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let line = runtime.block_on(async {
            let (base, lines) = failing(&[Fault::Say(OK)]).await;
            client_of(&base, fast()).user_by_external_id(&id, soon()).await.unwrap();
            lines.lock().unwrap().remove(0)
        });
        let path = line.strip_prefix("GET /sc/v2/apps/5d8cff3cd55b040010928b5b/users/");
        let segment = path.and_then(|p| p.strip_suffix("?brandId=9477922990333 HTTP/1.1"));
        let segment = segment.ok_or_else(|| TestCaseError::fail(line.clone()))?;
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
        prop_assert!(segment.bytes().all(unreserved), "{}", segment);
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
        prop_assert_eq!(decoded.as_ref(), id.as_str());
    }
}
