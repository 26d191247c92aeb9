//! `IDP_SRV`: authenticates a token, and starts a visitor's session.
//!
//! Authenticate returns 400 for an invalid body, challenge, provider or pair of tokens, 404 for an
//! unknown customer, and 401 for an invalid token. The visitor's session returns 400 for an unknown
//! client, grant or tenant, as OAuth does.

use std::sync::Mutex;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::json;

use super::state::{Authentication, Provider, State, TokenKind, refused};
use crate::standins::http::{Request, Response};
use crate::standins::lock::lock;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Call {
    code_challenge: String,
    access_token: Option<String>,
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

/// `POST /api/authenticate/{customerId}[?providerId=INT]`
pub(super) async fn authenticate(
    state: &Mutex<State>,
    http: &reqwest::Client,
    customer_id: &str,
    request: &Request,
) -> Result<Response, Response> {
    if customer_id.chars().count() > 25 {
        return Err(refused(400, "customerId has more than 25 characters"));
    }
    let call: Call = request
        .json()
        .map_err(|_| refused(400, "the body is not valid"))?;
    let (kind, token) = match (call.access_token, call.id_token) {
        (Some(token), None) if !token.is_empty() => (TokenKind::Access, token),
        (None, Some(token)) if !token.is_empty() => (TokenKind::Id, token),
        _ => return Err(refused(400, "either accessToken or idToken is required")),
    };
    if !is_s256_challenge(&call.code_challenge) {
        return Err(refused(400, "codeChallenge is not an S256 challenge"));
    }
    let provider = provider(&lock(state), customer_id, request)?;
    let claims = verify(state, http, &provider, &token)
        .await
        .ok_or_else(|| refused(401, "the token is not valid"))?;

    let mut state = lock(state);
    let user_info_id = state.name("usr_");
    let response = Response::json(200, &json!({ "userInfoId": user_info_id }));
    state.authentications.push(Authentication {
        user_info_id,
        customer_id: customer_id.into(),
        provider_id: provider.id,
        kind,
        subject: claims.sub,
        challenge: call.code_challenge,
        used: std::collections::BTreeSet::new(),
    });
    Ok(response)
}

/// RFC 7636: 43 characters of base64url; 32 bytes leave two zero bits in the last one.
fn is_s256_challenge(challenge: &str) -> bool {
    challenge.len() == 43
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && challenge.ends_with(|last| "AEIMQUYcgkosw048".contains(last))
}

fn provider(state: &State, customer_id: &str, request: &Request) -> Result<Provider, Response> {
    let providers = state
        .customers
        .get(customer_id)
        .ok_or_else(|| refused(404, "the customer is unknown"))?;
    let wanted = match request.query("providerId") {
        None => providers.first(),
        Some(id) => providers
            .iter()
            .find(|provider| id.parse() == Ok(provider.id)),
    };
    wanted
        .cloned()
        .ok_or_else(|| refused(400, "the customer has no such provider"))
}

async fn verify(
    state: &Mutex<State>,
    http: &reqwest::Client,
    provider: &Provider,
    token: &str,
) -> Option<Claims> {
    let kid = decode_header(token).ok()?.kid?;
    let known = lock(state)
        .keys
        .get(&provider.jwks_url)
        .and_then(|keys| keys.find(&kid).cloned());
    let jwk = if let Some(jwk) = known {
        jwk
    } else {
        let keys: JwkSet = http
            .get(&provider.jwks_url)
            .send()
            .await
            .ok()?
            .json()
            .await
            .ok()?;
        let jwk = keys.find(&kid).cloned();
        lock(state).keys.insert(provider.jwks_url.clone(), keys);
        jwk?
    };
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation.set_issuer(&[&provider.issuer]);
    validation.leeway = 0;
    match &provider.audience {
        Some(audience) => validation.set_audience(&[audience]),
        None => validation.validate_aud = false,
    }
    decode(token, &DecodingKey::from_jwk(&jwk).ok()?, &validation)
        .ok()
        .map(|token| token.claims)
}

/// `POST /connect/token`
pub(super) fn visitor_session(state: &mut State, request: &Request) -> Result<Response, Response> {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect();
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let error = match (field("client_id"), field("grant_type"), field("tenant_id")) {
        (client, _, _) if client != Some("oneplatform_engage") => "invalid_client",
        (_, grant, _) if grant != Some("visitor") => "unsupported_grant_type",
        (_, _, Some(tenant)) if state.customers.contains_key(tenant) => {
            let (access, refresh, visitor) =
                (state.name("vat_"), state.name("vrt_"), state.name("vis_"));
            let response = json!({
                "access_token": access, "refresh_token": refresh, "expires_in": 3600,
                "token_type": "Bearer", "visitor_id": visitor,
            });
            state.visitors.insert(access, visitor);
            return Ok(Response::json(200, &response));
        }
        _ => "invalid_request",
    };
    Err(refused(400, error))
}
