//! AWS in this process: DynamoDB, Secrets Manager and S3 behind one address, since the functions
//! have one `AWS_ENDPOINT_URL`, with a layer in front that records requests and injects faults.

mod contents;
mod fault;
mod recorded;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use dynoxide::Database;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_s3::S3Service;
use winterbaume_secretsmanager::SecretsManagerService;

pub use fault::{Effect, Fault};
pub use recorded::{Recorded, Service};

use crate::standins::holds::{Hold, Holds, Point};
use harness::serve::{Forward, Server, no_response};

/// The region of the local services.
pub const REGION: &str = "eu-west-1";

/// Larger bodies are refused; DynamoDB itself stops at 16 MB.
const LARGEST_BODY: usize = 64 << 20;

/// The running services. Dropping them stops them; the data that DynamoDB keeps in a folder
/// remains.
pub struct Aws {
    server: Server,
    endpoint: Arc<Endpoint>,
    dynamodb: JoinHandle<Result<(), String>>,
    database: Database,
}

struct Endpoint {
    dynamodb: Forward,
    secrets: SecretsManagerService,
    s3: S3Service,
    faults: Mutex<Vec<Fault>>,
    /// Whether requests are changed so that DynamoDB handles a large table.
    is_large: AtomicBool,
    recorded: Mutex<Vec<Recorded>>,
    holds: Holds<Recorded>,
}

impl Aws {
    /// Starts the services with everything in memory.
    pub async fn start() -> io::Result<Self> {
        Self::with_database(Database::memory().map_err(io::Error::other)?).await
    }

    /// Starts the services with DynamoDB's data in `folder`, which no other stack may be using, and
    /// everything else in memory.
    pub async fn start_in(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join("dynamodb.sqlite");
        let file = file.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        Self::with_database(Database::new(file).map_err(io::Error::other)?).await
    }

    async fn with_database(database: Database) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = Arc::new(Endpoint {
            dynamodb: Forward::new(listener.local_addr()?),
            secrets: SecretsManagerService::new(),
            s3: S3Service::new(),
            faults: Mutex::default(),
            is_large: AtomicBool::new(false),
            recorded: Mutex::default(),
            holds: Holds::default(),
        });
        let dynamodb = tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database.clone(),
            std::future::pending(),
        ));
        let router = Router::new()
            // A bucket's name cannot begin with an underscore, so these routes hide none.
            .route("/_faults", put(set_faults))
            .route("/_requests", get(list_requests))
            .fallback(serve)
            .with_state(endpoint.clone());
        Ok(Self {
            server: Server::start(router, None).await?,
            endpoint,
            dynamodb,
            database,
        })
    }

    /// `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The variables that make an AWS SDK use these services and no others.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.url().as_str()),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: impl Into<Vec<Fault>>) {
        *self.endpoint.faults() = faults.into();
    }

    /// Prepares DynamoDB for a hundred thousand items: a transaction no longer searches the tokens
    /// of all transactions of the last ten minutes, and a query no longer reads the rest of its
    /// partition for each page. So a transaction that an SDK sends again is executed again.
    pub fn expect_a_large_table(&self) {
        self.endpoint.is_large.store(true, Ordering::Relaxed);
    }

    /// The requests since the start or since [`Aws::forget_requests`], in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.endpoint.recorded().clone()
    }

    /// The number of requests for `operation`.
    pub fn count(&self, operation: &str) -> usize {
        let recorded = self.endpoint.recorded();
        let asked = recorded.iter().filter(|one| one.operation == operation);
        asked.count()
    }

    /// Stops the `nth` request for `operation` from now on at a point, until it is released. If the
    /// client has gone by then, the request ends there.
    pub fn hold(&self, operation: &str, nth: usize, point: Point) -> Hold<Recorded> {
        self.endpoint.holds.hold(operation.into(), nth, point)
    }

    /// Clears the record of requests.
    pub fn forget_requests(&self) {
        self.endpoint.recorded().clear();
    }

    /// Writes a secret, or a new version of it. A `Value::String` is written unquoted, so that a
    /// secret may also be something other than JSON.
    pub async fn put_secret(&self, name: &str, secret: &Value) {
        let text = match secret {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let create = json!({"Name": name, "SecretString": text});
        if self.secrets("CreateSecret", create).await.is_err() {
            let put = json!({"SecretId": name, "SecretString": text});
            self.secrets("PutSecretValue", put)
                .await
                .expect("the secret");
        }
    }

    /// Deletes a secret for good.
    pub async fn delete_secret(&self, name: &str) {
        let delete = json!({"SecretId": name, "ForceDeleteWithoutRecovery": true});
        self.secrets("DeleteSecret", delete)
            .await
            .expect("deletion");
    }

    /// Creates a table from the JSON of a `CreateTable` request, if it does not exist.
    pub fn create_table(&self, definition: Value) {
        let name = definition["TableName"].as_str().expect("a name").to_owned();
        let tables = self
            .database
            .list_tables(serde_json::from_value(json!({})).expect("a request"))
            .expect("the tables");
        if tables.table_names.contains(&name) {
            return;
        }
        let request = serde_json::from_value(definition).expect("a table definition");
        self.database.create_table(request).expect("the table");
    }

    /// Deletes a table with everything in it.
    pub fn delete_table(&self, name: &str) {
        let request = serde_json::from_value(json!({ "TableName": name })).expect("a request");
        self.database.delete_table(request).expect("deletion");
    }

    /// Creates a bucket.
    pub async fn create_bucket(&self, name: &str) {
        let path = format!("/{name}").parse().expect("a bucket name");
        let response = self
            .endpoint
            .s3("PUT", &path, HeaderMap::new(), Bytes::new())
            .await;
        assert_eq!(response.status, 200, "{:?}", response.body);
    }

    async fn secrets(&self, operation: &str, request: Value) -> Result<(), Bytes> {
        let mut headers = HeaderMap::new();
        let target = format!("secretsmanager.{operation}");
        headers.insert("x-amz-target", target.parse().expect("a header"));
        let body = Bytes::from(request.to_string());
        let response = self.endpoint.secrets_manager(headers, body).await;
        if response.status == 200 {
            Ok(())
        } else {
            Err(response.body)
        }
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.dynamodb.abort();
    }
}

