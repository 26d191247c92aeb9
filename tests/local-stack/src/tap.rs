//! A tap: an address that forwards everything to another one and records the calls. The functions
//! use it in place of the real address, so that the page can show their calls.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use tokio::net::TcpListener;

use crate::calls::{Calls, Party};
use harness::serve::{Forward, Server};

/// A running tap.
pub struct Tap {
    server: Server,
    target: String,
}

impl Tap {
    /// Starts a tap that records the calls of `from` to `to`, which is at `target`.
    pub async fn start(
        calls: &Calls,
        from: Party,
        to: Party,
        target: SocketAddr,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::on(listener, calls, from, to, target)
    }

    /// The same on a listener that is already bound, for a `target` that must know the address.
    pub fn on(
        listener: TcpListener,
        calls: &Calls,
        from: Party,
        to: Party,
        target: SocketAddr,
    ) -> io::Result<Self> {
        let (calls, forward) = (calls.clone(), Forward::new(target));
        let router = Router::new().fallback(move |request: Request| async move {
            calls.relay(from, to, &forward, request).await
        });
        Ok(Self {
            server: Server::on(listener, router)?,
            target: format!("http://{target}"),
        })
    }

    /// The URL of the tap.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// `url` with the tap in place of its target; unchanged if it has another host.
    pub fn instead_of(&self, url: &str) -> String {
        match url.strip_prefix(&self.target) {
            Some(path) if path.is_empty() || path.starts_with('/') => self.url() + path,
            _ => url.to_owned(),
        }
    }
}

/// The address in the URL of a local server.
///
/// # Panics
/// If it is not such a URL.
pub fn address(url: &str) -> SocketAddr {
    let authority = url.split('/').nth(2);
    let address = authority.and_then(|authority| authority.parse().ok());
    address.expect("the URL of a local server")
}
