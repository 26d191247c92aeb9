//! The smallest function that signs: it uses the same crates as `sign-token`, and has no logs,
//! metrics, problem details or cache. A competent engineer writes it in an hour.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::BehaviorVersion;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use lambda_http::request::RequestContext;
use lambda_http::{Error, IntoResponse, Request, RequestExt, Response, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::json;

const TTL_SECONDS: u64 = 900;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    active_kid: String,
    keys: HashMap<String, String>,
}

struct Signer {
    header: Header,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    scope: &'static str,
    external_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    iat: u64,
    exp: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let signer = read_secret().await?;
    let signer = &signer;
    lambda_http::run(service_fn(async |request| handle(signer, &request))).await
}

async fn read_secret() -> Result<Signer, Error> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let secret = aws_sdk_secretsmanager::Client::new(&config)
        .get_secret_value()
        .secret_id(std::env::var("SIGNING_KEY_SECRET_ID")?)
        .send()
        .await?;
    let secret = secret.secret_string().ok_or("the secret is no text")?;
    let secret: Secret = serde_json::from_str(secret)?;
    let key = secret.keys.get(&secret.active_kid).ok_or("no active key")?;
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(secret.active_kid.clone());
    Ok(Signer {
        header,
        key: EncodingKey::from_secret(key.as_bytes()),
    })
}

fn handle(signer: &Signer, request: &Request) -> Result<impl IntoResponse + use<>, Error> {
    let context = request.request_context_ref();
    let Some(RequestContext::ApiGatewayV2(context)) = context else {
        return Ok(unauthorized()?);
    };
    let jwt = context.authorizer.as_ref().and_then(|it| it.jwt.as_ref());
    let claim = |name| jwt.and_then(|jwt| jwt.claims.get(name)).map(String::as_str);
    let Some(external_id) = claim("sub") else {
        return Ok(unauthorized()?);
    };
    let email = claim("email").filter(|_| claim("email_verified") == Some("true"));
    let iat = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = Claims {
        scope: "user",
        external_id,
        name: claim("name"),
        email,
        email_verified: email.map(|_| true),
        iat,
        exp: iat + TTL_SECONDS,
    };
    let token = encode(&signer.header, &claims, &signer.key)?;
    Ok(Response::builder()
        .header("content-type", "application/json")
        .header("cache-control", "no-store")
        .body(json!({ "token": token }).to_string())?)
}

fn unauthorized() -> Result<Response<String>, lambda_http::http::Error> {
    Response::builder().status(401).body(String::new())
}
