//! The v2 API: who may call, and which call does what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::State;
use super::model::{Client, User};
use super::pages::{First, Page, size};
use super::path::Path;
use super::store::Store;
use super::sync::sync;
use crate::standins::http::{Request, Response};

/// The messages on a page; `page[size]` has no say.
const MESSAGES: usize = 100;
/// What a request body may have.
const BODY: usize = 100_000;

/// An error as the contract has it.
pub(super) fn error(status: u16, code: &str, title: &str) -> Response {
    Response::json(
        status,
        &json!({ "errors": [{ "code": code, "title": title }] }),
    )
}

/// Answers a call of the v2 API, and notes a path that is none of its.
pub(super) fn answer(state: &mut State, base_path: &str, request: &Request) -> Response {
    let path = Path::resolve(request.path());
    let base: Vec<&str> = base_path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let inside = segments.strip_prefix(base.as_slice()).unwrap_or_default();
    let (app, rest) = match inside {
        ["v2", "apps", app, rest @ ..] => (*app == state.app_id, rest),
        _ => (false, inside),
    };
    let response = if let Some(refusal) = refuse(state, request) {
        refusal
    } else if state.app_deleted || !app {
        error(404, "app_not_found", "App not found")
    } else {
        route(state, request, rest).unwrap_or_else(|refusal| refusal)
    };
    if path.crooked || !app || !is_route(&request.method, rest) {
        state.strays.push(request.line.clone());
    }
    response
}

fn refuse(state: &mut State, request: &Request) -> Option<Response> {
    if let Some(retry_after) = state.over_the_rate() {
        let busy = error(429, "too_many_requests", "Too many requests");
        return Some(match retry_after {
            Some(value) => busy.with_header("retry-after", value),
            None => busy,
        });
    }
    let key = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "));
    let key = key.and_then(|key| String::from_utf8(STANDARD.decode(key).ok()?).ok());
    let known = key.as_deref().and_then(|key| key.split_once(':'));
    if !known.is_some_and(|(id, secret)| {
        state
            .integration_keys
            .get(id)
            .is_some_and(|kept| kept == secret)
    }) {
        return Some(error(401, "unauthorized", "Authorization is required"));
    }
    if request.body.len() > BODY {
        return Some(error(
            413,
            "request_entity_too_large",
            "Request body is too large",
        ));
    }
    let json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    (!request.body.is_empty() && !json)
        .then(|| error(415, "unsupported_media_type", "Content type must be JSON"))
}

fn is_route(method: &str, rest: &[&str]) -> bool {
    matches!(
        (method, rest),
        (
            "GET",
            ["users" | "conversations"] | ["users", _] | ["users", _, "clients"]
        ) | ("GET", ["conversations", _, "messages"])
            | ("PATCH" | "DELETE", ["users", _])
            | ("DELETE", ["users", _, "personalinformation"])
            | ("POST", ["users", _, "sync"])
    )
}

fn route(state: &mut State, request: &Request, rest: &[&str]) -> Result<Response, Response> {
    let brand = request.query("brandId");
    let brand = brand.as_deref();
    match (request.method.as_str(), rest) {
        // A real integration key has no right to this. The worst case teaches more.
        ("DELETE", []) => {
            state.app_deleted = true;
            Ok(Response::json(200, &json!({})))
        }
        ("GET", ["users"]) => {
            let email = request.query("filter[identities.email]");
            let email = email
                .ok_or_else(|| error(400, "bad_request", "filter[identities.email] is required"))?;
            Ok(Response::json(
                200,
                &json!({ "users": state.store.by_email(brand, &email) }),
            ))
        }
        ("GET", ["users", id]) => Ok(user_response(&find(&state.store, brand, id)?)),
        ("PATCH", ["users", id]) => {
            let user = patch(find(&state.store, brand, id)?, request)?;
            Ok(user_response(&state.store.put(user)))
        }
        ("DELETE", ["users", id]) => {
            let id = find(&state.store, brand, id)?.id;
            if state.behaviour.defer_deletions {
                state.store.leaving.insert(id);
            } else {
                state.store.delete(&id);
            }
            Ok(Response::json(200, &json!({})))
        }
        ("DELETE", ["users", id, "personalinformation"]) => {
            let user = find(&state.store, brand, id)?;
            Ok(user_response(&release(state, user)))
        }
        ("POST", ["users", zendesk_id, "sync"]) => {
            let body: Sync = body(request)?;
            let user = sync(
                &mut state.store,
                zendesk_id,
                body.surviving_zendesk_id.as_deref(),
            );
            Ok(user_response(&user.ok_or_else(user_not_found)?))
        }
        ("GET", ["users", id, "clients"]) => {
            let id = find(&state.store, brand, id)?.id;
            let clients = state
                .store
                .clients
                .get(&id)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let json = |client: &Client| (client.id.clone(), json!(client));
            list(
                request,
                "clients",
                &clients.iter().map(json).collect::<Vec<_>>(),
            )
        }
        ("GET", ["conversations"]) => {
            let user = match (
                request.query("filter[userId]"),
                request.query("filter[userExternalId]"),
            ) {
                (Some(id), None) => state.store.user(&id),
                (None, Some(id)) => state.store.by_external_id(brand, &id),
                _ => {
                    return Err(error(
                        400,
                        "bad_request",
                        "One of userId and userExternalId is required",
                    ));
                }
            };
            let conversations = state
                .store
                .conversations_of(&user.ok_or_else(user_not_found)?.id);
            let conversations: Vec<_> = conversations
                .iter()
                .map(|one| (one.id.clone(), one.json()))
                .collect();
            list(request, "conversations", &conversations)
        }
        ("GET", ["conversations", id, "messages"]) => {
            let conversation = state.store.conversation(id);
            let conversation =
                conversation.ok_or_else(|| error(404, "not_found", "Resource not found"))?;
            let count = conversation.message_count();
            let page = Page::of(request, First::Newest, MESSAGES, count, |id| {
                conversation.place(id)
            })?;
            let messages: Vec<_> = page
                .range
                .clone()
                .filter_map(|at| conversation.message(at))
                .collect();
            let ids = messages
                .first()
                .zip(messages.last())
                .map(|(first, last)| (first.id.as_str(), last.id.as_str()));
            let (meta, links) = page.meta_and_links(request, ids);
            Ok(Response::json(
                200,
                &json!({ "messages": messages, "meta": meta, "links": links }),
            ))
        }
        _ => Err(error(404, "not_found", "Resource not found")),
    }
}

