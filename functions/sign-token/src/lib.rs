//! `POST /zendesk/token`: the messaging JWT for the logged-in user, and for no one else.

mod check;
mod claims;
mod config;
mod keys;

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use shared::aws::secrets::{CachedSecret, Client};
use shared::identity::caller::Callers;
use shared::identity::email::EmailOmitted;
use shared::lambda::http::{Request, Response};
use shared::lambda::metrics::{Metric, Unit};
use shared::lambda::problem::{Code, Problem};

pub use claims::{Claims, Dialect};
pub use config::Config;
pub use keys::SigningKey;

/// The function, ready for requests.
pub struct SignToken {
    callers: Callers,
    key: CachedSecret<SigningKey>,
    dialect: Dialect,
    ttl: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct TokenRequest {
    include_email: bool,
}

impl Default for TokenRequest {
    fn default() -> Self {
        Self {
            include_email: true,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenResponse<'a> {
    token: &'a str,
    external_id: &'a str,
    expires_at: u64,
    email_included: bool,
    email_omitted_because: Option<&'static str>,
}

impl SignToken {
    /// Prepares everything that needs no request: the signing key, which `secrets_manager` fetches,
    /// and the issuer's keys.
    pub async fn start(config: Config, secrets_manager: Client) -> Self {
        let function = Self {
            callers: config.callers,
            key: CachedSecret::new(
                secrets_manager,
                config.signing_key_secret_id,
                config.secret_ttl,
            ),
            dialect: config.dialect,
            ttl: config.token_ttl,
        };
        tokio::join!(function.key.warm_up(), function.callers.warm_up());
        function
    }

    /// Responds with `{"token","externalId","expiresAt","emailIncluded","emailOmittedBecause"}` for
    /// the caller.
    pub async fn handle(&self, request: &Request) -> Result<Response, Problem> {
        request.check_route(&Method::POST, "/zendesk/token")?;
        let caller = self.callers.identify(request).await?;
        let body: TokenRequest =
            request.json("empty, or a JSON object with only `includeEmail` (a boolean)")?;
        let key = self.key.get(request.deadline).await?;

        let email = if body.include_email {
            caller.email.as_ref().map_err(|reason| *reason)
        } else {
            Err(EmailOmitted::NotRequested)
        };
        let claims = Claims::new(
            &caller,
            self.dialect,
            email.ok(),
            SystemTime::now(),
            self.ttl,
        );
        let token = claims.sign(&key.value).map_err(|error| {
            Problem::new(Code::InternalError, "the token could not be signed").because(error)
        })?;
        let omitted = email.err().map(EmailOmitted::as_str);
        let response = TokenResponse {
            token: &token,
            external_id: caller.external_id.as_str(),
            expires_at: claims.expires_at(),
            email_included: omitted.is_none(),
            email_omitted_because: omitted,
        };
        let response = Response::json(StatusCode::OK, &response)?
            .field("emailOmittedBecause", omitted)
            .metric(Metric::once("Signed"))
            .metric(Metric {
                name: "KeyAge",
                unit: Unit::Seconds,
                value: key.age().as_secs_f64(),
                by: None,
            });
        Ok(match omitted {
            Some(reason) => response.metric(Metric::once("EmailOmitted").by("reason", reason)),
            None => response,
        })
    }
}
