//! The breaker: it halts a run whose calls fail.

use std::sync::{Mutex, PoisonError};

use tokio::sync::SetOnce;

/// The number of latest calls that count.
const WINDOW: u32 = 20;
/// Failures tolerated in the window: 20 %.
const TOLERATED: u32 = WINDOW / 5;

/// The reason why no more calls are sent in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// 401: the API key was refused, even after a fresh one was fetched.
    #[error("unauthorized")]
    Unauthorized,
    /// 403: the API key does not allow what every run needs.
    #[error("forbidden")]
    Forbidden,
    /// More than 20 % of the last 20 calls failed (5xx, timeout, transport).
    #[error("too many failures")]
    TooManyFailures,
}

/// Stops a run for good: at once, or if too many of its last calls failed.
#[derive(Debug)]
pub struct Breaker {
    /// The last calls, newest in the lowest bit; a failed one is 1.
    recent: Mutex<u32>,
    stopped: SetOnce<Halt>,
}

impl Breaker {
    /// A breaker without any calls yet.
    pub fn new() -> Self {
        Self {
            recent: Mutex::new(0),
            stopped: SetOnce::new(),
        }
    }

    /// Records a call. Stops the run if more than 4 of the last 20 calls failed. It does not wait
    /// for 20 calls, since 5 failures are too many whatever follows.
    pub fn record(&self, failed: bool) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        *recent = (*recent << 1 | u32::from(failed)) & ((1 << WINDOW) - 1);
        if recent.count_ones() > TOLERATED {
            self.stop(Halt::TooManyFailures);
        }
    }

    /// Stops the run. If it is called again, the first reason stays.
    pub fn stop(&self, reason: Halt) {
        // An error means that there is a first reason.
        let _ = self.stopped.set(reason);
    }

    /// The reason why the run was stopped, if it was.
    pub fn stopped(&self) -> Option<Halt> {
        self.stopped.get().copied()
    }

    /// Waits until the run is stopped.
    pub async fn wait(&self) -> Halt {
        *self.stopped.wait().await
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(calls: impl IntoIterator<Item = bool>) -> Option<Halt> {
        let breaker = Breaker::new();
        calls.into_iter().for_each(|failed| breaker.record(failed));
        breaker.stopped()
    }

    #[test]
    fn a_fifth_of_the_last_twenty_may_fail() {
        assert_eq!(after([true; 4]), None);
        assert_eq!(after([true; 5]), Some(Halt::TooManyFailures));
        // 4 of every 20, over many calls.
        assert_eq!(after((0..1000).map(|n| n % 5 == 0)), None);
        // The 5th failure comes 20 calls after the 1st, or 19.
        let spread = |apart: usize| (0..=apart).map(move |n| n < 4 || n == apart);
        assert_eq!(after(spread(20)), None);
        assert_eq!(after(spread(19)), Some(Halt::TooManyFailures));
    }

    #[tokio::test]
    async fn it_stays_stopped_for_the_first_reason() {
        let breaker = Breaker::new();
        let (reason, ()) = tokio::join!(breaker.wait(), async {
            breaker.stop(Halt::Forbidden);
            breaker.stop(Halt::Unauthorized);
        });
        (0..100).for_each(|_| breaker.record(false));
        assert_eq!(reason, Halt::Forbidden);
        assert_eq!(breaker.stopped(), Some(Halt::Forbidden));
        assert_eq!(breaker.wait().await, Halt::Forbidden);
    }
}
