//! `COMM_SRV`: starts a chat, and identifies the user of a chat.
//!
//! Both calls return 400 if a parameter is missing, 401 for a Bearer token that is not a visitor's,
//! 403 for an unknown `userInfoId` or a verifier that does not match its challenge, and 409 for a
//! `userInfoId` that was already used for the same call. A refused call uses nothing up.
//!
//! - Start chat: 200 `{"conversationId", "queueKey", "state": "queued", "identified"}`; 409 if the
//!   conversation exists. Without both parameters the chat is anonymous.
//! - Set identity: 204; 404 if the conversation does not exist.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::state::{Chat, State, Use, refused};
use crate::standins::http::{Request, Response};

/// `POST /api/conversation/{conversationId}/route/{queueKey}?userInfoId=…&codeVerifier=…`
pub(super) fn start(
    state: &mut State,
    id: &str,
    queue_key: &str,
    request: &Request,
) -> Result<Response, Response> {
    let visitor_id = visitor(state, request)?;
    if state.chats.contains_key(id) {
        return Err(refused(409, "the conversation has already started"));
    }
    let subject = match (request.query("userInfoId"), request.query("codeVerifier")) {
        (Some(user_info_id), Some(verifier)) => {
            Some(redeem(state, &user_info_id, &verifier, Use::StartChat)?)
        }
        (None, None) => None,
        _ => {
            return Err(refused(
                400,
                "send both userInfoId and codeVerifier, or neither",
            ));
        }
    };
    let response = json!({
        "conversationId": id, "queueKey": queue_key, "state": "queued", "identified": subject.is_some(),
    });
    state.chats.insert(
        id.into(),
        Chat {
            queue_key: queue_key.into(),
            subject,
            visitor_id,
        },
    );
    Ok(Response::json(200, &response))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetIdentity {
    user_info_id: String,
    code_verifier: String,
}

/// `POST /api/visitor/setIdentity/{conversationId}`
pub(super) fn set_identity(
    state: &mut State,
    id: &str,
    request: &Request,
) -> Result<Response, Response> {
    let visitor_id = visitor(state, request)?;
    let call: SetIdentity = request
        .json()
        .map_err(|_| refused(400, "the body is not valid"))?;
    if !state.chats.contains_key(id) {
        return Err(refused(404, "the conversation is unknown"));
    }
    let subject = redeem(
        state,
        &call.user_info_id,
        &call.code_verifier,
        Use::SetIdentity,
    )?;
    if let Some(chat) = state.chats.get_mut(id) {
        chat.subject = Some(subject);
        chat.visitor_id = visitor_id.or(chat.visitor_id.take());
    }
    Ok(Response::empty(204))
}

/// The visitor of the Bearer token, if there is one.
fn visitor(state: &State, request: &Request) -> Result<Option<String>, Response> {
    if request.header("authorization").is_none() {
        return Ok(None);
    }
    let visitor = request.bearer().and_then(|token| state.visitors.get(token));
    visitor
        .cloned()
        .map(Some)
        .ok_or_else(|| refused(401, "the visitor token is not valid"))
}

/// Redeems a `userInfoId`, once for each use, with the verifier of its challenge. Returns its
/// subject.
fn redeem(
    state: &mut State,
    user_info_id: &str,
    verifier: &str,
    purpose: Use,
) -> Result<String, Response> {
    let known = state
        .authentications
        .iter_mut()
        .find(|one| one.user_info_id == user_info_id);
    let known = known.ok_or_else(|| refused(403, "the userInfoId is unknown"))?;
    if URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) != known.challenge {
        return Err(refused(403, "the codeVerifier does not match"));
    }
    if !known.used.insert(purpose) {
        return Err(refused(409, "the userInfoId was already used for this"));
    }
    Ok(known.subject.clone())
}
