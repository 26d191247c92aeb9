//! An OIDC issuer: discovery, JWKS, tokens for fictitious users, key rotation, and every fault that
//! a verifier must survive. All of it can be controlled from Rust and over HTTP.

pub mod keys;
pub mod providers;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use harness::serve::{Server, no_response};
use keys::{Algorithm, Key};
use providers::{PROVIDERS, Provider};

/// The default audience of a token.
pub const AUDIENCE: &str = "shop";

/// The misbehaviour of discovery and the JWKS; none by default.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Misbehaviour {
    /// Both respond with this status.
    pub status: Option<u16>,
    /// Only the JWKS responds with this status.
    pub jwks_status: Option<u16>,
    /// Both close the connection without a response.
    pub hang_up: bool,
    /// Both respond this much later.
    pub delay_ms: u64,
    /// Both redirect to this address.
    pub redirect: Option<String>,
    /// The `issuer` that discovery claims.
    pub issuer: Option<String>,
    /// The `jwks_uri` that discovery names.
    pub jwks_uri: Option<String>,
    /// The response of the JWKS instead of the keys.
    pub jwks: Option<Value>,
}

/// The number of requests to the issuer, refused ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fetches {
    /// `/.well-known/openid-configuration`
    pub discovery: u32,
    /// `/jwks`
    pub jwks: u32,
}

/// The two tokens of one login.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tokens {
    /// Identifies the user only: it has no email and no name, as with most providers.
    pub access_token: String,
    /// Contains every claim.
    pub id_token: String,
    /// Seconds.
    pub expires_in: i64,
    /// `Bearer`
    pub token_type: String,
}

struct Inner {
    url: String,
    keys: Vec<Arc<Key>>,
    made: u32,
    misbehaviour: Misbehaviour,
    fetches: Fetches,
}

type Shared = Arc<Mutex<Inner>>;

/// A running issuer.
pub struct Issuer {
    shared: Shared,
    server: Server,
}

impl Issuer {
    /// Starts one on a free port, with one RS256 key.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        Self::on(listener, url)
    }

    /// The same for an issuer that others reach at another address, which leads to it.
    pub async fn start_behind(url: String) -> io::Result<Self> {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).await?, url)
    }

    fn on(listener: TcpListener, url: String) -> io::Result<Self> {
        let shared = Arc::new(Mutex::new(Inner {
            url,
            keys: vec![Arc::new(Key::generate("key-1", Algorithm::RS256))],
            made: 1,
            misbehaviour: Misbehaviour::default(),
            fetches: Fetches::default(),
        }));
        let server = Server::on(listener, router(shared.clone()))?;
        Ok(Self { shared, server })
    }

    /// `OIDC_ISSUER`.
    pub fn url(&self) -> String {
        lock(&self.shared).url.clone()
    }

    /// Its own address, without any tap in front.
    pub fn direct_url(&self) -> String {
        self.server.url()
    }

    /// The current signing key. Its `sign_with_header` makes hostile tokens.
    pub fn key(&self) -> Arc<Key> {
        lock(&self.shared).current()
    }

    /// Publishes another key in the JWKS, which is not used for signing.
    pub fn publish(&self, key: Key) -> Arc<Key> {
        let key = Arc::new(key);
        // The last key is the signing key.
        lock(&self.shared).keys.insert(0, key.clone());
        key
    }

    /// Signs with a new key from now on. The old keys leave the JWKS unless they are kept.
    pub fn rotate(&self, keep_old: bool) -> Arc<Key> {
        lock(&self.shared).rotate(keep_old)
    }

    /// Both tokens of a login: `claims` override the defaults, see [`Issuer::claims`].
    pub fn login(&self, claims: Value) -> Tokens {
        lock(&self.shared).login(object(claims))
    }

    /// An ID token, the kind that the functions expect.
    pub fn id_token(&self, claims: Value) -> String {
        self.login(claims).id_token
    }

    /// The claims of a token for `claims`: missing `iss`, `aud`, `iat` and `exp` are filled in, and
    /// `ttl_seconds` (default 3600, may be negative) becomes `exp`.
    pub fn claims(&self, claims: Value) -> Value {
        Value::Object(lock(&self.shared).claims(object(claims)).0)
    }

    /// Makes discovery and the JWKS misbehave from now on.
    pub fn misbehave(&self, misbehaviour: Misbehaviour) {
        lock(&self.shared).misbehaviour = misbehaviour;
    }

    /// The number of requests to discovery and the JWKS since the start.
    pub fn fetches(&self) -> Fetches {
        lock(&self.shared).fetches
    }
}

