//! Load: requests that come when they come, whatever becomes of those before them (an open loop),
//! and each answer checked. Latency counts from when a request was to be sent, so that a function
//! that falls behind cannot hide it.

mod environments;
mod functions;
mod open_loop;
mod stack;
mod summary;
mod traffic;

pub use summary::{Row, Summary};

use local_stack::stack::StackError;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A few seconds of all of it, to see that it works; its figures mean nothing.
    pub short: bool,
    /// Where the random numbers start.
    pub seed: u64,
}

/// An hour's worth of traffic in a minute, at the local stack's one address.
pub async fn local_stack(options: Options) -> Result<Summary, StackError> {
    stack::run(options).await
}

/// Each HTTP function alone, at higher and higher rates to where it breaks; and then with an
/// upstream that refuses. The binaries are those of a release, in short debug ones.
pub async fn functions(options: Options) -> std::io::Result<Summary> {
    functions::run(options).await
}
