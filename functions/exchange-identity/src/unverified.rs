//! The unverified claims of a token. They prove nothing: Puzzel verifies the token. They serve
//! three checks: the token names the caller, it has not expired, and which provider verifies it.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::identity::caller::Caller;
use shared::identity::claims::identifier;
use shared::lambda::problem::{Code, Problem};

/// The claims that are compared.
#[derive(Deserialize)]
pub struct UnverifiedClaims {
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    iss: Value,
    exp: Option<f64>,
}

impl UnverifiedClaims {
    /// Decodes `token`, a JWT in JWS compact form (RFC 7519, section 3); `None` if it is not one.
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if parts.next().is_some() || signature.is_empty() || !signature.bytes().all(base64url) {
            return None;
        }
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        serde_json::from_slice::<Map<String, Value>>(&header).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        // serde would also deserialize a struct from an array.
        if claims.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        serde_json::from_slice(&claims).ok()
    }

    /// The `iss` claim.
    pub(crate) fn issuer(&self) -> Option<String> {
        identifier(&self.iss)
    }

    /// Checks that the token claims to be the caller's and has not expired. It allows no leeway,
    /// because a token that is about to expire is of no use to the user.
    pub fn check(&self, caller: &Caller, now: SystemTime) -> Result<(), Problem> {
        let mismatch = |cause: &'static str| {
            Problem::new(
                Code::TokenSubjectMismatch,
                "send a token of the user who is logged in",
            )
            .because(cause)
        };
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if self.exp.is_some_and(|exp| exp <= now.as_secs_f64()) {
            return Err(Problem::new(
                Code::InvalidRequest,
                "the token to forward has expired; fetch a new one",
            ));
        }
        let subject = caller
            .subject
            .as_deref()
            .ok_or_else(|| mismatch("the identity source has no sub to compare with"))?;
        if identifier(&self.sub).as_deref() != Some(subject) {
            return Err(mismatch("the token's sub is not the caller's"));
        }
        match &caller.issuer {
            // An `iss` that is present but not a string or integer never matches.
            Some(caller) if !self.iss.is_null() && self.issuer().as_ref() != Some(caller) => {
                Err(mismatch("the token's iss is not the caller's"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{claims}.c2ln")
    }

    #[test]
    fn only_a_jwt_is_decoded() {
        let good = jwt("{}", r#"{"sub":"1"}"#);
        assert!(UnverifiedClaims::read(&good).is_some());
        for token in [
            "",
            "opaque",
            "..",
            "a.b.c",
            good.trim_end_matches("c2ln"),
            good.trim_end_matches(".c2ln"),
            &format!("{good}.e30.e30"),
            &format!("{good}="),
            &format!(" {good}"),
            &format!("{good}\n"),
            &jwt("[]", "{}"),
            &jwt("{}", "[\"1\",\"2\",3]"),
            &jwt("{}", "null"),
            &jwt("{}", r#"{"sub":"1","exp":"never"}"#),
            &jwt("{}", r#"{"sub":"1","sub":"2"}"#),
        ] {
            assert!(UnverifiedClaims::read(token).is_none(), "{token:?}");
        }
    }
}
