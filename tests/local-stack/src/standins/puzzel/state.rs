//! The state of Puzzel: its customers, the tokens that it accepted, and its chats.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jsonwebtoken::jwk::JwkSet;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::standins::http::Response;

/// An identity provider under Organisation Settings, Visitor Idp.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// The `providerId`.
    pub id: i64,
    /// The `iss` that its tokens must have.
    pub issuer: String,
    /// The URL of its keys.
    pub jwks_url: String,
    /// The `aud` that its tokens must have; `None` allows any.
    #[serde(default)]
    pub audience: Option<String>,
}

/// The kind of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// `accessToken`.
    Access,
    /// `idToken`.
    Id,
}

/// A token that was accepted.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// The `userInfoId` in the response.
    pub user_info_id: String,
    /// The customer.
    pub customer_id: String,
    /// The provider that issued the token.
    pub provider_id: i64,
    /// The kind of the token that was sent.
    pub kind: TokenKind,
    /// The token's `sub`.
    pub subject: String,
    #[serde(skip)]
    pub(super) challenge: String,
    #[serde(skip)]
    pub(super) used: BTreeSet<Use>,
}

/// The uses of a `userInfoId`; each is allowed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    StartChat,
    SetIdentity,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// The queue it was routed to.
    pub queue_key: String,
    /// The `sub` of the identified user.
    pub subject: Option<String>,
    /// The visitor whose session started or identified the chat.
    pub visitor_id: Option<String>,
}

/// The state of the stand-in.
pub(super) struct State {
    pub(super) customers: BTreeMap<String, Vec<Provider>>,
    /// The keys by URL; fetched again if a `kid` is not among them.
    pub(super) keys: HashMap<String, JwkSet>,
    pub(super) authentications: Vec<Authentication>,
    pub(super) chats: BTreeMap<String, Chat>,
    /// The visitor id of each access token.
    pub(super) visitors: HashMap<String, String>,
    pub(super) random: StdRng,
    pub(super) strays: Vec<String>,
}

impl State {
    /// A new random name.
    pub(super) fn name(&mut self, prefix: &str) -> String {
        prefix.to_owned() + &Alphanumeric.sample_string(&mut self.random, 22)
    }
}

/// A refusal in Puzzel's format.
pub(super) fn refused(status: u16, why: &str) -> Response {
    Response::json(status, &json!({ "error": why }))
}
