//! `TOKEN_HEADER`: the header that carries the caller's token.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::lambda::config::{ConfigError, Variables};

const BEARER: &str = "bearer";

/// The header that carries the caller's token: `authorization`, unless a gateway in front needs
/// that header for itself.
pub(super) struct TokenHeader(HeaderName);

impl TokenHeader {
    /// Reads `TOKEN_HEADER`.
    pub(super) fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        let header = variables.or(
            "TOKEN_HEADER",
            AUTHORIZATION,
            "the name of a header, such as x-id-token",
        )?;
        Ok(Self(header))
    }

    /// The token, if the header occurs exactly once. In `authorization` it follows `Bearer` (RFC
    /// 6750); in another header it may stand alone.
    pub(super) fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut values = headers.get_all(&self.0).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        let value = value.to_str().ok()?.trim();
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(BEARER) => token.trim(),
            _ if self.0 == AUTHORIZATION || value.eq_ignore_ascii_case(BEARER) => return None,
            _ => value,
        };
        (!token.is_empty()).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token(header: Option<&str>, values: &[(&'static str, &'static str)]) -> Option<String> {
        let variables = header.map(|header| ("TOKEN_HEADER", header));
        let header = TokenHeader::from_variables(&variables.into_iter().collect()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_static(value));
        }
        header.token(&headers).map(ToOwned::to_owned)
    }

    #[test]
    fn a_bearer_token_is_the_only_one_of_its_request() {
        for value in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            let found = token(None, &[("authorization", value)]);
            assert_eq!(found.as_deref(), Some("abc"), "{value}");
        }
        for values in [
            &[][..],
            &["abc"],
            &["Bearer"],
            &["Bearer "],
            &["Basic abc"],
            &["Bearer a", "Bearer b"],
        ] {
            let values: Vec<_> = values.iter().map(|it| ("authorization", *it)).collect();
            assert_eq!(token(None, &values), None, "{values:?}");
        }
    }

    #[test]
    fn another_header_carries_the_token_with_bearer_or_without() {
        for name in ["x-id-token", "X-Id-Token"] {
            for value in ["Bearer abc", "bearer  abc", "abc", " abc "] {
                let values = [("authorization", "Bearer another"), ("x-id-token", value)];
                assert_eq!(
                    token(Some(name), &values).as_deref(),
                    Some("abc"),
                    "{value}"
                );
            }
            for values in [
                &[("authorization", "Bearer abc")][..],
                &[("x-id-token", "")],
                &[("x-id-token", "Bearer")],
                &[("x-id-token", "Bearer ")],
                &[("x-id-token", "a"), ("x-id-token", "b")],
            ] {
                assert_eq!(token(Some(name), values), None, "{values:?}");
            }
        }
        let authorization = [("authorization", "Bearer abc")];
        assert_eq!(
            token(Some("Authorization"), &authorization).as_deref(),
            Some("abc")
        );
        assert_eq!(
            token(Some("Authorization"), &[("authorization", "abc")]),
            None
        );
    }

    #[test]
    fn an_impossible_header_name_keeps_the_function_from_starting() {
        let variables = [("TOKEN_HEADER", "x id token")].into_iter().collect();
        let error = TokenHeader::from_variables(&variables).err().unwrap();
        assert_eq!(
            error.to_string(),
            "TOKEN_HEADER holds \"x id token\"; it must hold the name of a header, such as x-id-token"
        );
    }
}
