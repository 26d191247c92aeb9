//! Puzzel: the identity service, which accepts an identity provider's token (`IDP_SRV`), and the
//! chat service (`COMM_SRV`).
//!
//! Puzzel documents only one response, the 200 of authenticate. The others are ours, and a client
//! must not rely on them: errors are `{"error": "…"}`, see [`identity`] and [`chat`] for the
//! statuses.

pub mod chat;
pub mod identity;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
pub use state::{Authentication, Chat, Provider, TokenKind};
use state::{State, refused};

use super::faults::Faults;
use super::http::{Request, Response};
use super::line::Line;
use super::lock::lock;
use super::path::Path;
use super::server::Server;
use super::traffic::Traffic;
use crate::issuer::Issuer;

/// The configuration of a stand-in.
#[derive(Clone, Debug, Default)]
pub struct PuzzelConfig {
    /// The identity providers of each customer id. The first one is the default.
    pub customers: BTreeMap<String, Vec<Provider>>,
    /// Whether each of the two services has its own address.
    pub two_hosts: bool,
    /// The port on loopback (the second service uses the next one); 0 for free ports.
    pub port: u16,
}

/// A running stand-in. It stops when its last handle is dropped.
#[derive(Clone)]
pub struct Puzzel {
    servers: Arc<(Server, Option<Server>)>,
    line: Arc<Line>,
    state: Arc<Mutex<State>>,
}

impl Puzzel {
    /// Starts one on two free ports, with a customer whose only identity provider is `issuer`.
    pub async fn start_for(customer: &str, issuer: &Issuer) -> io::Result<Self> {
        let provider = Provider {
            id: 1,
            issuer: issuer.url(),
            jwks_url: issuer.direct_url() + "/jwks",
            audience: None,
        };
        Self::start(PuzzelConfig {
            customers: BTreeMap::from([(customer.to_owned(), vec![provider])]),
            two_hosts: true,
            port: 0,
        })
        .await
    }

    /// Starts one on loopback.
    pub async fn start(config: PuzzelConfig) -> io::Result<Self> {
        let line = Arc::new(Line::new(""));
        let state = Arc::new(Mutex::new(State {
            customers: config.customers,
            keys: HashMap::new(),
            authentications: Vec::new(),
            chats: BTreeMap::new(),
            visitors: HashMap::new(),
            random: StdRng::seed_from_u64(1),
            strays: Vec::new(),
        }));
        let (shared, http) = (Arc::clone(&state), reqwest::Client::new());
        let handler = move |request: Request| {
            let (state, http) = (Arc::clone(&shared), http.clone());
            async move {
                respond(&state, &http, &request)
                    .await
                    .unwrap_or_else(|refusal| refusal)
            }
        };
        let identity = Server::start(config.port, Arc::clone(&line), handler.clone()).await?;
        let chat = if config.two_hosts {
            let port = if config.port == 0 { 0 } else { config.port + 1 };
            Some(Server::start(port, Arc::clone(&line), handler).await?)
        } else {
            None
        };
        Ok(Self {
            servers: Arc::new((identity, chat)),
            line,
            state,
        })
    }

    /// `IDP_SRV`.
    pub fn idp_url(&self) -> String {
        self.servers.0.origin()
    }

    /// `COMM_SRV`.
    pub fn comm_url(&self) -> String {
        self.servers.1.as_ref().unwrap_or(&self.servers.0).origin()
    }

    /// The faults of both services.
    pub fn faults(&self) -> &Faults {
        &self.line.faults
    }

    /// The traffic of both services.
    pub fn traffic(&self) -> &Traffic {
        &self.line.traffic
    }

    /// Replaces the customers and their providers.
    pub fn set_customers(&self, customers: BTreeMap<String, Vec<Provider>>) {
        lock(&self.state).customers = customers;
    }

    /// The tokens that were accepted so far.
    pub fn authentications(&self) -> Vec<Authentication> {
        lock(&self.state).authentications.clone()
    }

    /// The subject of this `userInfoId`.
    pub fn subject_of(&self, user_info_id: &str) -> Option<String> {
        let state = lock(&self.state);
        let known = state.authentications.iter().rev();
        let mut known = known.filter(|one| one.user_info_id == user_info_id);
        known.next().map(|one| one.subject.clone())
    }

    /// The conversation with this id.
    pub fn chat(&self, conversation_id: &str) -> Option<Chat> {
        lock(&self.state).chats.get(conversation_id).cloned()
    }

    /// The request lines whose path does not belong to any of Puzzel's calls.
    pub fn strays(&self) -> Vec<String> {
        lock(&self.state).strays.clone()
    }
}

async fn respond(
    state: &Mutex<State>,
    http: &reqwest::Client,
    request: &Request,
) -> Result<Response, Response> {
    if let Some(what) = request.path().strip_prefix("/_control/") {
        return control(&mut lock(state), what, request);
    }
    let path = Path::resolve(request.path());
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    if path.crooked {
        lock(state).strays.push(request.line.clone());
    }
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["api", "authenticate", customer]) => {
            identity::authenticate(state, http, customer, request).await
        }
        ("POST", ["connect", "token"]) => identity::visitor_session(&mut lock(state), request),
        ("POST", ["api", "conversation", id, "route", queue_key]) => {
            chat::start(&mut lock(state), id, queue_key, request)
        }
        ("POST", ["api", "visitor", "setIdentity", id]) => {
            chat::set_identity(&mut lock(state), id, request)
        }
        _ => {
            if !path.crooked {
                lock(state).strays.push(request.line.clone());
            }
            Err(refused(404, "there is nothing here"))
        }
    }
}

/// | call under `/_control/` | does |
/// | --- | --- |
/// | `PUT customers` with customer ids and [`Provider`]s | replaces them |
/// | `GET state` | `{"customers", "authentications", "chats", "strays"}` |
fn control(state: &mut State, what: &str, request: &Request) -> Result<Response, Response> {
    match (request.method.as_str(), what) {
        ("PUT", "customers") => {
            state.customers = request
                .json()
                .map_err(|error| refused(400, &error.to_string()))?;
            Ok(Response::empty(204))
        }
        ("GET", "state") => Ok(Response::json(
            200,
            &json!({
                "customers": state.customers, "authentications": state.authentications,
                "chats": state.chats, "strays": state.strays,
            }),
        )),
        _ => Err(refused(404, "there is nothing here")),
    }
}
