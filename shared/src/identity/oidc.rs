//! Bearer tokens of OpenID Connect issuers: their settings, and how they are verified.
//!
//! `verifier` decides; `token` parses a token; `jwks` finds the key that may have signed it;
//! `keys` fetches an issuer's keys and caches them.
//!
//! Sources: OpenID Connect Discovery 1.0; RFC 7515 (JWS); RFC 7517 (JWK); RFC 7519 (JWT); RFC 8725
//! (JWT best practices).

mod error;
mod jwks;
mod keys;
mod token;
mod verifier;

use std::str::FromStr;

use url::Url;

use super::claims::{ClaimName, claim_name};
use crate::http::upstream_url::{InvalidUpstreamUrl, UpstreamUrl, endpoint};
use crate::lambda::config::{ConfigError, Variables};

pub use error::{KeysError, VerifyError};
pub use keys::REFETCH_FLOOR;
pub use verifier::Verifier;

const ISSUER: &str = "the issuer's URL: https, or http on a loopback host; or several, separated by commas; any text if OIDC_JWKS_URL is set";
const AUDIENCE: &str = "the audience of the tokens (with Cognito's access tokens, the client id), or several, separated by commas";
const JWKS_URL: &str = "the URL of the issuers' key set: https, or http on a loopback host";

/// The accepted issuers and audiences.
#[derive(Debug)]
pub struct OidcSettings {
    issuers: Vec<Issuer>,
    jwks_url: Option<Url>,
    audiences: Vec<String>,
    /// The claim with the audience of a token that has no `aud`.
    audience_claim: Option<ClaimName>,
}

/// An issuer, as it appears in the `iss` of tokens.
#[derive(Debug)]
struct Issuer {
    name: String,
    /// The issuer as a base URL; `None` if `OIDC_JWKS_URL` is set, because then it need not be one.
    url: Option<UpstreamUrl>,
}

impl OidcSettings {
    /// Reads the variables that begin with `OIDC_`. `keeps_objects` says whether a claim's name may
    /// be a JSON Pointer.
    pub fn from_variables(variables: &Variables, keeps_objects: bool) -> Result<Self, ConfigError> {
        let jwks_url: Option<KeySetUrl> = variables.optional("OIDC_JWKS_URL", JWKS_URL)?;
        let issuers = if jwks_url.is_some() {
            let names = variables.list("OIDC_ISSUER", ISSUER)?;
            let names = names.into_iter().flatten();
            names.map(|name| Issuer { name, url: None }).collect()
        } else {
            variables.list("OIDC_ISSUER", ISSUER)?.unwrap_or_default()
        };
        Ok(Self {
            issuers,
            jwks_url: jwks_url.map(|KeySetUrl(url)| url),
            audiences: variables
                .list("OIDC_AUDIENCE", AUDIENCE)?
                .unwrap_or_default(),
            audience_claim: claim_name(variables, "OIDC_AUDIENCE_CLAIM", keeps_objects)?,
        })
    }
}

impl FromStr for Issuer {
    type Err = InvalidUpstreamUrl;

    fn from_str(name: &str) -> Result<Self, InvalidUpstreamUrl> {
        Ok(Self {
            name: name.to_owned(),
            url: Some(name.parse()?),
        })
    }
}

struct KeySetUrl(Url);

impl FromStr for KeySetUrl {
    type Err = InvalidUpstreamUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUpstreamUrl> {
        endpoint(text).map(Self)
    }
}
