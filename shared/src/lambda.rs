//! Events in, responses out, and the process around both: configuration, logs, metrics and time.

pub mod check;
pub mod clock;
pub mod config;
pub mod deadline;
pub mod http;
pub mod invoke;
pub mod metrics;
pub mod problem;
pub mod telemetry;
