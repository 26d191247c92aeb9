//! Each fault of the proxy, as a plain client sees it.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::fault_proxy::{Fault, FaultProxy, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The request, and the response to it.
const REQUEST: &[u8] = b"ping";
const RESPONSE: &[u8] = b"0123456789";

/// Long enough that only something that never comes takes longer.
const NEVER: Duration = Duration::from_millis(200);

/// A service that responds to each [`REQUEST`] with [`RESPONSE`], behind the proxy.
struct Stage {
    proxy: FaultProxy,
    /// The bytes that the service received.
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Stage {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap())
            .await
            .unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let notes = Arc::clone(&notes);
                tokio::spawn(async move {
                    let mut asked = [0; REQUEST.len()];
                    while stream.read_exact(&mut asked).await.is_ok() {
                        notes.lock().unwrap().extend(asked);
                        let _ = stream.write_all(RESPONSE).await;
                    }
                });
            }
        });
        Self { proxy, heard }
    }

    /// A stage with this fault for each request.
    async fn with(fault: Fault) -> Self {
        let stage = Self::start().await;
        stage.proxy.set(move || Some(fault));
        stage
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).await.unwrap()
    }

    /// A client that has sent a request.
    async fn asking(&self) -> TcpStream {
        let mut client = self.client().await;
        client.write_all(REQUEST).await.unwrap();
        client
    }

    fn heard(&self) -> usize {
        self.heard.lock().unwrap().len() / REQUEST.len()
    }
}

/// The bytes until the end of the connection, and the way it ended.
async fn rest(client: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut came = Vec::new();
    let end = client.read_to_end(&mut came).await;
    (came, end.err().map(|error| error.kind()))
}

async fn response(client: &mut TcpStream) -> Vec<u8> {
    let mut came = vec![0; RESPONSE.len()];
    client.read_exact(&mut came).await.unwrap();
    came
}

#[tokio::test]
async fn without_a_fault_everything_passes() {
    let stage = Stage::start().await;
    let mut client = stage.asking().await;
    assert_eq!(response(&mut client).await, RESPONSE);
    client.write_all(REQUEST).await.unwrap();
    assert_eq!(response(&mut client).await, RESPONSE);
    client.write_all(REQUEST).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, (RESPONSE.to_vec(), None));
    assert_eq!(stage.heard(), 3);
    assert!(stage.proxy.struck().is_empty());
}

#[tokio::test]
async fn latency_delays_a_response_that_is_complete() {
    let latency = Duration::from_millis(150);
    let stage = Stage::with(Fault::Latency(latency)).await;
    let began = Instant::now();
    let mut client = stage.asking().await;
    assert_eq!(response(&mut client).await, RESPONSE);
    assert!(began.elapsed() >= latency);
}

#[tokio::test]
async fn a_trickle_brings_a_few_bytes_at_a_time() {
    let (bytes, pause) = (3, Duration::from_millis(30));
    let stage = Stage::with(Fault::Trickle { bytes, pause }).await;
    let began = Instant::now();
    let mut client = stage.asking().await;
    let mut piece = [0; 100];
    assert_eq!(client.read(&mut piece).await.unwrap(), bytes);
    let mut came = piece[..bytes].to_vec();
    while came.len() < RESPONSE.len() {
        let read = client.read(&mut piece).await.unwrap();
        assert!(read > 0);
        came.extend(&piece[..read]);
    }
    assert_eq!(came, RESPONSE);
    assert!(began.elapsed() >= 4 * pause, "it came in four pieces");
}

#[tokio::test]
async fn a_fault_at_once_keeps_the_request_from_the_service() {
    for (fault, end) in [
        (Fault::Reset(When::AtOnce), Some(ErrorKind::ConnectionReset)),
        (Fault::HalfClose(When::AtOnce), None),
        (Fault::Truncate(When::AtOnce), None),
    ] {
        let stage = Stage::with(fault).await;
        let mut client = stage.asking().await;
        assert_eq!(rest(&mut client).await, (vec![], end), "{fault:?}");
        assert_eq!(stage.heard(), 0, "{fault:?}");
        assert_eq!(stage.proxy.struck()[fault.name()], 1);
    }
}

