//! Sunshine Conversations for one app: the messaging login of the SDK, and the v2 API.

mod api;
mod calls;
mod control;
mod login;
mod model;
mod pages;
mod store;
mod sync;
pub mod user_token;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use model::{Client, Conversation, CoreUser, Identity, Message, User};
use serde::{Deserialize, Serialize};
use store::Store;

use super::faults::Faults;
use super::http::{Request, Response};
use super::server::{Line, Server};
use super::traffic::{Traffic, lock};

/// What a stand-in starts with.
#[derive(Clone)]
pub struct SunshineConfig {
    /// The app that it serves.
    pub app_id: String,
    /// Key id to secret, for Basic auth on the v2 API.
    pub integration_keys: BTreeMap<String, String>,
    /// `kid` to secret, for the end users' JWTs.
    pub signing_keys: BTreeMap<String, String>,
    /// What comes before `/v2`: `/sc`, or nothing.
    pub base_path: String,
    /// The port on loopback; 0 is a free one.
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

/// A running stand-in. It ends with its last handle.
#[derive(Clone)]
pub struct Sunshine {
    server: Arc<Server>,
    line: Arc<Line>,
    state: Arc<Mutex<State>>,
    base_path: String,
}

/// How the real service may behave one way or the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// A deleted user can be read, and keeps its email, until the deletions are completed.
    pub defer_deletions: bool,
    /// `personalinformation` leaves the identities as they are.
    pub keep_identities: bool,
    /// The status that refuses every merge by ids, as if the key's scope did not allow it.
    pub refuse_merges: Option<u16>,
    /// A merge by ids drops the discarded user's identities, in place of moving them.
    pub drop_merged_identities: bool,
    /// More requests than this are answered with 429.
    pub rate: Option<Rate>,
}

/// A limit on the v2 API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// How many requests any one second may have.
    pub per_second: usize,
    /// The `Retry-After` that a refusal carries.
    #[serde(default)]
    pub retry_after: Option<String>,
}

struct State {
    app_id: String,
    integration_keys: BTreeMap<String, String>,
    signing_keys: BTreeMap<String, String>,
    behaviour: Behaviour,
    /// When the requests of the last second came.
    recent: VecDeque<Instant>,
    store: Store,
    app_deleted: bool,
    strays: Vec<String>,
}

impl State {
    /// Counts a request; where it is one too many, the error is the `Retry-After` to refuse it with.
    fn within_the_rate(&mut self) -> Result<(), Option<String>> {
        let Some(rate) = &self.behaviour.rate else {
            return Ok(());
        };
        let now = Instant::now();
        while self
            .recent
            .front()
            .is_some_and(|first| now - *first >= Duration::from_secs(1))
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= rate.per_second {
            return Err(rate.retry_after.clone());
        }
        self.recent.push_back(now);
        Ok(())
    }
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
            let response = answer(&mut lock(&shared), &base_path, &request);
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

    /// The base URL, as `SUNSHINE_BASE_URL` has it; `/v2/…`, `/_login` and `/_control/…` go after it.
    pub fn url(&self) -> String {
        self.server.origin() + &self.base_path
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.line.faults
    }

    /// What came over the wire.
    pub fn traffic(&self) -> &Traffic {
        &self.line.traffic
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn answer(state: &mut State, base_path: &str, request: &Request) -> Response {
    let path = request.path();
    let path = path.strip_prefix(base_path).unwrap_or(path);
    if let Some(what) = path.strip_prefix("/_control/") {
        return control::answer(state, what, request);
    }
    login::answer(state, path, request).unwrap_or_else(|| api::answer(state, base_path, request))
}
