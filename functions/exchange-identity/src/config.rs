//! The configuration of `exchange-identity`, read from its environment.

use std::collections::HashMap;
use std::str::FromStr;

use serde::Deserialize;
use shared::identity::caller::Callers;
use shared::lambda::config::{ConfigError, Variables};
use shared::lambda::http::BasePath;
use shared::puzzel::{CustomerId, Hosts, ProviderId, Region, TokenKind};

/// The configuration of `exchange-identity`.
pub struct Config {
    /// How callers are identified.
    pub callers: Callers,
    /// The path under which the domain has this API.
    pub base_path: BasePath,
    /// Puzzel's base URLs.
    pub hosts: Hosts,
    /// The customer at Puzzel.
    pub customer: CustomerId,
    /// The providers at Puzzel. If `None`, the request's body may name one; else Puzzel uses its
    /// first.
    pub providers: Option<Providers>,
    /// The kind of the caller's own bearer token.
    pub token_kind: TokenKind,
}

/// The provider at Puzzel that verifies a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Providers {
    /// The same provider for every token.
    One(ProviderId),
    /// A provider for each `iss`. An issuer that is not in the map has none.
    ByIssuer(HashMap<String, ProviderId>),
}

impl Config {
    /// Reads the variables that the README lists for `exchange-identity`.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            callers: Callers::from_variables(variables)?,
            base_path: BasePath::from_variables(variables)?,
            hosts: hosts(variables)?,
            customer: variables.required("PUZZEL_CUSTOMER_ID", CustomerId::EXPECTED)?,
            providers: variables.optional(
                "PUZZEL_PROVIDER_ID",
                "an integer, or a JSON object from issuer to integer",
            )?,
            token_kind: variables.one_of("PUZZEL_TOKEN_KIND", TokenKind::Access)?,
        })
    }
}

fn hosts(variables: &Variables) -> Result<Hosts, ConfigError> {
    const REGION: &str = "opo or uk; or set both PUZZEL_IDP_URL and PUZZEL_COMM_URL instead";
    const URL: &str = "a base URL: https, or http on a loopback host";

    let region: Option<Region> = variables.optional("PUZZEL_REGION", REGION)?;
    let identity = variables.optional("PUZZEL_IDP_URL", URL)?;
    let chat = variables.optional("PUZZEL_COMM_URL", URL)?;
    match (region, identity, chat) {
        (Some(region), None, None) => Hosts::try_from(region)
            .map_err(|_| ConfigError::Unusable("PUZZEL_REGION: its URLs are not valid")),
        (None, Some(identity), Some(chat)) => Ok(Hosts { identity, chat }),
        (None, None, None) => Err(ConfigError::missing("PUZZEL_REGION", REGION)),
        (None, None, Some(_)) => Err(ConfigError::missing("PUZZEL_IDP_URL", URL)),
        (None, Some(_), None) => Err(ConfigError::missing("PUZZEL_COMM_URL", URL)),
        (Some(_), _, _) => Err(ConfigError::Unusable(
            "set either PUZZEL_REGION, or PUZZEL_IDP_URL and PUZZEL_COMM_URL, and leave the other empty",
        )),
    }
}

impl FromStr for Providers {
    type Err = ();

    fn from_str(json: &str) -> Result<Self, ()> {
        match serde_json::from_str(json) {
            Ok(Self::ByIssuer(providers)) if providers.is_empty() => Err(()),
            Ok(providers) => Ok(providers),
            Err(_) => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let customer = [("PUZZEL_CUSTOMER_ID", "customer123")];
        Config::from_variables(&customer.iter().chain(variables).copied().collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_region_or_both_urls() {
        let uk = read(&[("PUZZEL_REGION", "uk")]).unwrap();
        assert_eq!(uk.hosts, Hosts::try_from(Region::Uk).unwrap());
        assert_eq!(uk.token_kind, TokenKind::Access);
        assert_eq!(uk.providers, None);
        let own = read(&[
            ("PUZZEL_IDP_URL", "https://idp.example/base/"),
            ("PUZZEL_COMM_URL", "http://127.0.0.1:1"),
        ]);
        assert_eq!(
            own.unwrap().hosts.chat,
            "http://127.0.0.1:1".parse().unwrap()
        );
    }

    #[test]
    fn any_other_combination_names_the_variable_that_is_wrong() {
        let idp = ("PUZZEL_IDP_URL", "https://a.example");
        let comm = ("PUZZEL_COMM_URL", "https://a.example");
        let opo = ("PUZZEL_REGION", "opo");
        for (variables, name) in [
            (vec![], "PUZZEL_REGION is not set"),
            (
                vec![("PUZZEL_REGION", "OPO")],
                "PUZZEL_REGION holds \"OPO\"",
            ),
            (vec![idp], "PUZZEL_COMM_URL is not set"),
            (vec![comm], "PUZZEL_IDP_URL is not set"),
            (vec![opo, comm], "set either PUZZEL_REGION"),
            (vec![opo, idp, comm], "set either PUZZEL_REGION"),
            (
                vec![("PUZZEL_IDP_URL", "http://a.example"), comm],
                "PUZZEL_IDP_URL holds",
            ),
            (
                vec![opo, ("PUZZEL_CUSTOMER_ID", "../x")],
                "PUZZEL_CUSTOMER_ID holds",
            ),
            (
                vec![opo, ("PUZZEL_TOKEN_KIND", "refresh")],
                "PUZZEL_TOKEN_KIND holds",
            ),
        ] {
            let error = read(&variables).err().unwrap();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn a_provider_is_an_integer_or_one_for_each_issuer() {
        let providers = |json: &str| {
            read(&[("PUZZEL_REGION", "opo"), ("PUZZEL_PROVIDER_ID", json)])
                .map(|config| config.providers.unwrap())
        };
        assert!(matches!(providers("456"), Ok(Providers::One(_))));
        let Ok(Providers::ByIssuer(map)) = providers(r#"{"https://a.example": 1}"#) else {
            panic!("an object is read by issuer");
        };
        assert_eq!(map["https://a.example"].to_string(), "1");
        for wrong in ["{}", "[1]", "1.5", "\"1\"", r#"{"a":"1"}"#, "one", "{"] {
            assert!(providers(wrong).is_err(), "{wrong}");
        }
    }
}
