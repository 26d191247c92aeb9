//! What the functions of chat-identity share: configuration, the caller, problems, secrets, and
//! the clients of the upstreams.
//!
//! Data flows one way: event → handler → domain → client → wire. Only [`gateway`] and [`caller`]
//! know Lambda events.

pub mod cache;
#[cfg(feature = "caller")]
pub mod caller;
pub mod clock;
pub mod config;
#[cfg(feature = "conflicts")]
pub mod conflicts;
pub mod deadline;
pub mod email;
pub mod external_id;
pub mod gateway;
pub mod hex;
#[cfg(feature = "http-client")]
pub mod http_client;
pub mod metrics;
#[cfg(feature = "caller")]
pub mod oidc;
pub mod problem;
#[cfg(feature = "puzzel")]
pub mod puzzel;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(any(feature = "conflicts", feature = "sunshine"))]
pub mod sunshine;
pub mod telemetry;
#[cfg(feature = "http-client")]
pub mod upstream_url;
