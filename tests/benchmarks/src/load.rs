//! Load: requests that come when they come, whatever becomes of those before them (an open loop),
//! and each answer checked. Latency counts from when a request was to be sent, so that a function
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

/// An hour's worth of traffic in a minute, at the local stack's one address.
pub async fn local_stack(options: Options) -> Result<Summary, StackError> {
    stack::run(options).await
}

/// Each HTTP function alone, at higher and higher rates to where it breaks; and then with an
/// upstream that refuses. The binaries are those of a release, in short debug ones.
pub async fn functions(options: Options) -> std::io::Result<Summary> {
    functions::run(options).await
}