/// A page, oldest first, of records with their ids.
fn list(request: &Request, name: &str, records: &[(String, Value)]) -> Result<Response, Response> {
    let place = |cursor: &str| records.iter().position(|(id, _)| id == cursor);
    let page = Page::of(request, First::Oldest, size(request)?, records.len(), place)?;
    let records = records.get(page.range.clone()).unwrap_or_default();
    let ids = records
        .first()
        .zip(records.last())
        .map(|((first, _), (last, _))| (first.as_str(), last.as_str()));
    let (meta, links) = page.meta_and_links(request, ids);
    let records: Vec<&Value> = records.iter().map(|(_, record)| record).collect();
    Ok(Response::json(
        200,
        &json!({ name: records, "meta": meta, "links": links }),
    ))
}

fn find(store: &Store, brand: Option<&str>, id: &str) -> Result<User, Response> {
    store
        .by_id_or_external_id(brand, id)
        .ok_or_else(user_not_found)
}

fn user_not_found() -> Response {
    error(404, "user_not_found", "User not found")
}

fn user_response(user: &User) -> Response {
    Response::json(200, &json!({ "user": user }))
}

fn body<T: for<'de> Deserialize<'de>>(request: &Request) -> Result<T, Response> {
    request
        .json()
        .map_err(|error_| error(400, "bad_request", &error_.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sync {
    surviving_zendesk_id: Option<String>,
}

/// What PATCH writes. It refuses the rest, so that a client that sends it does not go unnoticed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Patch {
    signed_up_at: Option<String>,
    to_be_retained: Option<bool>,
    #[serde(default)]
    profile: Map<String, Value>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

fn patch(mut user: User, request: &Request) -> Result<User, Response> {
    let patch: Patch = body(request)?;
    if patch
        .metadata
        .values()
        .any(|value| value.is_object() || value.is_array())
    {
        return Err(error(400, "bad_request", "metadata must be flat"));
    }
    user.signed_up_at = patch.signed_up_at.or(user.signed_up_at);
    user.to_be_retained = patch.to_be_retained.or(user.to_be_retained);
    for (from, to) in [
        (patch.profile, &mut user.profile),
        (patch.metadata, &mut user.metadata),
    ] {
        to.extend(from);
        to.retain(|_, value| !value.is_null());
    }
    if serde_json::to_vec(&user.metadata).is_ok_and(|metadata| metadata.len() > 4096) {
        return Err(error(
            400,
            "bad_request",
            "metadata must not be larger than 4KB",
        ));
    }
    Ok(user)
}

/// `personalinformation`: the conversations and the external id stay.
fn release(state: &mut State, mut user: User) -> User {
    for name in ["givenName", "surname", "email", "avatarUrl"] {
        user.profile.remove(name);
    }
    user.metadata.clear();
    if !state.behaviour.keep_identities {
        user.identities.clear();
    }
    state
        .store
        .clients
        .entry(user.id.clone())
        .or_default()
        .iter_mut()
        .for_each(Client::forget_person);
    state.store.put(user)
}
