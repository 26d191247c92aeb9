//! A TCP proxy on loopback that injects faults which no HTTP server can produce. It does not
//! interpret the bytes that it carries, so it can stand in front of anything, AWS included.
//!
//! It asks its schedule each time a client begins a request: on a new connection, and again on a
//! kept one once a response has passed. So a fault can also hit the later requests of a connection
//! that has served others well.

mod relay;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every part of the response comes this much later.
    Latency(Duration),
    /// The response comes a few bytes at a time, with a pause before each piece.
    Trickle {
        /// The bytes of a piece.
        bytes: usize,
        /// The pause before a piece.
        pause: Duration,
    },
    /// The connection is reset (RST).
    Reset(When),
    /// The proxy closes its sending side (FIN) and keeps listening.
    HalfClose(When),
    /// The connection is closed in an orderly way, possibly before the end of the response.
    Truncate(When),
    /// Nothing more arrives, and the connection stays open.
    BlackHole(When),
}

/// The moment at which a fault ends an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the first byte of the request, of which nothing is passed on: the request has no effect.
    AtOnce,
    /// After this many bytes of the response have passed. The request is passed on, and the service
    /// does its work.
    After(usize),
}

impl Fault {
    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Trickle { .. } => "trickle",
            Self::Reset(_) => "reset",
            Self::HalfClose(_) => "half-close",
            Self::Truncate(_) => "truncation",
            Self::BlackHole(_) => "black hole",
        }
    }

    /// The moment at which it ends the exchange; `None` if it only slows it down.
    fn when(self) -> Option<When> {
        match self {
            Self::Latency(_) | Self::Trickle { .. } => None,
            Self::Reset(when)
            | Self::HalfClose(when)
            | Self::Truncate(when)
            | Self::BlackHole(when) => Some(when),
        }
    }
}

/// Returns the fault of the next request.
type Schedule = Box<dyn FnMut() -> Option<Fault> + Send>;

/// The state that the handle and the connections share.
struct Shared {
    schedule: Mutex<Schedule>,
    struck: Mutex<BTreeMap<&'static str, u64>>,
    /// Counts the schedules, so that a fault ends with its own.
    schedules: watch::Sender<u64>,
}

/// A running proxy. Dropping it closes the port and every connection.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl FaultProxy {
    /// Starts a proxy to `target` without faults.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::on(listener, target)
    }

    /// The same on a listener that is already bound, for a `target` that must know the address.
    pub fn on(listener: TcpListener, target: SocketAddr) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            schedule: Mutex::new(Box::new(|| None)),
            struck: Mutex::default(),
            schedules: watch::Sender::new(0),
        });
        Ok(Self {
            address: listener.local_addr()?,
            task: tokio::spawn(accept(listener, target, Arc::clone(&shared))).abort_handle(),
            shared,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, `schedule` decides the fault of each request. A fault that is still going on
    /// ends: its connection is closed.
    pub fn set(&self, schedule: impl FnMut() -> Option<Fault> + Send + 'static) {
        *lock(&self.shared.schedule) = Box::new(schedule);
        self.shared.schedules.send_modify(|count| *count += 1);
    }

    /// From now on, there are no faults.
    pub fn clear(&self) {
        self.set(|| None);
    }

    /// The number of requests that each fault has hit, by its name.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.shared.struck).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn next(&self) -> Option<Fault> {
        let fault = lock(&self.schedule)()?;
        *lock(&self.struck).entry(fault.name()).or_default() += 1;
        Some(fault)
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, shared: Arc<Shared>) {
    // Owned by this task, so that the connections end when it does.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(relay::relay(client, target, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
