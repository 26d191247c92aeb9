//! The HTTP client for all upstreams, and the URLs that it may call.

pub mod client;
pub mod upstream_url;
