//! The server of both stand-ins: it accepts and records requests, injects faults, and responds.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::control;
use super::faults::Fault;
use super::http::{Incoming, Request, Response, Wire, closes};
use super::line::Line;
use super::traffic::Point;

/// A running server; it stops when this is dropped.
pub(super) struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves on a loopback port (0 for a free one). A request is handled to its end even if its
    /// client has gone by then, as in a real service.
    pub(super) async fn start<F>(
        port: u16,
        line: Arc<Line>,
        handler: impl Fn(Request) -> F + Clone + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // The connections end with this task, because the set aborts them when it is dropped.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (line, handler) = (Arc::clone(&line), handler.clone());
                let connection = line.traffic.connected();
                connections.spawn(async move {
                    let mut wire = Some(Wire::new(stream));
                    while let Some(open) = wire.take() {
                        wire = exchange(open, connection, &line, &handler).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            task: task.abort_handle(),
        })
    }

    /// The origin, such as `http://127.0.0.1:49152`.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Reads one request and responds to it; returns the connection if it can serve another.
async fn exchange<F>(
    mut wire: Wire,
    connection: u64,
    line: &Line,
    handler: &impl Fn(Request) -> F,
) -> Option<Wire>
where
    F: Future<Output = Response>,
{
    let request = match wire.read().await.ok()?? {
        Incoming::Request(request) => request,
        Incoming::Malformed(first) => {
            line.traffic.arrived(
                connection,
                &Request {
                    line: first,
                    ..Request::default()
                },
            );
            let _ = wire.write(&Response::empty(400)).await;
            return None;
        }
    };
    let path = request.path();
    if let Some(what) = path
        .strip_prefix(&line.base_path)
        .unwrap_or(path)
        .strip_prefix("/_control/")
    {
        let response = match control::respond(line, what, &request).await {
            Some(response) => response,
            None => handler(request).await,
        };
        return wire.write(&response).await.is_ok().then_some(wire);
    }
    let last = closes(&request);
    let mut exchange = line.traffic.arrived(connection, &request);
    line.traffic.pass(Point::Arrived, &exchange).await;
    let (delay, fault) = line.faults.strike(&request);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let response = match &fault {
        Some(Fault::Reset) => {
            wire.reset();
            return None;
        }
        Some(Fault::Hang { handled: false }) => {
            wire.hang().await;
            return None;
        }
        Some(fault) if let Some(response) = fault.response() => response,
        _ => {
            let response = handler(request).await;
            exchange.handled = true;
            line.traffic.record(&exchange);
            line.traffic.pass(Point::Handled, &exchange).await;
            response
        }
    };
    let wire = send(wire, &response, fault.as_ref()).await?;
    exchange.status = Some(response.status);
    exchange.answered = Some(line.traffic.elapsed());
    line.traffic.record(&exchange);
    line.traffic.pass(Point::Answered, &exchange).await;
    (!last).then_some(wire)
}

/// Sends a response, or as much of it as the fault allows.
async fn send(mut wire: Wire, response: &Response, fault: Option<&Fault>) -> Option<Wire> {
    match fault {
        Some(Fault::Hang { .. }) => {
            wire.hang().await;
            return None;
        }
        Some(Fault::Drop) => return None,
        Some(Fault::Truncate) => {
            let _ = wire.truncate(response).await;
            return None;
        }
        Some(Fault::Trickle { millis }) => {
            wire.trickle(response, std::time::Duration::from_millis(*millis))
                .await
                .ok()?;
        }
        _ => wire.write(response).await.ok()?,
    }
    Some(wire)
}
