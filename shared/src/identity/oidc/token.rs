//! Parses a JSON Web Token in JWS compact form, without verifying it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::error::VerifyError;
use crate::identity::claims::json;

/// Maximum characters of an unknown algorithm's name in the log.
const MAX_NAME: usize = 32;

const NOT_A_TOKEN: VerifyError = VerifyError::invalid("it is not a JSON Web Token");

/// A token that is not verified.
pub(super) struct UnverifiedToken<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_names: KeyNames,
    pub(super) claims: Map<String, Value>,
    /// The part that the signature covers.
    pub(super) message: &'a str,
    /// Base64url.
    pub(super) signature: &'a str,
}

/// The names of a key, in a token or in a key set: an id and the thumbprint of a certificate. An
/// empty name counts as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyNames {
    kid: Option<String>,
    x5t: Option<String>,
}

impl KeyNames {
    pub(super) fn new(kid: Option<String>, x5t: Option<String>) -> Self {
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        Self {
            kid: named(kid),
            x5t: named(x5t),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kid.is_none() && self.x5t.is_none()
    }

    /// Whether the two share a name.
    pub(super) fn meet(&self, other: &Self) -> bool {
        self.all().any(|name| other.all().any(|it| it == name))
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.kid.iter().chain(&self.x5t).map(String::as_str)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    x5t: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> UnverifiedToken<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, VerifyError> {
        let (message, signature) = token.rsplit_once('.').ok_or(NOT_A_TOKEN)?;
        let (header, claims) = message.split_once('.').ok_or(NOT_A_TOKEN)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NOT_A_TOKEN);
        let header = decode(header)?;
        // serde would also read a struct from an array.
        if header.trim_ascii_start().first() != Some(&b'{') {
            return Err(NOT_A_TOKEN);
        }
        let header: Header = serde_json::from_slice(&header).map_err(|_| NOT_A_TOKEN)?;
        let algorithm = algorithm(&header.alg)?;
        // An extension may change the meaning of the token (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(VerifyError::invalid("it needs an extension"));
        }
        Ok(Self {
            algorithm,
            key_names: KeyNames::new(header.kid, header.x5t),
            claims: json::object(&decode(claims)?)
                .map_err(|_| VerifyError::invalid("its claims are malformed"))?,
            message,
            signature,
        })
    }
}

/// The algorithm of this name, if it is accepted. All asymmetric algorithms of the library are;
/// with a symmetric one, the issuer's public key could sign.
pub(super) fn algorithm(name: &str) -> Result<Algorithm, VerifyError> {
    Ok(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        // RFC 9864 gives EdDSA with this curve a name of its own.
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        other => {
            let name: String = other.chars().take(MAX_NAME).collect();
            return Err(VerifyError::Invalid(
                format!("its algorithm {name:?} is not accepted").into(),
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(header: &Value, claims: &str) -> String {
        let [header, claims] =
            [header.to_string().as_str(), claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{claims}.c2ln")
    }

    fn refusal(token: &str) -> String {
        match UnverifiedToken::parse(token) {
            Err(VerifyError::Invalid(cause)) => cause.into_owned(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{token} is read"),
        }
    }

    #[test]
    fn an_algorithm_that_is_not_accepted_is_named_in_32_characters_at_most() {
        for (alg, shown) in [
            ("none", "\"none\"".to_owned()),
            ("nOnE", "\"nOnE\"".to_owned()),
            ("HS256", "\"HS256\"".to_owned()),
            ("ES512", "\"ES512\"".to_owned()),
            ("rs256", "\"rs256\"".to_owned()),
            ("", "\"\"".to_owned()),
            ("a\nb", "\"a\\nb\"".to_owned()),
            (&"x".repeat(99), format!("{:?}", "x".repeat(32))),
        ] {
            let cause = refusal(&token(&json!({"alg": alg, "kid": "1"}), "{}"));
            assert_eq!(cause, format!("its algorithm {shown} is not accepted"));
        }
    }

    #[test]
    fn other_text_is_not_a_token() {
        let good = token(&json!({"alg": "RS256"}), "{}");
        assert!(UnverifiedToken::parse(&good).is_ok());
        for text in [
            "",
            "abc",
            "a.b.c",
            good.trim_end_matches(".c2ln"),
            &format!("{good}.e30"),
            &format!(" {good}"),
            &token(&json!([]), "{}"),
            &token(&json!({}), "{}"),
            &token(&json!({"alg": 1}), "{}"),
            &token(&json!({"alg": "RS256", "kid": 1}), "{}"),
            &token(&json!({"alg": "RS256", "x5t": []}), "{}"),
        ] {
            assert_eq!(refusal(text), "it is not a JSON Web Token", "{text}");
        }
        for claims in ["[]", "", "{", r#"{"sub":"1","sub":"2"}"#] {
            let text = token(&json!({"alg": "RS256"}), claims);
            assert_eq!(refusal(&text), "its claims are malformed", "{claims}");
        }
        for crit in [json!([]), json!(["b64"]), json!("b64")] {
            let text = token(&json!({"alg": "RS256", "crit": crit}), "{}");
            assert_eq!(refusal(&text), "it needs an extension");
        }
    }

    #[test]
    fn names_meet_if_they_share_one_that_is_not_empty() {
        let names = |kid: Option<&str>, x5t: Option<&str>| {
            KeyNames::new(kid.map(ToOwned::to_owned), x5t.map(ToOwned::to_owned))
        };
        assert!(names(Some("a"), None).meet(&names(Some("a"), Some("b"))));
        assert!(names(None, Some("a")).meet(&names(Some("a"), None)));
        assert!(!names(Some("a"), None).meet(&names(Some("b"), None)));
        assert!(!names(None, None).meet(&names(None, None)));
        assert!(names(Some(""), Some("")).is_empty());
        assert!(!names(Some(""), None).meet(&names(Some(""), None)));
    }
}