impl Endpoint {
    fn faults(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recorded(&self) -> std::sync::MutexGuard<'_, Vec<Recorded>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The services take the region from the host, so use the same one for every client.
    async fn secrets_manager(&self, headers: HeaderMap, body: Bytes) -> MockResponse {
        let request = MockRequest {
            method: "POST".to_owned(),
            uri: format!("https://secretsmanager.{REGION}.amazonaws.com/"),
            headers,
            body,
        };
        self.secrets.handle(request).await
    }

    async fn s3(&self, method: &str, path: &Uri, headers: HeaderMap, body: Bytes) -> MockResponse {
        // The service does not implement conditional writes, which protect an archive from being
        // overwritten.
        let is_new_only = headers.get("if-none-match").is_some_and(|it| it == "*");
        if method == "PUT" && is_new_only {
            let there = self.send_s3("HEAD", path, HeaderMap::new(), Bytes::new());
            if there.await.status == 200 {
                let body = "<Error><Code>PreconditionFailed</Code></Error>";
                return MockResponse {
                    status: 412,
                    headers: HeaderMap::new(),
                    body: Bytes::from_static(body.as_bytes()),
                };
            }
        }
        self.send_s3(method, path, headers, body).await
    }

    async fn send_s3(
        &self,
        method: &str,
        path: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> MockResponse {
        // The service pages a list of versions, but returns no marker for the next page.
        let whole = if is_version_list(path) {
            "&max-keys=1000000"
        } else {
            ""
        };
        let request = MockRequest {
            method: method.to_owned(),
            uri: format!("https://s3.{REGION}.amazonaws.com{path}{whole}"),
            headers,
            body,
        };
        self.s3.handle(request).await
    }

    async fn handle(&self, recorded: &Recorded, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let response = match recorded.service {
            Service::DynamoDb => {
                let mut body = body;
                if self.is_large.load(Ordering::Relaxed) {
                    body = for_a_large_table(&recorded.operation, body);
                    parts.headers.remove(header::CONTENT_LENGTH);
                }
                let request = Request::from_parts(parts, Body::from(body));
                return self.dynamodb.send(request).await;
            }
            Service::SecretsManager => self.secrets_manager(parts.headers, body).await,
            Service::S3 => {
                let path = parts.uri.path_and_query().map(ToString::to_string);
                let path = path.unwrap_or_default().parse().unwrap_or_default();
                self.s3(parts.method.as_str(), &path, parts.headers, body)
                    .await
            }
        };
        let status = StatusCode::from_u16(response.status);
        let mut sent = Response::new(Body::from(response.body));
        *sent.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *sent.headers_mut() = response.headers;
        sent
    }
}

/// The body of a request to DynamoDB without a transaction's token, and with a query's limit.
fn for_a_large_table(operation: &str, body: Bytes) -> Bytes {
    let Ok(mut request) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return body;
    };
    match operation {
        "TransactWriteItems" => {
            request.remove("ClientRequestToken");
        }
        "Query" => {
            request.entry("Limit").or_insert(json!(1000));
        }
        _ => return body,
    }
    Value::Object(request).to_string().into()
}

fn is_version_list(path: &Uri) -> bool {
    let query = path.query().unwrap_or_default();
    query
        .split('&')
        .any(|it| it == "versions" || it == "versions=")
}

async fn serve(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let recorded = Recorded::of(&request);
    let pass = async |point| {
        let (operation, path) = (&recorded.operation, &recorded.path);
        endpoint.holds.pass(point, operation, path, &recorded).await;
    };
    endpoint.recorded().push(recorded.clone());
    pass(Point::Arrived).await;
    let response = exchange(&endpoint, &recorded, request).await;
    pass(Point::Handled).await;
    response
}

async fn exchange(endpoint: &Endpoint, recorded: &Recorded, request: Request) -> Response {
    let fault = fault::take(&mut endpoint.faults(), recorded);
    let service = recorded.service;
    let Some(fault) = fault else {
        return endpoint.handle(recorded, request).await;
    };
    tokio::time::sleep(fault.delay()).await;
    match fault.effect {
        Effect::Delay => endpoint.handle(recorded, request).await,
        Effect::Error { status, code } => fault::error(service, status, &code),
        Effect::Shorten => shorten(endpoint.handle(recorded, request).await).await,
        Effect::DropRequest => no_response(),
        Effect::DropResponse => {
            endpoint.handle(recorded, request).await;
            no_response()
        }
    }
}

async fn shorten(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    let end = body.len().saturating_sub(1);
    Response::from_parts(parts, Body::from(body.slice(..end)))
}

async fn set_faults(State(endpoint): State<Arc<Endpoint>>, Json(faults): Json<Vec<Fault>>) {
    *endpoint.faults() = faults;
}

async fn list_requests(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let recorded = endpoint.recorded().clone();
    ([(header::CACHE_CONTROL, "no-store")], Json(recorded)).into_response()
}
