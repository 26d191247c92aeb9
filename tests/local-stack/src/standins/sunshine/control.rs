//! Controls the stand-in over HTTP while it runs; the methods of the handle do the same:
//!
//! | call under `/_control/` | does |
//! | --- | --- |
//! | `GET users` | every user |
//! | `POST users` with a [`User`](super::User) | adds it, or replaces the one with its id |
//! | `DELETE users/{id}` | removes it, as an agent would |
//! | `POST users/{id}/clients` with a [`Client`](super::Client) | adds a client |
//! | `POST users/{id}/conversations` `{"messages": n}` | adds a conversation of `n` generated messages |
//! | `POST conversations/{id}/messages` `{"text": "…"}` | posts as the business |
//! | `PUT core-users/{zendeskId}` with a [`CoreUser`] | sets the source of `sync` |
//! | `GET`, `PUT behaviour` with a [`Behaviour`] | shows, sets it |
//! | `PUT keys` `{"integrationKeys"?, "signingKeys"?}` | replaces them |
//! | `POST deletions` | completes the deferred deletions |
//! | `GET state` | `{"appDeleted", "strays"}` |
//!
//! Faults and recorded requests are under `/_control/` of both stand-ins.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{CoreUser, Message};
use super::state::{Behaviour, State};
use crate::standins::http::{Request, Response};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConversation {
    #[serde(default)]
    messages: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Keys {
    integration_keys: Option<BTreeMap<String, String>>,
    signing_keys: Option<BTreeMap<String, String>>,
}

/// Responds to a call of `/_control/`.
pub(super) fn respond(state: &mut State, what: &str, request: &Request) -> Response {
    match done(state, what, request) {
        Ok(Some(value)) => Response::json(200, &value),
        Ok(None) => Response::empty(404),
        Err(error) => Response::json(400, &json!({ "error": error.to_string() })),
    }
}

fn done(state: &mut State, what: &str, request: &Request) -> serde_json::Result<Option<Value>> {
    let segments: Vec<&str> = what.split('/').collect();
    let store = &mut state.store;
    Ok(Some(match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["users"]) => json!(store.users().collect::<Vec<_>>()),
        ("POST", ["users"]) => json!(store.put(request.json()?)),
        ("DELETE", ["users", id]) => {
            store.delete(id);
            json!({})
        }
        ("POST", ["users", id, "clients"]) => json!(store.add_client(id, request.json()?)),
        ("POST", ["users", id, "conversations"]) => {
            let new: NewConversation = request.json()?;
            store.add_conversation(id, new.messages).json()
        }
        ("POST", ["conversations", id, "messages"]) => {
            let new: NewMessage = request.json()?;
            let Some(message) = store.post(id, Message::business(&new.text)) else {
                return Ok(None);
            };
            json!(message)
        }
        ("PUT", ["core-users", zendesk_id]) => {
            let core_user: CoreUser = request.json()?;
            store.core_users.insert((*zendesk_id).into(), core_user);
            json!({})
        }
        ("GET", ["behaviour"]) => json!(state.behaviour),
        ("PUT", ["behaviour"]) => {
            state.behaviour = request.json::<Behaviour>()?;
            json!(state.behaviour)
        }
        ("PUT", ["keys"]) => {
            let keys: Keys = request.json()?;
            keys.integration_keys
                .into_iter()
                .for_each(|keys| state.integration_keys = keys);
            keys.signing_keys
                .into_iter()
                .for_each(|keys| state.signing_keys = keys);
            json!({})
        }
        ("POST", ["deletions"]) => json!({ "deleted": store.complete_deletions() }),
        ("GET", ["state"]) => json!({ "appDeleted": state.app_deleted, "strays": state.strays }),
        _ => return Ok(None),
    }))
}
