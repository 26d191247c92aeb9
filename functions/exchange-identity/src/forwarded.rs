//! The token that goes along to Puzzel, and the provider that it is for.

use std::time::SystemTime;

use shared::identity::caller::Caller;
use shared::lambda::problem::{Code, Problem};
use shared::puzzel::{IdpToken, ProviderId, TokenKind};

use crate::body::TokenFields;
use crate::config::Providers;
use crate::unverified::UnverifiedClaims;

/// A token that says it is the caller's, and who verifies it.
pub(crate) struct Forwarded {
    pub(crate) token: IdpToken,
    pub(crate) provider: Option<ProviderId>,
}

impl Forwarded {
    /// The token of the body, else the caller's own bearer token, as `token_kind`.
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
                return Err(invalid("send accessToken or idToken, and not both"));
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
            .ok_or_else(|| invalid("the token to forward is no signed JSON Web Token"))?;
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
        // An issuer without a provider is refused. Without a provider Puzzel would take its first
        // one, which is another issuer's.
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
