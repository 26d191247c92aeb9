//! The token that is forwarded to Puzzel, and the provider that verifies it.

use std::time::SystemTime;

use shared::identity::caller::Caller;
use shared::lambda::problem::{Code, Problem};
use shared::puzzel::{IdpToken, ProviderId, TokenKind};

use crate::body::TokenFields;
use crate::config::Providers;
use crate::unverified::UnverifiedClaims;

/// A token that claims to be the caller's, and the provider that verifies it.
pub(crate) struct Forwarded {
    pub(crate) token: IdpToken,
    pub(crate) provider: Option<ProviderId>,
}

impl Forwarded {
    /// Takes the token from the body, else the caller's own bearer token, as `token_kind`.
    pub(crate) fn new(
        bearer_token: Option<&str>,
        fields: TokenFields<'_>,
        caller: &Caller,
        providers: Option<&Providers>,
        token_kind: TokenKind,
    ) -> Result<Self, Problem> {
        if providers.is_some() && fields.provider.is_some() {
            return Err(invalid(
                "leave out providerId: this service is configured with one",
            ));
        }
        let (kind, token) = match (fields.access_token, fields.id_token) {
            (Some(_), Some(_)) => {
                return Err(invalid("send either accessToken or idToken, not both"));
            }
            (Some(token), None) => (TokenKind::Access, token),
            (None, Some(token)) => (TokenKind::Id, token),
            (None, None) => (
                token_kind,
                bearer_token.ok_or_else(|| {
                    invalid("send accessToken or idToken, or the token in its header")
                })?,
            ),
        };
        let claims = UnverifiedClaims::read(token)
            .ok_or_else(|| invalid("the token to forward is not a signed JSON Web Token"))?;
        claims.check(caller, SystemTime::now())?;
        Ok(Self {
            token: IdpToken::new(kind, token),
            provider: provider(providers, fields.provider, &claims)?,
        })
    }
}

fn provider(
    configured: Option<&Providers>,
    asked: Option<ProviderId>,
    claims: &UnverifiedClaims,
) -> Result<Option<ProviderId>, Problem> {
    match configured {
        None => Ok(asked),
        Some(Providers::One(provider)) => Ok(Some(*provider)),
        // Refuse an issuer without a provider: Puzzel would use its first provider, which belongs
        // to another issuer.
        Some(Providers::ByIssuer(providers)) => claims
            .issuer()
            .and_then(|issuer| providers.get(&issuer).copied())
            .map(Some)
            .ok_or_else(|| invalid("no provider is configured for the issuer of the token")),
    }
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}
