//! HTTP/1.1 for the stand-ins, written by hand on the socket.
//!
//! A stand-in must record a request line byte for byte, finish the work of a client that has hung
//! up, cut a response short and reset a connection. HTTP libraries exist to prevent all four.

use std::io;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Maximum bytes of a head or a body.
const MOST: usize = 16 * 1024 * 1024;

/// One request, as received.
#[derive(Clone, Default)]
pub struct Request {
    /// The request line, exactly as received, without its line end.
    pub line: String,
    /// The method.
    pub method: String,
    /// The request target: path and query, neither decoded nor normalised.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// The path of the target, neither decoded nor normalised.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    }

    /// The body as JSON; an empty body is `{}`.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        let body: &[u8] = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(body)
    }

    fn parse(head: &[u8]) -> Option<Self> {
        let mut lines = head
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = String::from_utf8_lossy(lines.next()?).into_owned();
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        words
            .next()
            .filter(|version| version.starts_with("HTTP/1."))?;
        let mut headers = HeaderMap::new();
        for header in lines.filter(|line| !line.is_empty()) {
            let colon = header.iter().position(|byte| *byte == b':')?;
            let (name, value) = header.split_at_checked(colon)?;
            let value = value.strip_prefix(b":")?.trim_ascii();
            headers.append(
                HeaderName::from_bytes(name).ok()?,
                HeaderValue::from_bytes(value).ok()?,
            );
        }
        Some(Self {
            line,
            method,
            target,
            headers,
            body: Vec::new(),
        })
    }
}

/// One response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, except `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A response in JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self::empty(status)
            .with_header("content-type", "application/json; charset=utf-8")
            .with_body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn head(&self, content_length: usize) -> String {
        use std::fmt::Write as _;
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let mut head = format!(
            "HTTP/1.1 {} {}\r\n",
            self.status,
            reason.unwrap_or_default()
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if self
            .headers
            .iter()
            .all(|(name, _)| !name.eq_ignore_ascii_case("date"))
        {
            let now = httpdate::fmt_http_date(std::time::SystemTime::now());
            let _ = write!(head, "date: {now}\r\n");
        }
        // RFC 9110 8.6: a 204 has no Content-Length.
        if self.status != 204 {
            let _ = write!(head, "content-length: {content_length}\r\n");
        }
        head + "\r\n"
    }
}

/// The next thing received on a connection.
pub(super) enum Incoming {
    /// A request.
    Request(Request),
    /// Something other than an HTTP/1.1 request; its first line.
    Malformed(String),
}

/// A connection from which requests are read and to which responses are written.
pub(super) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Each response is a single write, so waiting for more gains nothing.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// The next request with its whole body, or `None` if the client has closed the connection.
    pub(super) async fn read(&mut self) -> io::Result<Option<Incoming>> {
        let Some(head) = self.read_until(b"\r\n\r\n").await? else {
            return Ok(
                (!self.unread.is_empty()).then(|| Incoming::Malformed(first_line(&self.unread)))
            );
        };
        let Some(mut request) = Request::parse(&head) else {
            return Ok(Some(Incoming::Malformed(first_line(&head))));
        };
        if request.headers.contains_key(EXPECT) {
            self.stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        request.body = if request.headers.contains_key(TRANSFER_ENCODING) {
            self.read_chunks().await?
        } else {
            let length = request
                .headers
                .get(CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            self.read_exactly(length.unwrap_or(0)).await?
        };
        Ok(Some(Incoming::Request(request)))
    }

    /// Writes a whole response.
    pub(super) async fn write(&mut self, response: &Response) -> io::Result<()> {
        let mut bytes = response.head(response.body.len()).into_bytes();
        bytes.extend_from_slice(&response.body);
        self.stream.write_all(&bytes).await
    }

    /// Writes the head at once and the body byte by byte.
    pub(super) async fn trickle(&mut self, response: &Response, pause: Duration) -> io::Result<()> {
        self.stream
            .write_all(response.head(response.body.len()).as_bytes())
            .await?;
        for byte in &response.body {
            tokio::time::sleep(pause).await;
            self.stream.write_all(&[*byte]).await?;
        }
        Ok(())
    }

    /// Writes half of the body under a head that promises all of it.
    pub(super) async fn truncate(&mut self, response: &Response) -> io::Result<()> {
        let sent = response
            .body
            .get(..response.body.len() / 2)
            .unwrap_or_default();
        let mut bytes = response.head(response.body.len().max(1)).into_bytes();
        bytes.extend_from_slice(sent);
        self.stream.write_all(&bytes).await
    }

    /// Waits silently until the client closes the connection.
    pub(super) async fn hang(&mut self) {
        let mut ignored = [0; 1024];
        while matches!(self.stream.read(&mut ignored).await, Ok(read) if read > 0) {}
    }

    /// Makes the following close a reset (RST) instead of an orderly end.
    pub(super) fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }

    async fn fill(&mut self) -> io::Result<bool> {
        if self.unread.len() > MOST {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }

    /// The bytes before `end`, which is consumed as well; `None` if the client closes before it.
    async fn read_until(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self
                .unread
                .windows(end.len())
                .position(|window| window == end)
            {
                let mut taken: Vec<u8> = self.unread.drain(..at + end.len()).collect();
                taken.truncate(at);
                return Ok(Some(taken));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self
                .read_until(b"\r\n")
                .await?
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = String::from_utf8_lossy(&line);
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            body.extend(self.read_exactly(size).await?);
            // After the last chunk this is the empty line; no client here sends trailers.
            self.read_exactly(2).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// Whether the client wants the connection closed after this request.
pub(super) fn closes(request: &Request) -> bool {
    request
        .headers
        .get(CONNECTION)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}
