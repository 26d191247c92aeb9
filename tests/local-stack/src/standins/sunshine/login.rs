//! The messaging login of the SDK, which has no published contract: its decisions are Zendesk's,
//! its paths and formats are ours.
//!
//! | call | response |
//! | --- | --- |
//! | `POST /_login` `{"jwt"?, "deviceId"?, "brandId"?}` | 200 `{"user", "conversations":[{…, "messages"}]}`; without a `jwt`, the device's anonymous user |
//! | `POST /_messages` `{"text", "jwt"?, "deviceId"?, "brandId"?, "conversationId"?}` | 201 `{"userId", "conversationId", "message"}` |
//! | `POST /_logout` `{"deviceId"}` | 200 `{}`; the device's next user is a new anonymous user |
//!
//! Refused: 400 `bad_request`; 401 `invalid_auth`; 409 `conflict`, each `{"code","description"}`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Identity, Message, User};
use super::state::State;
use super::store::{Store, now};
use super::user_token::{self, Claims};
use crate::standins::http::{Request, Response};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Call {
    jwt: Option<String>,
    device_id: Option<String>,
    brand_id: Option<String>,
    conversation_id: Option<String>,
    text: Option<String>,
}

/// Maximum messages of a conversation that a login shows.
const SHOWN: usize = 100;

/// Responds to a call of the SDK; `None` for any other path.
pub(super) fn respond(state: &mut State, path: &str, request: &Request) -> Option<Response> {
    let call = match path {
        "/_login" | "/_messages" | "/_logout" if request.method == "POST" => request.json::<Call>(),
        _ => return None,
    };
    let result = match call {
        Err(error) => Err(refused(400, "bad_request", &error.to_string())),
        Ok(call) => match path {
            "/_login" => {
                user(state, &call).map(|user| Response::json(200, &session(&state.store, &user)))
            }
            "/_messages" => post(state, call),
            _ => Ok(logout(state, &call)),
        },
    };
    Some(result.unwrap_or_else(|refusal| refusal))
}

fn refused(status: u16, code: &str, description: &str) -> Response {
    Response::json(status, &json!({ "code": code, "description": description }))
}

/// The user who makes a call; the call counts as activity.
fn user(state: &mut State, call: &Call) -> Result<User, Response> {
    let user = caller(state, call)?;
    state.store.see(&user.id);
    Ok(user)
}

fn caller(state: &mut State, call: &Call) -> Result<User, Response> {
    let device = call.device_id.as_deref();
    let Some(jwt) = &call.jwt else {
        let device =
            device.ok_or_else(|| refused(400, "bad_request", "a jwt or a deviceId is needed"))?;
        let known = state
            .store
            .devices
            .get(device)
            .and_then(|id| state.store.user(id));
        return Ok(
            known.unwrap_or_else(|| create(&mut state.store, Some(device), call.brand_id.clone()))
        );
    };
    let claims = user_token::verify(jwt, &state.signing_keys)
        .map_err(|description| refused(401, "invalid_auth", &description))?;
    identified(&mut state.store, claims, device, call.brand_id.as_deref())
}

/// Resolves a login by external id first. It resolves by a verified email only if no user has that
/// external id and the email's user has none.
fn identified(
    store: &mut Store,
    claims: Claims,
    device: Option<&str>,
    brand: Option<&str>,
) -> Result<User, Response> {
    let by_external_id = store.by_external_id(brand, &claims.external_id);
    let by_email = claims
        .email
        .iter()
        .flat_map(|email| store.by_email(brand, email))
        .collect::<Vec<_>>();
    let others = |user: &&User| {
        user.external_id
            .as_ref()
            .is_some_and(|id| *id != claims.external_id)
    };
    if by_email.iter().any(|user| others(&user)) {
        return Err(refused(
            409,
            "conflict",
            "the email is the identity of a user with another external_id",
        ));
    }
    let mut email_users = by_email.into_iter().map(|user| user.id);
    let anonymous = device
        .and_then(|device| store.user(store.devices.get(device)?))
        .filter(|user| user.external_id.is_none() && user.brand_id.as_deref() == brand)
        .map(|user| user.id);

    let id = by_external_id
        .map(|user| user.id)
        .or_else(|| email_users.next())
        .or_else(|| anonymous.clone())
        .unwrap_or_else(|| create(store, device, brand.map(Into::into)).id);
    // The person keeps the history from before the login: of the user with the same email and no
    // external id, and of the anonymous user on this device.
    for other in email_users.chain(anonymous) {
        store.merge(&other, &id);
    }
    let Some(mut user) = store.user(&id) else {
        return Err(refused(401, "invalid_auth", "the user is gone"));
    };
    user.authenticated = true;
    user.external_id = Some(claims.external_id);
    if let Some(email) = claims.email.filter(|email| !user.has_email(email)) {
        user.identities.push(Identity::email(&email));
    }
    if let Some(name) = claims.name {
        let (given, surname) = name.split_once(' ').unwrap_or((&name, ""));
        user.profile.insert("givenName".into(), given.into());
        if !surname.is_empty() {
            user.profile.insert("surname".into(), surname.into());
        }
    }
    if let Some(device) = device {
        store.devices.insert(device.into(), id);
    }
    Ok(store.put(user))
}

fn create(store: &mut Store, device: Option<&str>, brand_id: Option<String>) -> User {
    let user = store.put(User {
        brand_id,
        signed_up_at: Some(now()),
        ..User::default()
    });
    if let Some(device) = device {
        store.devices.insert(device.into(), user.id.clone());
    }
    user
}

fn session(store: &Store, user: &User) -> Value {
    let conversations: Vec<Value> = store
        .conversations_of(&user.id)
        .into_iter()
        .map(|conversation| {
            let count = conversation.message_count();
            let messages: Vec<Message> = (count.saturating_sub(SHOWN)..count)
                .filter_map(|at| conversation.message(at))
                .collect();
            let mut shown = conversation.json();
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("messages".into(), json!(messages));
            }
            shown
        })
        .collect();
    json!({ "user": user, "conversations": conversations })
}

fn post(state: &mut State, call: Call) -> Result<Response, Response> {
    let user = user(state, &call)?;
    let text = call
        .text
        .ok_or_else(|| refused(400, "bad_request", "text is missing"))?;
    let store = &mut state.store;
    let own: Vec<String> = store
        .conversations_of(&user.id)
        .iter()
        .map(|one| one.id.clone())
        .collect();
    let conversation_id = match call.conversation_id {
        Some(id) if own.contains(&id) => id,
        Some(_) => {
            return Err(refused(
                404,
                "conversation_not_found",
                "the user has no such conversation",
            ));
        }
        None => own
            .into_iter()
            .next()
            .unwrap_or_else(|| store.add_conversation(&user.id, 0).id),
    };
    let message = store.post(&conversation_id, Message::user(&user.id, &text));
    let response =
        json!({ "userId": user.id, "conversationId": conversation_id, "message": message });
    Ok(Response::json(201, &response))
}

fn logout(state: &mut State, call: &Call) -> Response {
    if let Some(device) = &call.device_id {
        state.store.devices.remove(device);
    }
    Response::json(200, &json!({}))
}
