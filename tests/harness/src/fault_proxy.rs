//! A TCP proxy on loopback that goes wrong on purpose, for what no HTTP server can do: it knows
//! nothing of what it carries, so it stands in front of anything, AWS included.
//!
//! It asks its schedule each time a client begins a request: on a new connection, and again on a
//! kept one once an answer has passed. So a fault strikes requests, also in the middle of a
//! connection that has served others well.

mod relay;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whatever comes of the answer comes this much later.
    Latency(Duration),
    /// The answer comes so many bytes at a time, with a pause before each.
    Trickle {
        /// How many.
        bytes: usize,
        /// How long.
        pause: Duration,
    },
    /// The connection is reset (RST).
    Reset(When),
    /// The proxy says that it will say no more (FIN), and goes on to listen.
    HalfClose(When),
    /// The connection is closed in an orderly way, with or without the end of the answer.
    Truncate(When),
    /// Nothing more comes, and the connection stays open.
    BlackHole(When),
}

/// When a fault that ends an exchange strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With the first byte of the request, none of which is passed on: it has no effect.
    AtOnce,
    /// Once so many bytes of the answer have come through. The request is passed on, and the
    /// service does its work.
    After(usize),
}

impl Fault {
    /// Its name, as it is counted.
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

    /// When it ends the exchange; none where it only slows it.
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

/// Tells what goes wrong with the next request.
type Schedule = Box<dyn FnMut() -> Option<Fault> + Send>;

/// What the handle and the connections share.
struct Shared {
    schedule: Mutex<Schedule>,
    struck: Mutex<BTreeMap<&'static str, u64>>,
    /// Counts the schedules: a fault does not outlive its own.
    schedules: watch::Sender<u64>,
}

/// A running proxy. Dropping it closes the port and every connection.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl FaultProxy {
    /// A proxy to `target`, through which everything passes as it is.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::on(listener, target)
    }

    /// The same on a listener that is bound already, where `target` has to know the address.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on each request goes wrong as `schedule` says. What goes wrong already ends: its
    /// connection is closed.
    pub fn set(&self, schedule: impl FnMut() -> Option<Fault> + Send + 'static) {
        *lock(&self.shared.schedule) = Box::new(schedule);
        self.shared.schedules.send_modify(|count| *count += 1);
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        self.set(|| None);
    }

    /// How many requests each fault has struck, by its name.
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
