//! AWS Lambda for one function, servers, and a proxy that injects faults: the harness of the
//! end-to-end tests and the local stack.

mod binary;
mod event;
pub mod fault_proxy;
pub mod lambda;
pub mod node;
pub mod openapi;
pub mod seed;
pub mod serve;
pub mod tls;
pub mod under_test;
