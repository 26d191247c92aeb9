//! A TCP proxy on loopback that injects faults which no HTTP server can produce. It does not
//! interpret the bytes that it carries, so it can stand in front of anything, AWS included.
//!
//! It asks its schedule each time a client begins a request: on a new connection, and again on a
//! kept one once a response has passed. So a fault can also hit the later requests of a connection
//! that has served others well.

mod fault;
mod relay;
mod schedule;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

pub use fault::{Fault, When};
use schedule::{Shared, lock};

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
