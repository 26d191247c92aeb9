//! HTTP/1.1 as the clients of a Runtime API speak it: parses a request, possibly incomplete.

/// A request, as far as the Runtime API needs it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// The path as received.
    pub path: String,
    /// The body, without chunk headers.
    pub body: Vec<u8>,
}

/// The received bytes are not a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request that a Runtime API gets: {0}")]
pub struct NotARequest(String);

/// The first request in `bytes` and its length; `None` if it is incomplete.
pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, NotARequest> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let wrong = |what: &str| NotARequest(what.to_owned());
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("a head that is no text"))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(NotARequest(head.to_owned()));
    };
    let mut length = 0;
    let mut chunked = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| wrong("its length"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    let start = end + 4;
    let body = if chunked {
        unchunk(&bytes[start..])?
    } else {
        bytes
            .get(start..start + length)
            .map(|it| (it.to_vec(), length))
    };
    Ok(body.map(|(body, taken)| {
        let (method, path) = (method.to_owned(), path.to_owned());
        (Request { method, path, body }, start + taken)
    }))
}

/// A chunked body and its length in bytes, trailers included.
fn unchunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, NotARequest> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&bytes[at..at + line]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16)
            .map_err(|_| NotARequest("a chunk's length".to_owned()))?;
        at += line + 2;
        if size == 0 {
            return Ok(end_of_trailers(&bytes[at..]).map(|end| (body, at + end)));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else {
            return Ok(None);
        };
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
    }
}

fn end_of_trailers(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    find(bytes, b"\r\n\r\n").map(|end| end + 4)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(body: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            path: "/p".to_owned(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// Checks that every prefix of `whole` is incomplete, and that the bytes after it are
    /// untouched.
    fn assert_parses(whole: &str, expected: &Request) {
        for end in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..end]), Ok(None), "{end}");
        }
        let followed = format!("{whole}GET /next HTTP/1.1\r\n");
        let (request, taken) = parse(followed.as_bytes()).unwrap().unwrap();
        assert_eq!((&request, taken), (expected, whole.len()));
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        let whole = "POST /p HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\n\r\nhello";
        assert_parses(whole, &post("hello"));
    }

    #[test]
    fn a_request_without_a_length_has_no_body() {
        let expected = Request {
            method: "GET".to_owned(),
            ..post("")
        };
        assert_parses("GET /p HTTP/1.1\r\nhost: a\r\n\r\n", &expected);
    }

    #[test]
    fn chunks_are_joined() {
        let whole = "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                     5\r\nhello\r\nA;x=y\r\n, my world\r\n0\r\n\r\n";
        assert_parses(whole, &post("hello, my world"));
    }

    #[test]
    fn trailers_end_with_the_request() {
        let whole = "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                     2\r\nok\r\n0\r\nError-Type: a\r\nError-Body: b\r\n\r\n";
        assert_parses(whole, &post("ok"));
    }

    #[test]
    fn bytes_that_are_not_a_request_are_an_error() {
        assert!(parse(b"hello\r\n\r\n").is_err());
        assert!(parse(b"POST /p HTTP/1.1\r\nContent-Length: x\r\n\r\n").is_err());
        assert!(parse(b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").is_err());
    }
}
