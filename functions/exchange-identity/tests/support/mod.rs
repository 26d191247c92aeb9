//! Support for the tests: the function from event to response, and upstreams that fail.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exchange_identity::{Config, ExchangeIdentity};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::lambda::config::Variables;
use shared::lambda::http::{BasePath, Request, respond};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::path_regex;
use wiremock::{Mock, MockServer, ResponseTemplate};

pub const ISSUER: &str = "https://login.example";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const USER_INFO_ID: &str = "usr_canary2n4fK8pLmNqR5t";
pub const START: &str = "/puzzel/conversations/c-1/route/sales";
pub const IDENTIFY: &str = "/puzzel/conversations/c-1/identity";

/// The function with these base URLs of Puzzel, and more variables.
pub async fn function(identity: &str, chat: &str, more: &[(&str, &str)]) -> ExchangeIdentity {
    let variables = [
        ("PUZZEL_IDP_URL", identity),
        ("PUZZEL_COMM_URL", chat),
        ("PUZZEL_CUSTOMER_ID", "customer123"),
    ];
    let variables: Variables = variables.iter().chain(more).copied().collect();
    let config = Config::from_variables(&variables).unwrap();
    ExchangeIdentity::start(config).await.unwrap()
}

/// A healthy Puzzel.
pub async fn puzzel() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path_regex("^/api/authenticate/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"userInfoId": USER_INFO_ID})))
        .mount(&server)
        .await;
    Mock::given(path_regex("^/api/(conversation|visitor)/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": 12})))
        .mount(&server)
        .await;
    server
}

/// An unverified token with these claims.
pub fn jwt(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(&json!({"alg": "RS256", "typ": "JWT"}));
    format!("{header}.{}.c2lnbmF0dXJl", part(claims))
}

/// A token of user 1234, of `ISSUER`, valid for a minute.
pub fn token() -> String {
    jwt(&json!({"sub": "1234", "iss": ISSUER, "exp": epoch() + 60}))
}

pub fn epoch() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// An HTTP API event for user 1234, with the bearer token `bearer`.
pub fn event(method: &str, path: &str, bearer: &str, body: &Value) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "r",
            "timeEpoch": 0, "time": "", "domainName": "d", "domainPrefix": "d", "routeKey": "",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "", "userAgent": ""},
            "authorizer": {"jwt": {"claims": {"sub": "1234", "iss": ISSUER}}},
        },
        "isBase64Encoded": false,
    });
    if !bearer.is_empty() {
        event["headers"]["authorization"] = format!("Bearer {bearer}").into();
    }
    if !body.is_null() {
        event["body"] = body.to_string().into();
    }
    event
}

/// A response as API Gateway receives it.
#[derive(Debug)]
pub struct Reply(Value);

impl Reply {
    pub fn status(&self) -> u64 {
        self.0["statusCode"].as_u64().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0["headers"][name].as_str()
    }

    pub fn json(&self) -> Value {
        let body = self.0["body"].as_str().unwrap_or("null");
        serde_json::from_str(body).unwrap()
    }

    /// The status and the problem's code.
    pub fn problem(&self) -> (u64, String) {
        let code = self.json()["code"].as_str().unwrap_or_default().to_owned();
        (self.status(), code)
    }

    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Invokes the function with `event` and a deadline in `time`.
pub async fn call_within(function: &ExchangeIdentity, event: &Value, time: Duration) -> Reply {
    let mut context = Context::default();
    let by = SystemTime::now() + time;
    context.deadline = u64::try_from(by.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let event = RawValue::from_string(event.to_string()).unwrap();
    let handler = async |request: &Request| function.handle(request).await;
    let response = respond(
        &BasePath::default(),
        &handler,
        LambdaEvent::new(event, context),
    )
    .await;
    Reply(serde_json::to_value(response.unwrap()).unwrap())
}

/// Invokes the function with `event` and a generous deadline.
pub async fn call(function: &ExchangeIdentity, event: &Value) -> Reply {
    call_within(function, event, Duration::from_secs(20)).await
}

/// The fault of an upstream after it has read a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It sends this and closes the connection.
    Say(String),
    /// It never responds.
    Hang,
    /// It begins a response and then sends a byte now and then.
    Trickle,
    /// It resets the connection.
    Reset,
    /// It sends this many bytes of a body.
    Flood(usize),
}

/// An upstream with the same fault for every request.
pub struct Faulty {
    pub url: String,
    requests: Arc<AtomicUsize>,
}

impl Faulty {
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (fault, count) = (fault.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    read_request(&mut stream).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    fail(stream, fault).await;
                });
            }
        });
        Self { url, requests }
    }

    /// The number of requests received.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads a request with its body, and returns its head.
pub async fn read_request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .expect("every POST has a Content-Length");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head
}

/// A complete response that leaves the connection open.
pub fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

async fn fail(mut stream: TcpStream, fault: Fault) {
    const BEGUN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n";
    match fault {
        Fault::Say(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Fault::Hang => std::future::pending().await,
        Fault::Trickle => {
            let _ = stream.write_all(BEGUN).await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Fault::Reset => stream.set_zero_linger().unwrap(),
        Fault::Flood(bytes) => {
            let _ = stream.write_all(BEGUN).await;
            let chunk = vec![b' '; 64 * 1024];
            for _ in 0..bytes / chunk.len() {
                if stream.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        }
    }
}