impl Inner {
    fn current(&self) -> Arc<Key> {
        self.keys.last().expect("an issuer has a key").clone()
    }

    fn rotate(&mut self, keep_old: bool) -> Arc<Key> {
        self.made += 1;
        let key = Key::generate(format!("key-{}", self.made), Algorithm::RS256);
        if !keep_old {
            self.keys.clear();
        }
        self.keys.push(Arc::new(key));
        self.current()
    }

    fn claims(&self, mut claims: Map<String, Value>) -> (Map<String, Value>, i64) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
            .cast_signed();
        let ttl = claims
            .remove("ttl_seconds")
            .and_then(|ttl| ttl.as_i64().or_else(|| ttl.as_str()?.parse().ok()))
            .unwrap_or(3600);
        for (name, value) in [
            ("iss", json!(self.url)),
            ("aud", json!(AUDIENCE)),
            ("iat", json!(now + ttl.min(0))),
            ("exp", json!(now + ttl)),
        ] {
            claims.entry(name).or_insert(value);
        }
        (claims, ttl)
    }

    /// Tokens in the shape of the provider that the claim `provider` names, or of none.
    fn login(&mut self, mut claims: Map<String, Value>) -> Tokens {
        let provider = claims.remove("provider");
        let provider = provider.as_ref().and_then(Value::as_str);
        if let Some(provider) = provider.and_then(providers::provider) {
            return self.login_at(provider, &claims);
        }
        let key = self.current();
        let (claims, expires_in) = self.claims(claims);
        let mut access = claims.clone();
        for personal in ["email", "email_verified", "name"] {
            access.remove(personal);
        }
        Tokens {
            access_token: key.sign(&Value::Object(access)),
            id_token: key.sign(&Value::Object(claims)),
            expires_in,
            token_type: "Bearer".to_owned(),
        }
    }
}

impl Inner {
    /// The one token of this row, as both tokens.
    fn login_at(&mut self, provider: &Provider, user: &Map<String, Value>) -> Tokens {
        let mut shaped = provider.claims(user);
        for standard in ["iss", "aud", "exp", "ttl_seconds"] {
            if let Some(value) = user.get(standard) {
                shaped.entry(standard).or_insert_with(|| value.clone());
            }
        }
        let (mut claims, expires_in) = self.claims(shaped);
        claims.retain(|name, _| !provider.leaves_out().contains(name));
        let token = self.key_for(provider.alg).sign(&Value::Object(claims));
        Tokens {
            access_token: token.clone(),
            id_token: token,
            expires_in,
            token_type: "Bearer".to_owned(),
        }
    }

