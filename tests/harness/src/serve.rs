//! An HTTP server on loopback. It stops with all its connections when it is dropped, and a handler
//! may close a connection instead of responding.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Clone, Copy, Debug)]
struct Unanswered;

/// A handler returns this to close the connection without sending a byte.
pub fn no_response() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Unanswered);
    response
}

/// A running server. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `router` on loopback, on a free port unless one is given.
    pub async fn start(router: Router, port: Option<u16>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
        Self::on(listener, router)
    }

    /// Serves `router` on a listener that is already bound, for a router that must know the
    /// address.
    pub fn on(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, router));
        Ok(Self { address, task })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, router: Router) {
    // Owned by this task, so that the connections end when it does.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        connections.spawn(connection(stream, router.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // Send small responses at once; Nagle's delay would distort the measurements.
    let _ = stream.set_nodelay(true);
    let app = TowerToHyperService::new(router);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let response = app.call(request);
        async move {
            let response: Response = response
                .await
                .unwrap_or_else(|never: Infallible| match never {});
            if response.extensions().get::<Unanswered>().is_some() {
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
            }
            Ok(response)
        }
    });
    // An error here comes from the peer, or was requested with `no_response`.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Forwards requests to another local server, with the path and query byte for byte. The `url`
/// crate, and with it `reqwest`, would resolve dot segments.
#[derive(Clone, Debug)]
pub struct Forward {
    client: Client<HttpConnector, Body>,
    target: SocketAddr,
}

impl Forward {
    /// Forwards to `target`.
    pub fn new(target: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { client, target }
    }

    /// Sends `request` and returns the response, or 502 if there is none.
    pub async fn send(&self, mut request: http::Request<Body>) -> Response {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let Ok(uri) = format!("http://{}{path}", self.target).parse() else {
            return status(http::StatusCode::BAD_REQUEST);
        };
        *request.uri_mut() = uri;
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(_) => status(http::StatusCode::BAD_GATEWAY),
        }
    }
}

fn status(status: http::StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
