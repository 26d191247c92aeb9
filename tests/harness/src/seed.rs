//! Seeds of randomised tests: a new one in each run, unless a variable sets it.

use std::hash::{BuildHasher as _, RandomState};

/// The seed of a test: the number in `variable`, or a new one. It is printed, so that a failed run
/// can be repeated with `variable` set to it.
///
/// # Panics
/// If `variable` is set to something other than a number.
pub fn seed(variable: &str) -> u64 {
    let seed = number(variable).unwrap_or_else(|| RandomState::new().hash_one(variable));
    println!("{variable}={seed}");
    seed
}

/// The number in a variable, if it is set.
///
/// # Panics
/// If it is something else.
pub fn number(variable: &str) -> Option<u64> {
    let held = std::env::var(variable).ok()?;
    let number = held.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} holds {held:?}, not a number")))
}

#[cfg(test)]
mod tests {
    use super::seed;

    #[test]
    fn two_seeds_differ() {
        assert_ne!(seed("NOBODY_SETS_THIS_SEED"), seed("NOBODY_SETS_THIS_SEED"));
    }
}
