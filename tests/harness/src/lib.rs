//! AWS Lambda for one function, and what stands between it and others: the harness that the
//! end-to-end tests and the local stack are built on.

pub mod fault_proxy;
pub mod lambda;
pub mod node;
pub mod serve;
pub mod tls;
