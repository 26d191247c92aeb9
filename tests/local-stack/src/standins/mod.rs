//! Stand-ins for Zendesk and Puzzel: HTTP servers on loopback that keep state, respond according to
//! the contracts, and inject faults on request.
//!
//! Each is programmed through its handle and, while it runs, over HTTP under `/_control/`.

mod control;
mod exchange;
pub mod faults;
pub mod holds;
pub mod http;
mod line;
mod lock;
mod path;
pub mod pattern;
pub mod puzzel;
mod server;
pub mod sunshine;
pub mod traffic;