#[tokio::test]
async fn a_later_fault_lets_the_service_do_its_work_and_passes_part_of_its_response() {
    for after in [0, 4] {
        for (fault, end) in [
            (
                Fault::Reset(When::After(after)),
                Some(ErrorKind::ConnectionReset),
            ),
            (Fault::HalfClose(When::After(after)), None),
            (Fault::Truncate(When::After(after)), None),
        ] {
            let stage = Stage::with(fault).await;
            let mut client = stage.asking().await;
            if after > 0 {
                // Read before the end: a reset discards unread bytes.
                let mut came = vec![0; after];
                if let Err(error) = client.read_exact(&mut came).await {
                    assert_eq!(Some(error.kind()), end, "{fault:?}");
                    continue;
                }
                assert_eq!(came, RESPONSE[..after], "{fault:?}");
            }
            assert_eq!(rest(&mut client).await, (vec![], end), "{fault:?}");
            assert_eq!(stage.heard(), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_half_closed_connection_still_listens_and_a_truncated_one_does_not() {
    for (fault, listens) in [
        (Fault::HalfClose(When::After(4)), true),
        (Fault::Truncate(When::After(4)), false),
    ] {
        let stage = Stage::with(fault).await;
        let mut client = stage.asking().await;
        assert_eq!(rest(&mut client).await.0, RESPONSE[..4]);
        // A write to a closed port causes an RST, and the next write fails.
        let mut writes = Ok(());
        for _ in 0..20 {
            writes = client.write_all(REQUEST).await;
            if writes.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await; // so that the RST arrives
        }
        assert_eq!(writes.is_ok(), listens, "{fault:?}");
        assert_eq!(stage.heard(), 1, "the later bytes are not passed on");
    }
}

#[tokio::test]
async fn a_black_hole_accepts_everything_and_sends_nothing_more() {
    for (when, heard) in [(When::AtOnce, 0), (When::After(0), 1), (When::After(4), 1)] {
        let stage = Stage::with(Fault::BlackHole(when)).await;
        let mut client = stage.asking().await;
        if when == When::After(4) {
            let mut came = [0; 4];
            client.read_exact(&mut came).await.unwrap();
            assert_eq!(came, RESPONSE[..4]);
        }
        let silence = tokio::time::timeout(NEVER, client.read_u8()).await;
        assert!(silence.is_err(), "{silence:?}");
        client.write_all(&[0; 10_000]).await.unwrap();
        assert_eq!(stage.heard(), heard, "{when:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_consults_the_schedule_for_each_request() {
    let stage = Stage::start().await;
    let mut requests = 0;
    stage.proxy.set(move || {
        requests += 1;
        (requests == 3).then_some(Fault::Truncate(When::After(4)))
    });
    let mut client = stage.asking().await;
    assert_eq!(response(&mut client).await, RESPONSE);
    client.write_all(REQUEST).await.unwrap();
    assert_eq!(response(&mut client).await, RESPONSE);
    client.write_all(REQUEST).await.unwrap();
    assert_eq!(rest(&mut client).await, (RESPONSE[..4].to_vec(), None));
    assert_eq!(stage.heard(), 3);
}

#[tokio::test]
async fn a_request_in_pieces_consults_the_schedule_once() {
    let stage = Stage::start().await;
    let mut requests = 0;
    stage.proxy.set(move || {
        requests += 1;
        (requests == 2).then_some(Fault::Reset(When::AtOnce))
    });
    let mut client = stage.client().await;
    client.set_nodelay(true).unwrap();
    for byte in REQUEST {
        client.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await; // so that they are pieces
    }
    assert_eq!(response(&mut client).await, RESPONSE);
}

#[tokio::test]
async fn a_fault_ends_with_its_schedule() {
    for fault in [
        Fault::BlackHole(When::After(4)),
        Fault::Latency(Duration::from_hours(1)),
    ] {
        let stage = Stage::with(fault).await;
        let mut kept = stage.client().await;
        let mut client = stage.asking().await;
        while stage.heard() == 0 {
            tokio::task::yield_now().await;
        }
        stage.proxy.clear();
        let (came, _) = rest(&mut client).await;
        assert!(came.len() <= 4, "{fault:?}");
        // Other connections continue without the fault.
        kept.write_all(REQUEST).await.unwrap();
        assert_eq!(response(&mut kept).await, RESPONSE);
    }
}
