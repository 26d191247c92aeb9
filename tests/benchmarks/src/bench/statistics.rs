//! Statistics of many measurements.

use std::time::Duration;

/// Measurements of one thing.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    sorted: Vec<Duration>,
}

impl FromIterator<Duration> for Samples {
    fn from_iter<T: IntoIterator<Item = Duration>>(samples: T) -> Self {
        let mut sorted: Vec<Duration> = samples.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }
}

impl Samples {
    /// The smallest sample that this many of a thousand do not exceed (the nearest rank): a
    /// measured value, never an interpolated one. Zero without samples.
    pub fn per_mille(&self, rank: usize) -> Duration {
        let index = (self.sorted.len() * rank).div_ceil(1000).saturating_sub(1);
        self.sorted.get(index).copied().unwrap_or_default()
    }

    /// The median: half of the samples are at most this.
    pub fn median(&self) -> Duration {
        self.per_mille(500)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: impl IntoIterator<Item = u64>) -> Samples {
        values.into_iter().map(Duration::from_micros).collect()
    }

    fn micros(value: u64) -> Duration {
        Duration::from_micros(value)
    }

    #[test]
    fn a_percentile_is_the_sample_of_the_nearest_rank() {
        let hundred = samples((1..=100).rev());
        assert_eq!(hundred.median(), micros(50));
        assert_eq!(hundred.per_mille(900), micros(90));
        assert_eq!(hundred.per_mille(990), micros(99));
        assert_eq!(hundred.per_mille(999), micros(100));
        assert_eq!(samples(1..=20_000).per_mille(999), micros(19_980));
    }

    #[test]
    fn few_samples_have_percentiles_too() {
        assert_eq!(samples([3, 1, 2]).median(), micros(2));
        assert_eq!(samples([7]).per_mille(1), micros(7));
        assert_eq!(samples([7]).per_mille(1000), micros(7));
        assert_eq!(samples([]).median(), Duration::ZERO);
    }

    #[test]
    fn a_single_slow_sample_shows_in_the_tail_and_not_in_the_median() {
        let slow = samples((0..999).map(|_| 20).chain([5_000]));
        assert_eq!(slow.median(), micros(20));
        assert_eq!(slow.per_mille(999), micros(20));
        assert_eq!(slow.per_mille(1000), micros(5_000));
    }
}
