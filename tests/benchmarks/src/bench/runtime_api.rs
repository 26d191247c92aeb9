//! A Lambda Runtime API for one process, served by the thread that measures.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
//!
//! The harness already has one, on axum, for tests that invoke several functions at once. The
//! measurements here are of microseconds, so a scheduler and a queue between the clock and the wire
//! would distort them. This one writes an event and reads its response itself, with one `write`,
//! one `poll` and one `read`.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::http::{self, Request};

/// Maximum time for a process to start, and for each event.
pub const DEADLINE: Duration = Duration::from_secs(30);

const PATH: &str = "/2018-06-01/runtime/";
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n\
    content-length: 16\r\n\r\n{\"status\":\"OK\"}\n";

/// The reason why there is no response.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages explain them
pub enum ApiError {
    #[error("the Runtime API: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    NotARequest(#[from] http::NotARequest),
    #[error("it did not respond in time")]
    TimedOut,
    #[error("it ended")]
    Ended,
    #[error("it reported an error: {0}")]
    Reported(String),
    #[error("it unexpectedly requested {method} {path}")]
    OutOfTurn { method: String, path: String },
}

/// The response to an event, with its times.
#[derive(Debug)]
pub struct Responded {
    /// The response.
    pub body: Vec<u8>,
    /// The time at which the event was delivered.
    pub began: Instant,
    /// The time at which the response was received.
    pub responded: Instant,
    /// The time at which the process asked for the next event.
    pub ready: Instant,
}

/// The API of one process.
#[derive(Debug)]
pub struct RuntimeApi {
    arn: String,
    listener: TcpListener,
    /// Readable once the process has ended.
    process: Option<OwnedFd>,
    connections: Vec<Connection>,
    /// The connection that waits for an event.
    waiting: Option<usize>,
    handed_over: u64,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    arrived: Vec<u8>,
}

impl RuntimeApi {
    /// Listens on a free port, for the function `name`.
    pub fn listen(name: &str) -> io::Result<Self> {
        Ok(Self {
            arn: format!("arn:aws:lambda:eu-west-1:000000000000:function:{name}"),
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
            process: None,
            connections: Vec::new(),
            waiting: None,
            handed_over: 0,
        })
    }

    /// `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits until the process, given by its `pidfd`, asks for its first event, and returns that
    /// time.
    pub fn started(&mut self, process: OwnedFd) -> Result<Instant, ApiError> {
        self.process = Some(process);
        self.asked_for_next()
    }

    /// Delivers `event`, and waits for the response and for the request for the next event.
    pub fn invoke(&mut self, event: &[u8]) -> Result<Responded, ApiError> {
        let Some(waiting) = self.waiting.take() else {
            return Err(io::Error::other("no connection is waiting for an event").into());
        };
        self.handed_over += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.handed_over);
        let message = self.message(&id, event);

        let began = Instant::now();
        self.connections[waiting].stream.write_all(&message)?;
        let (connection, request) = self.request()?;
        let responded = Instant::now();

        self.connections[connection].stream.write_all(ACCEPTED)?;
        let body = respond(request, &id)?;
        let ready = self.asked_for_next()?;
        Ok(Responded {
            body,
            began,
            responded,
            ready,
        })
    }

    fn message(&self, id: &str, event: &[u8]) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let deadline = (now.unwrap_or_default() + DEADLINE).as_millis();
        let (arn, length) = (&self.arn, event.len());
        let head = format!(
            "HTTP/1.1 200 OK\r\n\
             content-type: application/json\r\n\
             lambda-runtime-aws-request-id: {id}\r\n\
             lambda-runtime-deadline-ms: {deadline}\r\n\
             lambda-runtime-invoked-function-arn: {arn}\r\n\
             lambda-runtime-trace-id: Root=1-00000000-000000000000000000000000;Sampled=0\r\n\
             content-length: {length}\r\n\r\n"
        );
        [head.as_bytes(), event].concat()
    }

    fn asked_for_next(&mut self) -> Result<Instant, ApiError> {
        let (connection, request) = self.request()?;
        let now = Instant::now();
        match (request.method.as_str(), request.path.strip_prefix(PATH)) {
            ("GET", Some("invocation/next")) => {
                self.waiting = Some(connection);
                Ok(now)
            }
            ("POST", Some("init/error")) => Err(reported(&request)),
            _ => Err(out_of_turn(request)),
        }
    }

    /// The next request, on any connection.
    fn request(&mut self) -> Result<(usize, Request), ApiError> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            for (index, connection) in self.connections.iter_mut().enumerate() {
                if let Some(request) = connection.take()? {
                    return Ok((index, request));
                }
            }
            self.wait(deadline)?;
        }
    }

    /// Waits for a connection or for bytes, and reads them.
    fn wait(&mut self, deadline: Instant) -> Result<(), ApiError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut polled = vec![PollFd::new(&self.listener, PollFlags::IN)];
        let streams = self.connections.iter().map(|it| &it.stream);
        polled.extend(streams.map(|it| PollFd::new(it, PollFlags::IN)));
        let process = self.process.iter();
        polled.extend(process.map(|it| PollFd::new(it, PollFlags::IN)));
        if poll(&mut polled, Some(&timeout)).map_err(io::Error::from)? == 0 {
            return Err(ApiError::TimedOut);
        }
        let ready: Vec<bool> = polled.iter().map(|it| !it.revents().is_empty()).collect();
        let (listener, ready) = (ready[0], &ready[1..]);

        let mut open = Vec::with_capacity(self.connections.len() + 1);
        let mut took = listener;
        for (mut connection, ready) in self.connections.drain(..).zip(ready) {
            took |= *ready;
            if !*ready || connection.read()? {
                open.push(connection);
            }
        }
        self.connections = open;
        if listener {
            let (stream, _) = self.listener.accept()?;
            stream.set_nodelay(true)?;
            self.connections.push(Connection {
                stream,
                arrived: Vec::new(),
            });
        }
        // Otherwise the process was ready: it has ended.
        if took { Ok(()) } else { Err(ApiError::Ended) }
    }
}

impl Connection {
    fn take(&mut self) -> Result<Option<Request>, ApiError> {
        if self.arrived.is_empty() {
            return Ok(None);
        }
        Ok(http::parse(&self.arrived)?.map(|(request, taken)| {
            self.arrived.drain(..taken);
            request
        }))
    }

    /// Reads the available bytes. Returns false at the end of the connection.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 << 10];
        let count = match self.stream.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            other => other?,
        };
        self.arrived.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }
}

fn respond(request: Request, id: &str) -> Result<Vec<u8>, ApiError> {
    let path = request.path.strip_prefix(PATH).unwrap_or_default();
    let what = path
        .strip_prefix("invocation/")
        .and_then(|path| path.strip_prefix(id));
    match (request.method.as_str(), what) {
        ("POST", Some("/response")) => Ok(request.body),
        ("POST", Some("/error")) => Err(reported(&request)),
        _ => Err(out_of_turn(request)),
    }
}

fn reported(request: &Request) -> ApiError {
    ApiError::Reported(String::from_utf8_lossy(&request.body).into_owned())
}

fn out_of_turn(request: Request) -> ApiError {
    ApiError::OutOfTurn {
        method: request.method,
        path: request.path,
    }
}
