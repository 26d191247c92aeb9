//! How a load run is asked for.

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A few seconds of all of it, to see that it works; its figures mean nothing.
    pub short: bool,
    /// Where the random numbers start.
    pub seed: u64,
}
