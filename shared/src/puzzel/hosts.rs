//! Puzzel's base URLs.

use strum::{EnumString, VariantNames};

use crate::http::upstream_url::{InvalidUpstreamUrl, UpstreamUrl};

/// The base URLs of Puzzel's two services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// The identity service, `IDP_SRV` on Puzzel's page.
    pub identity: UpstreamUrl,
    /// The chat service, `COMM_SRV` on Puzzel's page.
    pub chat: UpstreamUrl,
}

/// A region that Puzzel runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
#[expect(missing_docs, reason = "Puzzel's own names")]
pub enum Region {
    Opo,
    Uk,
}

impl TryFrom<Region> for Hosts {
    type Error = InvalidUpstreamUrl;

    fn try_from(region: Region) -> Result<Self, InvalidUpstreamUrl> {
        let (identity, chat) = match region {
            Region::Opo => (
                "https://app-consumeridp.puzzel.com",
                "https://app-commsrv.puzzel.com",
            ),
            Region::Uk => (
                "https://uk-consumeridp.puzzel.com",
                "https://uk-commsrv.puzzel.com",
            ),
        };
        Ok(Self {
            identity: identity.parse()?,
            chat: chat.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_are_puzzels() {
        let urls = |region: &str| {
            let hosts = Hosts::try_from(region.parse::<Region>().unwrap()).unwrap();
            [hosts.identity, hosts.chat].map(|host| host.join(&["api"], &[]).unwrap().to_string())
        };
        assert_eq!(
            urls("opo"),
            [
                "https://app-consumeridp.puzzel.com/api",
                "https://app-commsrv.puzzel.com/api"
            ]
        );
        assert_eq!(
            urls("uk"),
            [
                "https://uk-consumeridp.puzzel.com/api",
                "https://uk-commsrv.puzzel.com/api"
            ]
        );
        assert!("OPO".parse::<Region>().is_err());
    }
}
