//! The HTTP client for all upstreams, and the URLs that it may call.

pub mod client;
mod connections;
pub(crate) mod tls;
pub mod upstream_url;
