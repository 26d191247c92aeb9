//! Sunshine Conversations for one app: the messaging login of the SDK, and the v2 API.

mod api;
mod call;
mod calls;
mod control;
mod error;
mod handle;
mod login;
mod model;
mod pages;
mod state;
mod store;
mod sync;
pub mod user_token;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

pub use model::{Client, Conversation, CoreUser, Identity, Message, User};
use state::State;
pub use state::{Behaviour, Rate};
use store::Store;

use super::faults::Faults;
use super::http::{Request, Response};
use super::line::Line;
use super::lock::lock;
use super::server::Server;
use super::traffic::Traffic;

/// The configuration of a stand-in.
#[derive(Clone)]
pub struct SunshineConfig {
    /// The app that it serves.
    pub app_id: String,
    /// The secret of each key id, for Basic auth on the v2 API.
    pub integration_keys: BTreeMap<String, String>,
    /// The secret of each `kid`, for the end users' JWTs.
    pub signing_keys: BTreeMap<String, String>,
    /// The prefix of `/v2`: `/sc`, or empty.
    pub base_path: String,
    /// The port on loopback; 0 for a free one.
    pub port: u16,
}

impl Default for SunshineConfig {
    /// The app `5d8cff3cd55b040010928b5b` under `/sc`, without any keys.
    fn default() -> Self {
        Self {
            app_id: "5d8cff3cd55b040010928b5b".into(),
            integration_keys: BTreeMap::new(),
            signing_keys: BTreeMap::new(),
            base_path: "/sc".into(),
            port: 0,
        }
    }
}

/// A running stand-in. It stops when its last handle is dropped.
#[derive(Clone)]
pub struct Sunshine {
    server: Arc<Server>,
    line: Arc<Line>,
    state: Arc<Mutex<State>>,
    base_path: String,
}

impl Sunshine {
    /// Starts one on loopback.
    pub async fn start(config: SunshineConfig) -> io::Result<Self> {
        let line = Arc::new(Line::new(&config.base_path));
        let state = Arc::new(Mutex::new(State {
            app_id: config.app_id,
            integration_keys: config.integration_keys,
            signing_keys: config.signing_keys,
            behaviour: Behaviour::default(),
            recent: VecDeque::new(),
            store: Store::default(),
            app_deleted: false,
            strays: Vec::new(),
        }));
        let (shared, base_path) = (Arc::clone(&state), config.base_path.clone());
        let handler = move |request: Request| {
            let response = respond(&mut lock(&shared), &base_path, &request);
            std::future::ready(response)
        };
        let server = Arc::new(Server::start(config.port, Arc::clone(&line), handler).await?);
        Ok(Self {
            server,
            line,
            state,
            base_path: config.base_path,
        })
    }

    /// The base URL for `SUNSHINE_BASE_URL`; append `/v2/…`, `/_login` or `/_control/…`.
    pub fn url(&self) -> String {
        self.server.origin() + &self.base_path
    }

    /// The faults.
    pub fn faults(&self) -> &Faults {
        &self.line.faults
    }

    /// The traffic.
    pub fn traffic(&self) -> &Traffic {
        &self.line.traffic
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn respond(state: &mut State, base_path: &str, request: &Request) -> Response {
    let path = request.path();
    let path = path.strip_prefix(base_path).unwrap_or(path);
    if let Some(what) = path.strip_prefix("/_control/") {
        return control::respond(state, what, request);
    }
    login::respond(state, path, request).unwrap_or_else(|| api::respond(state, base_path, request))
}
