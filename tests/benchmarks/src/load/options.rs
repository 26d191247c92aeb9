//! The options of a load run.

/// The options.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Run everything for a few seconds, only to check that it works; the figures mean nothing.
    pub short: bool,
    /// The seed of the random numbers.
    pub seed: u64,
}
