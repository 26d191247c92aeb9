//! What the functions share.

pub mod deadline;
#[cfg(feature = "http-client")]
pub mod http_client;
#[cfg(feature = "sunshine")]
pub mod sunshine;
#[cfg(feature = "http-client")]
pub mod upstream_url;