    /// A key of this algorithm, published if there was none. It does not become the current one.
    fn key_for(&mut self, algorithm: Algorithm) -> Arc<Key> {
        if let Some(key) = self
            .keys
            .iter()
            .rev()
            .find(|key| key.algorithm() == algorithm)
        {
            return key.clone();
        }
        let key = Arc::new(Key::generate(format!("{algorithm:?}"), algorithm));
        self.keys.insert(0, key.clone());
        key
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Inner> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn object(claims: Value) -> Map<String, Value> {
    match claims {
        Value::Object(claims) => claims,
        other => panic!("claims are an object, not {other}"),
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(|| async { Html(form()) }))
        .route("/providers", get(|| async { Json(providers_for_a_page()) }))
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(jwks))
        .route("/token", post(token))
        .route("/rotate", post(rotate))
        .route("/misbehaviour", put(misbehave))
        .route("/fetches", get(fetches))
        .with_state(shared)
        // The login page is served from another port.
        .layer(axum::middleware::map_response(
            async |mut response: Response| {
                response.headers_mut().insert(
                    header::ACCESS_CONTROL_ALLOW_ORIGIN,
                    HeaderValue::from_static("*"),
                );
                response
            },
        ))
}

/// Counts the fetch, waits, and returns the response that replaces the real one, if any.
async fn misbehaving(
    shared: &Shared,
    count: impl FnOnce(&mut Fetches) -> &mut u32,
) -> Option<Response> {
    let misbehaviour = {
        let mut inner = lock(shared);
        *count(&mut inner.fetches) += 1;
        inner.misbehaviour.clone()
    };
    tokio::time::sleep(Duration::from_millis(misbehaviour.delay_ms)).await;
    if misbehaviour.hang_up {
        return Some(no_response());
    }
    if let Some(location) = misbehaviour.redirect {
        return Some((StatusCode::FOUND, [(header::LOCATION, location)]).into_response());
    }
    misbehaviour.status.map(status)
}

fn status(status: u16) -> Response {
    StatusCode::from_u16(status)
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        .into_response()
}

async fn discovery(State(shared): State<Shared>) -> Response {
    if let Some(instead) = misbehaving(&shared, |fetches| &mut fetches.discovery).await {
        return instead;
    }
    let inner = lock(&shared);
    let url = &inner.url;
    let wrong = inner.misbehaviour.clone();
    Json(json!({
        "issuer": wrong.issuer.unwrap_or_else(|| url.clone()),
        "jwks_uri": wrong.jwks_uri.unwrap_or_else(|| format!("{url}/jwks")),
        "authorization_endpoint": format!("{url}/"),
        "token_endpoint": format!("{url}/token"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
    .into_response()
}

async fn jwks(State(shared): State<Shared>) -> Response {
    if let Some(instead) = misbehaving(&shared, |fetches| &mut fetches.jwks).await {
        return instead;
    }
    let inner = lock(&shared);
    if let Some(code) = inner.misbehaviour.jwks_status {
        return status(code);
    }
    if let Some(instead) = inner.misbehaviour.jwks.clone() {
        return Json(instead).into_response();
    }
    let keys: Vec<Value> = inner.keys.iter().map(|key| key.jwk()).collect();
    Json(json!({ "keys": keys })).into_response()
}

/// `POST /token`, with a form or JSON. Every field except `ttl_seconds` is a claim.
async fn token(State(shared): State<Shared>, request: Request) -> Result<Json<Tokens>, Response> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
    let claims: Map<String, Value> = if is_form {
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, &())
            .await
            .map_err(IntoResponse::into_response)?;
        fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| match value.as_str() {
                "true" | "false" if name == "email_verified" => (name, json!(value == "true")),
                _ => (name, json!(value)),
            })
            .collect()
    } else {
        let Json(claims) = Json::from_request(request, &())
            .await
            .map_err(IntoResponse::into_response)?;
        claims
    };
    if claims.get("sub").is_none() {
        return Err((StatusCode::BAD_REQUEST, "a token needs a sub").into_response());
    }
    Ok(Json(lock(&shared).login(claims)))
}

#[derive(Deserialize)]
struct Rotation {
    #[serde(default)]
    keep: bool,
}

async fn rotate(State(shared): State<Shared>, Query(rotation): Query<Rotation>) -> Json<Value> {
    let key = lock(&shared).rotate(rotation.keep);
    Json(json!({ "kid": key.kid() }))
}

async fn misbehave(State(shared): State<Shared>, Json(misbehaviour): Json<Misbehaviour>) {
    lock(&shared).misbehaviour = misbehaviour;
}

async fn fetches(State(shared): State<Shared>) -> Json<Fetches> {
    Json(lock(&shared).fetches)
}

/// The form, with the providers whose shapes a token can have.
fn form() -> String {
    let options: Vec<_> = PROVIDERS
        .iter()
        .map(|it| format!("<option value=\"{}\">{} ({})", it.id, it.name, it.send))
        .collect();
    let options = options.concat();
    include_str!("issuer/form.html").replace("<!-- providers -->", &options)
}

/// The providers for a page to offer, with the settings for each.
fn providers_for_a_page() -> Value {
    let providers = PROVIDERS.iter().map(|it| {
        json!({"id": it.id, "name": it.name, "send": it.send, "source": it.source,
               "settings": it.settings})
    });
    Value::Array(providers.collect())
}
