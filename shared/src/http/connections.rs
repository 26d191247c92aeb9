//! The client's connections: counts those that requests use, and opens one ahead of its request.
//!
//! reqwest opens a connection only for a request. A function that has an upstream on a request's
//! path wants it open before the first request comes, and without sending anything. So the layer
//! in this file, which sits around reqwest's own connector, keeps the connection of a request that
//! is marked as "ahead" and fails that request before a byte of it is written. The next request to
//! the same origin gets the connection.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use hyper::rt::{Read, ReadBuf};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service};

/// Maximum idle time of a connection. A Lambda environment is frozen between invocations, so a
/// connection that the upstream closed meanwhile would be noticed too late.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

tokio::task_local! {
    /// The request that the current task is sending. hyper calls the connector in that task.
    static REQUEST: Request;
}

#[derive(Clone)]
struct Request {
    /// Scheme, host and port.
    origin: String,
    /// Whether the connection is kept for a later request.
    is_ahead: bool,
}

/// Runs `send`, which sends a request to `origin`.
pub(super) async fn to<F: Future>(origin: String, send: F) -> F::Output {
    let is_ahead = false;
    REQUEST.scope(Request { origin, is_ahead }, send).await
}

/// Runs `send`, which is to open a connection to `origin` and then to fail.
pub(super) async fn ahead<F: Future>(origin: String, send: F) -> F::Output {
    let is_ahead = true;
    REQUEST.scope(Request { origin, is_ahead }, send).await
}

/// The layer around reqwest's connector. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections {
    used: Arc<AtomicU64>,
}

impl Connections {
    /// The number of connections that requests have used so far.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl<T, C> Layer<BoxCloneSyncService<T, C, BoxError>> for Connections {
    type Service = Connector<T, C>;

    fn layer(&self, inner: BoxCloneSyncService<T, C, BoxError>) -> Connector<T, C> {
        Connector {
            inner,
            used: Arc::clone(&self.used),
            ahead: Arc::default(),
        }
    }
}

/// reqwest's connector, with the connections that were opened ahead.
pub(super) struct Connector<T, C> {
    inner: BoxCloneSyncService<T, C, BoxError>,
    used: Arc<AtomicU64>,
    ahead: Arc<Mutex<HashMap<String, Ahead<C>>>>,
}

struct Ahead<C> {
    connection: C,
    opened_at: SystemTime,
}

impl<T, C> Clone for Connector<T, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            used: Arc::clone(&self.used),
            ahead: Arc::clone(&self.ahead),
        }
    }
}

/// The error that ends a request whose only purpose was its connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection is kept for a later request")]
struct KeptForLater;

impl<T, C> Service<T> for Connector<T, C>
where
    T: Send + 'static,
    C: Read + Unpin + Send + 'static,
{
    type Response = C;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, destination: T) -> Self::Future {
        let request = REQUEST.try_with(Clone::clone).ok();
        match request {
            Some(Request { origin, is_ahead }) if is_ahead => {
                let ahead = Arc::clone(&self.ahead);
                let opening = self.inner.call(destination);
                Box::pin(async move {
                    let kept = Ahead {
                        connection: opening.await?,
                        opened_at: SystemTime::now(),
                    };
                    lock(&ahead).insert(origin, kept);
                    Err(KeptForLater.into())
                })
            }
            request => {
                self.used.fetch_add(1, Ordering::Relaxed);
                let kept = request.and_then(|it| lock(&self.ahead).remove(&it.origin));
                match kept.and_then(Ahead::if_open) {
                    Some(connection) => Box::pin(async { Ok(connection) }),
                    None => self.inner.call(destination),
                }
            }
        }
    }
}

fn lock<T>(ahead: &Mutex<T>) -> MutexGuard<'_, T> {
    ahead.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C: Read + Unpin> Ahead<C> {
    /// The connection, if it is still usable: it is young, and the upstream has neither closed it
    /// nor sent anything. The wall clock decides, because a Lambda environment may have been frozen
    /// in between.
    fn if_open(mut self) -> Option<C> {
        if self.opened_at.elapsed().ok()? > POOL_IDLE_TIMEOUT {
            return None;
        }
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.connection)
            .poll_read(&mut context, buffer.unfilled())
            .is_pending()
            .then_some(self.connection)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use hyper::rt::ReadBufCursor;

    use super::*;

    /// A connection on which a read ends at once, or never.
    struct Idle {
        is_readable: bool,
    }

    impl Read for Idle {
        fn poll_read(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            _buffer: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            if self.is_readable {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }
    }

    fn is_used(age: Duration, is_readable: bool) -> bool {
        let ahead = Ahead {
            connection: Idle { is_readable },
            opened_at: SystemTime::now() - age,
        };
        ahead.if_open().is_some()
    }

    #[test]
    fn a_connection_is_used_only_if_it_is_young_and_nothing_has_come_on_it() {
        let young = POOL_IDLE_TIMEOUT.mul_f64(0.9);
        assert!(is_used(young, false));
        assert!(!is_used(young, true));
        assert!(!is_used(POOL_IDLE_TIMEOUT.mul_f64(1.1), false));
    }
}
