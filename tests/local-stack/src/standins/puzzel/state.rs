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
    /// Where its keys are.
    pub jwks_url: String,
    /// The `aud` that its tokens must have, if it matters.
    #[serde(default)]
    pub audience: Option<String>,
}

/// Which of the two tokens came.
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
    /// What was answered.
    pub user_info_id: String,
    /// The customer.
    pub customer_id: String,
    /// The provider that vouched.
    pub provider_id: i64,
    /// Which token.
    pub kind: TokenKind,
    /// The token's `sub`.
    pub subject: String,
    #[serde(skip)]
    pub(super) challenge: String,
    #[serde(skip)]
    pub(super) used: BTreeSet<Use>,
}

/// What a `userInfoId` is good for, once each.
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
    /// The `sub` of the user it is known to be with.
    pub subject: Option<String>,
    /// The visitor whose session started or identified it.
    pub visitor_id: Option<String>,
}

/// What the stand-in holds.
pub(super) struct State {
    pub(super) customers: BTreeMap<String, Vec<Provider>>,
    /// By URL; read again when a `kid` is not among them.
    pub(super) keys: HashMap<String, JwkSet>,
    pub(super) authentications: Vec<Authentication>,
    pub(super) chats: BTreeMap<String, Chat>,
    /// Access token to visitor id.
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

/// A refusal in Puzzel's form.
pub(super) fn refused(status: u16, why: &str) -> Response {
    Response::json(status, &json!({ "error": why }))
}
