//! Sends requests at times that are drawn beforehand.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The response came, and is right.
    Served,
    /// It was refused as designed, with `Retry-After`; contains the refusal.
    Refused(String),
    /// Anything else.
    Wrong(String),
}

/// The results of a load.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// The number of requests sent.
    pub(super) sent: usize,
    /// The numbers of the requests that were served.
    pub(super) served: Vec<usize>,
    /// The count of each refusal.
    pub(super) refused: BTreeMap<String, usize>,
    /// The descriptions of everything wrong.
    pub(super) wrong: Vec<String>,
    /// The numbers of the refused requests, to send them again.
    pub(super) refused_numbers: Vec<usize>,
    /// The latencies of the served requests, counted from their due time; shortest first.
    latencies: Vec<Duration>,
    /// The delay between the due time and the sending of each request, least first: the sender's
    /// own overhead.
    lags: Vec<Duration>,
}

impl Measured {
    pub(super) fn refusals(&self) -> usize {
        self.refused.values().sum()
    }

    /// The share of the requests that was refused.
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    pub(super) fn refused_share(&self) -> f64 {
        self.refusals() as f64 / (self.sent as f64).max(1.0)
    }

    /// The latency that this share of the served requests did not exceed.
    pub(super) fn latency(&self, share: f64) -> Duration {
        quantile(&self.latencies, share)
    }

    /// The same for the sending delays.
    pub(super) fn lag(&self, share: f64) -> Duration {
        quantile(&self.lags, share)
    }

    fn count(&mut self, number: usize, outcome: Outcome, latency: Duration) {
        match outcome {
            Outcome::Served => {
                self.served.push(number);
                self.latencies.push(latency);
            }
            Outcome::Refused(how) => {
                *self.refused.entry(how).or_default() += 1;
                self.refused_numbers.push(number);
            }
            Outcome::Wrong(what) => self.wrong.push(what),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among some thousands"
)]
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    let value = sorted.get(place.saturating_sub(1));
    value.copied().unwrap_or_default()
}

/// The times of the requests, `rate` a second on average for `span`: independent of one another,
/// like those of many users (a Poisson process).
fn arrivals(rate: f64, span: Duration, seed: u64) -> Vec<Duration> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut at = 0.0;
    let mut arrivals = Vec::new();
    loop {
        at += -(1.0 - random.random::<f64>()).ln() / rate;
        if at >= span.as_secs_f64() {
            return arrivals;
        }
        arrivals.push(Duration::from_secs_f64(at));
    }
}

/// Sends requests at their times, and waits for all outcomes.
pub(super) async fn open_loop<F>(
    rate: f64,
    span: Duration,
    seed: u64,
    ask: impl Fn(usize) -> F,
) -> Measured
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let (began, mut under_way) = (Instant::now(), JoinSet::new());
    let mut measured = Measured::default();
    for (number, after) in arrivals(rate, span, seed).into_iter().enumerate() {
        let due = began + after;
        sleep_until(due).await;
        measured.lags.push(due.elapsed());
        measured.sent += 1;
        let request = ask(number);
        under_way.spawn(async move { (number, request.await, due.elapsed()) });
        while let Some(done) = under_way.try_join_next() {
            let (number, outcome, latency) = done.expect("a request does not panic");
            measured.count(number, outcome, latency);
        }
    }
    while let Some(done) = under_way.join_next().await {
        let (number, outcome, latency) = done.expect("a request does not panic");
        measured.count(number, outcome, latency);
    }
    measured.latencies.sort_unstable();
    measured.lags.sort_unstable();
    measured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_requested_rate_and_depend_only_on_the_seed() {
        let minute = Duration::from_mins(1);
        let came = arrivals(100.0, minute, 7);
        assert!((5700..6300).contains(&came.len()), "{}", came.len());
        assert!(came.is_sorted() && came.iter().all(|at| *at < minute));
        assert_eq!(came, arrivals(100.0, minute, 7));
        assert_ne!(came, arrivals(100.0, minute, 8));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&sorted, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&sorted, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&sorted, 1.0), Duration::from_millis(100));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    /// One at a time, 20 ms each, 100 a second: half of the capacity is missing, and the latency
    /// shows it.
    #[tokio::test]
    async fn a_function_that_falls_behind_cannot_hide_it() {
        let one = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        let measured = open_loop(100.0, Duration::from_millis(600), 7, |_| {
            let one = one.clone();
            async move {
                let _turn = one.acquire().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                Outcome::Served
            }
        })
        .await;
        assert_eq!(measured.sent, measured.served.len());
        assert!(measured.latency(0.99) > Duration::from_millis(400));
    }

    #[tokio::test]
    async fn each_outcome_is_counted() {
        let measured = open_loop(100.0, Duration::from_secs(1), 7, |number| async move {
            match number % 3 {
                0 => Outcome::Served,
                1 => Outcome::Refused("503".to_owned()),
                _ => Outcome::Wrong("wrong".to_owned()),
            }
        })
        .await;
        assert_eq!(measured.refusals(), measured.refused_numbers.len());
        let served = measured.served.len();
        let all = served + measured.refusals() + measured.wrong.len();
        assert_eq!(all, measured.sent);
        assert!(served > 20 && measured.refusals() > 20 && measured.wrong.len() > 20);
    }
}
