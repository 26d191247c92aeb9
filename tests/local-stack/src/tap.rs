//! An address that sends everything on to another one and keeps the calls: what the functions are
//! told in place of the true one, so that the page can show what they do.

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
    /// Keeps what `from` asks of `to`, which is at `target`.
    pub async fn start(
        calls: &Calls,
        from: Party,
        to: Party,
        target: SocketAddr,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::on(listener, calls, from, to, target)
    }

    /// The same on a listener that is bound already, where `target` has to know the address.
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

    /// Where the tap takes requests.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// `url`, with the tap in place of its target; unchanged where it leads elsewhere.
    pub fn instead_of(&self, url: &str) -> String {
        match url.strip_prefix(&self.target) {
            Some(path) if path.is_empty() || path.starts_with('/') => self.url() + path,
            _ => url.to_owned(),
        }
    }
}

/// Where the URL of a local server leads.
///
/// # Panics
/// Where it is none.
pub fn address(url: &str) -> SocketAddr {
    let authority = url.split('/').nth(2);
    let address = authority.and_then(|authority| authority.parse().ok());
    address.expect("the URL of a local server")
}
