//! Load in an open loop: requests are sent at fixed times, regardless of earlier ones, and each
//! response is checked. Latency counts from the time at which a request was due, so that a function
//! that falls behind cannot hide it.

mod environments;
mod functions;
mod open_loop;
mod options;
mod stack;
mod summary;
mod traffic;

pub use options::Options;
pub use summary::{Row, Summary};

use local_stack::stack::StackError;

/// Sends an hour's worth of traffic in a minute to the local stack's address.
pub async fn local_stack(options: Options) -> Result<Summary, StackError> {
    stack::run(options).await
}

/// Loads each HTTP function alone, at higher and higher rates until it breaks, and then with an
/// upstream that refuses. Uses release binaries, or debug binaries in a short run.
pub async fn functions(options: Options) -> std::io::Result<Summary> {
    functions::run(options).await
}
