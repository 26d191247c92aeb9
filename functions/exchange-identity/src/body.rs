//! The request bodies, and what each may contain.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use shared::id::InvalidId;
use shared::lambda::problem::{Code, Problem};
use shared::puzzel::{CodeChallenge, ProviderId, VisitorToken};

/// The body of `POST /puzzel/identity`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ExchangeBody {
    code_challenge: Option<String>,
    access_token: Option<String>,
    id_token: Option<String>,
    provider_id: Option<ProviderId>,
    #[serde(deserialize_with = "present")]
    code_verifier: bool,
}

/// The body of the two chat routes.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ChatBody {
    access_token: Option<String>,
    id_token: Option<String>,
    provider_id: Option<ProviderId>,
    visitor_token: Option<String>,
    #[serde(deserialize_with = "present")]
    code_verifier: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct TokenFields<'a> {
    pub(crate) access_token: Option<&'a str>,
    pub(crate) id_token: Option<&'a str>,
    pub(crate) provider: Option<ProviderId>,
}

impl ExchangeBody {
    pub(crate) const TAKES: &str = "a JSON object with `codeChallenge`, and optionally `accessToken` or `idToken` (strings) and `providerId` (an integer)";

    pub(crate) fn challenge(&self) -> Result<CodeChallenge, Problem> {
        refuse_verifier(self.code_verifier)?;
        self.code_challenge
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error: InvalidId| invalid("codeChallenge", error))
    }

    pub(crate) fn token_fields(&self) -> TokenFields<'_> {
        TokenFields {
            access_token: self.access_token.as_deref(),
            id_token: self.id_token.as_deref(),
            provider: self.provider_id,
        }
    }
}

impl ChatBody {
    pub(crate) const TAKES: &str = "empty, or a JSON object with only `accessToken` or `idToken`, `visitorToken` (strings) and `providerId` (an integer)";

    pub(crate) fn visitor(&self) -> Result<Option<VisitorToken>, Problem> {
        refuse_verifier(self.code_verifier)?;
        self.visitor_token
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error: InvalidId| invalid("visitorToken", error))
    }

    pub(crate) fn token_fields(&self) -> TokenFields<'_> {
        TokenFields {
            access_token: self.access_token.as_deref(),
            id_token: self.id_token.as_deref(),
            provider: self.provider_id,
        }
    }
}

/// Always true: serde calls this only if the field is present, whatever its value.
fn present<'de, D: Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(field).map(|_| true)
}

/// A verifier that has left the browser no longer proves anything, and one that came in a body may
/// have been logged on its way.
fn refuse_verifier(is_present: bool) -> Result<(), Problem> {
    if is_present {
        return Err(Problem::new(
            Code::InvalidRequest,
            "never send codeVerifier here: keep it in the browser until you send it to Puzzel; make a new pair",
        ));
    }
    Ok(())
}

fn invalid(field: &'static str, error: InvalidId) -> Problem {
    Problem::new(Code::InvalidRequest, format!("{field}: {error}"))
}
