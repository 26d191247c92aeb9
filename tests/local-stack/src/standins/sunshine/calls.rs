//! The implementation of each call of the API.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::error::error;
use super::model::{Client, User};
use super::pages::{First, Page, size};
use super::state::State;
use super::store::{Store, now};
use super::sync::sync;
use crate::standins::http::{Request, Response};

/// The number of messages on a page; `page[size]` has no effect.
const MESSAGES: usize = 100;

pub(super) fn respond(
    state: &mut State,
    call: &Call,
    request: &Request,
) -> Result<Response, Response> {
    let brand = request.query("brandId");
    let brand = brand.as_deref();
    match call {
        Call::CreateUser => create(&mut state.store, request),
        Call::ListUsers => {
            let email = request.query("filter[identities.email]");
            let email = email
                .ok_or_else(|| error(400, "bad_request", "filter[identities.email] is required"))?;
            Ok(Response::json(
                200,
                &json!({ "users": state.store.by_email(brand, &email) }),
            ))
        }
        Call::GetUser(id) => Ok(user_response(&find(&state.store, brand, id)?)),
        Call::UpdateUser(id) => {
            let user = patch(find(&state.store, brand, id)?, request)?;
            Ok(user_response(&state.store.put(user)))
        }
        Call::DeleteUser(id) => {
            let id = find(&state.store, brand, id)?.id;
            if state.behaviour.defer_deletions {
                state.store.leaving.insert(id);
            } else {
                state.store.delete(&id);
            }
            Ok(Response::json(200, &json!({})))
        }
        Call::DeletePersonalInformation(id) => {
            let user = find(&state.store, brand, id)?;
            Ok(user_response(&release(state, user)))
        }
        Call::SyncUser(zendesk_id) => {
            let body: Sync = body(request)?;
            let user = sync(
                &mut state.store,
                zendesk_id,
                body.surviving_zendesk_id.as_deref(),
            );
            Ok(user_response(&user.ok_or_else(user_not_found)?))
        }
        Call::ListClients(id) => {
            let id = find(&state.store, brand, id)?.id;
            let clients = state
                .store
                .clients
                .get(&id)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let clients: Vec<_> = clients
                .iter()
                .map(|client| (client.id.clone(), json!(client)))
                .collect();
            list(request, "clients", &clients)
        }
        Call::ListConversations => conversations(&state.store, brand, request),
        Call::ListMessages(id) => messages(&state.store, id, request),
        Call::MergeUsers => merge(state, request),
    }
}

fn conversations(
    store: &Store,
    brand: Option<&str>,
    request: &Request,
) -> Result<Response, Response> {
    let user = match (
        request.query("filter[userId]"),
        request.query("filter[userExternalId]"),
    ) {
        (Some(id), None) => store.user(&id),
        (None, Some(id)) => store.by_external_id(brand, &id),
        _ => {
            return Err(error(
                400,
                "bad_request",
                "One of userId and userExternalId is required",
            ));
        }
    };
    let conversations = store.conversations_of(&user.ok_or_else(user_not_found)?.id);
    let conversations: Vec<_> = conversations
        .iter()
        .map(|one| (one.id.clone(), one.json()))
        .collect();
    list(request, "conversations", &conversations)
}

fn messages(store: &Store, id: &str, request: &Request) -> Result<Response, Response> {
    let conversation = store
        .conversation(id)
        .ok_or_else(|| error(404, "not_found", "Resource not found"))?;
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
        .map_err(|wrong| error(400, "bad_request", &wrong.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sync {
    surviving_zendesk_id: Option<String>,
}

/// The fields of a new user that are used here. Any other is refused, so that a client that sends
/// it is noticed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    external_id: String,
    brand_id: Option<String>,
}

fn create(store: &mut Store, request: &Request) -> Result<Response, Response> {
    let new: Create = body(request)?;
    if store
        .by_external_id(new.brand_id.as_deref(), &new.external_id)
        .is_some()
    {
        return Err(error(409, "conflict", "User already exists"));
    }
    let user = store.put(User {
        external_id: Some(new.external_id),
        brand_id: new.brand_id,
        signed_up_at: Some(now()),
        ..User::default()
    });
    Ok(Response::json(201, &json!({ "user": user })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    surviving: MergeSide,
    discarded: MergeSide,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeSide {
    #[serde(rename = "_id")]
    id: String,
}

/// Moves the discarded user's history to the surviving user, who keeps the external id. It is not
/// documented whether an integration key may call this, or whether the discarded user's identities
/// move or vanish, so a [`super::Behaviour`] decides both.
fn merge(state: &mut State, request: &Request) -> Result<Response, Response> {
    if let Some(status) = state.behaviour.refuse_merges {
        return Err(error(status, "forbidden", "Authorization is required"));
    }
    let Merge {
        surviving,
        discarded,
    } = body(request)?;
    let store = &mut state.store;
    let (Some(_), Some(mut lost)) = (store.user(&surviving.id), store.user(&discarded.id)) else {
        return Err(user_not_found());
    };
    if state.behaviour.drop_merged_identities {
        lost.identities.clear();
        store.put(lost);
    }
    store.merge(&discarded.id, &surviving.id);
    Ok(Response::json(200, &json!({})))
}

/// The fields that PATCH writes. Any other is refused, so that a client that sends it is noticed.
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

/// `personalinformation`: the conversations and the external id remain.
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
