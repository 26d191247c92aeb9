//! The pace of a run: additive increase, multiplicative decrease.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::lambda::deadline::Deadline;

/// The window in which no more requests may leave than the rate allows in a second. It is longer
/// than a second, so that requests that leave in time and arrive up to 40 ms early or late still do
/// not exceed the rate in any second.
const WINDOW: Duration = Duration::from_millis(1040);
/// Maximum time that a run may catch up after the machine delayed it, so that a late task or timer
/// costs no throughput. The window still applies. Keep it small: a burst that is delayed on the network
/// arrives together with the requests of the next second.
const CATCH_UP: Duration = Duration::from_millis(50);
/// The factor by which a 429 reduces the rate.
const DECREASE: f64 = 0.5;
/// The fraction of the full rate that is regained per second.
const INCREASE_PER_SECOND: f64 = 0.1;
/// The rate never falls below this fraction of the full rate.
const FLOOR: f64 = 0.05;

/// Spaces the requests of a run evenly, and sends no more of them in any second than the rate. Concurrent tasks
/// share it and are served in turn. It starts at the full rate.
#[derive(Debug)]
pub struct Pacer {
    /// The task whose turn is next holds it.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<PacerState>,
}

#[derive(Debug)]
struct PacerState {
    full_rate: f64,
    /// The rate at `rate_since`, in requests a second.
    rate: f64,
    rate_since: Instant,
    decreased_at: Option<Instant>,
    /// The time at which the next request is due, by the spacing alone.
    next: Instant,
    /// Maximum requests in the window.
    most: usize,
    /// The times of the last requests, the earliest first.
    recent: VecDeque<Instant>,
    paused_until: Instant,
    granted: u64,
}

/// Permission to send one request, now.
#[derive(Debug)]
#[must_use]
pub struct Grant(Instant);

/// The deadline came before the request's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no time left to send the request")]
pub struct OutOfTime;

impl Pacer {
    /// A pacer of at most `rate` requests a second.
    pub fn new(rate: NonZeroU32) -> Self {
        let now = Instant::now();
        let full_rate = f64::from(rate.get());
        Self {
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(PacerState {
                full_rate,
                rate: full_rate,
                rate_since: now,
                decreased_at: None,
                next: now,
                most: rate.get() as usize,
                recent: VecDeque::new(),
                paused_until: now,
                granted: 0,
            }),
        }
    }

    /// Waits for the next turn, or fails at once if it comes after `deadline`.
    pub async fn acquire(&self, deadline: Deadline) -> Result<Grant, OutOfTime> {
        timeout_at(deadline.instant(), async {
            let _turn = self.turn.lock().await;
            loop {
                let now = Instant::now();
                // Check again after each sleep, since a pause may have begun meanwhile.
                let free_at = self.state().free_at();
                if free_at.max(now) >= deadline.instant() {
                    return Err(OutOfTime);
                }
                if free_at <= now {
                    return Ok(self.state().grant(now));
                }
                sleep_until(free_at).await;
            }
        })
        .await
        .unwrap_or(Err(OutOfTime))
    }

    /// Records that the request of `grant` got a 429.
    ///
    /// The rate is reduced once for all requests that left before this reduction, since they all
    /// report the same congestion. `retry_after` pauses every task.
    pub fn throttled(&self, grant: &Grant, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state();
        if state.decreased_at.is_none_or(|at| grant.0 > at) {
            state.rate = (state.rate_at(now) * DECREASE).max(state.full_rate * FLOOR);
            state.rate_since = now;
            state.decreased_at = Some(now);
        }
        let until = retry_after.and_then(|wait| now.checked_add(wait));
        state.paused_until = state.paused_until.max(until.unwrap_or(now));
    }

    /// The number of requests granted.
    pub fn granted(&self) -> u64 {
        self.state().granted
    }

    fn state(&self) -> MutexGuard<'_, PacerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PacerState {
    fn rate_at(&self, now: Instant) -> f64 {
        let regained = self.full_rate * INCREASE_PER_SECOND;
        let seconds = now.saturating_duration_since(self.rate_since).as_secs_f64();
        (self.rate + regained * seconds).min(self.full_rate)
    }

    fn free_at(&self) -> Instant {
        let is_full = self.recent.len() >= self.most;
        let earliest = self.recent.front().filter(|_| is_full);
        let has_room_at = earliest.map_or(self.next, |left| *left + WINDOW);
        self.next.max(has_room_at).max(self.paused_until)
    }

    fn grant(&mut self, now: Instant) -> Grant {
        let interval = WINDOW.div_f64(self.rate_at(now));
        // Allow a small catch-up after idle time, none after a pause.
        let made_up_for = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.next = self.next.max(made_up_for).max(self.paused_until) + interval;
        if self.recent.len() >= self.most {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.granted += 1;
        Grant(now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pacer(rate: u32) -> Arc<Pacer> {
        Arc::new(Pacer::new(rate.try_into().unwrap()))
    }

    fn minutes(minutes: u64) -> Deadline {
        Deadline::after(Duration::from_mins(minutes))
    }

    /// The times at which `count` requests left, sent by 30 tasks that each take `latency`.
    async fn sent(pacer: &Arc<Pacer>, count: usize, latency: Duration) -> Vec<Instant> {
        let times = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                let (pacer, times) = (Arc::clone(pacer), Arc::clone(&times));
                tokio::spawn(async move {
                    while times.lock().unwrap().len() < count {
                        let Grant(at) = pacer.acquire(minutes(60)).await.unwrap();
                        times.lock().unwrap().push(at);
                        tokio::time::sleep(latency).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let mut times = Arc::try_unwrap(times).unwrap().into_inner().unwrap();
        times.sort();
        times
    }

    fn most_in_any_second(times: &[Instant]) -> usize {
        let within = |from: &Instant| {
            let second = *from..=*from + Duration::from_secs(1);
            times.iter().filter(|at| second.contains(at)).count()
        };
        times.iter().map(within).max().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_than_the_rate_and_little_is_left_unused() {
        for rate in [1, 2, 5, 33, 200, 1000] {
            let count = rate as usize * 10;
            // 30 tasks cannot have more than 30 requests in flight.
            let latency = Duration::from_secs_f64(0.02_f64.min(15.0 / f64::from(rate)));
            let times = sent(&pacer(rate), count, latency).await;
            assert!(most_in_any_second(&times) <= rate as usize, "{rate}");
            let took = times[count - 1] - times[0];
            assert!(took < Duration::from_millis(10_500), "{rate}: {took:?}");
        }
    }

    /// A machine that stalls again and again, so that all timers are late.
    #[tokio::test(start_paused = true)]
    async fn delays_of_the_machine_are_caught_up_within_the_rate() {
        const STALL: Duration = Duration::from_millis(40);
        for rate in [5, 33, 200] {
            let count = rate as usize * 20;
            let latency = Duration::from_secs_f64(0.02_f64.min(15.0 / f64::from(rate)));
            let pacer = pacer(rate);
            let stalls = tokio::spawn(async {
                loop {
                    tokio::time::sleep(Duration::from_millis(460)).await;
                    tokio::time::advance(STALL).await;
                }
            });
            let times = sent(&pacer, count, latency).await;
            stalls.abort();
            assert!(most_in_any_second(&times) <= rate as usize, "{rate}");
            let took = times[count - 1] - times[0];
            assert!(
                took < Duration::from_secs_f64(20.0 / 0.95),
                "{rate}: {took:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_requests_leave_at_the_full_rate_and_idle_time_earns_no_burst() {
        let pacer = pacer(5);
        let began = Instant::now();
        let times = sent(&pacer, 5, Duration::ZERO).await;
        assert!(times[4] - began < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let times = sent(&pacer, 20, Duration::ZERO).await;
        assert!(most_in_any_second(&times) <= 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_halves_the_rate_once_and_time_brings_it_back() {
        let pacer = pacer(100);
        let first = pacer.acquire(minutes(1)).await.unwrap();
        let second = pacer.acquire(minutes(1)).await.unwrap();
        let rate = || pacer.state().rate_at(Instant::now());
        pacer.throttled(&first, None);
        pacer.throttled(&second, None);
        assert!((rate() - 50.0).abs() < 0.01, "one event, one decrease");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!((rate() - 60.0).abs() < 0.1);
        let later = pacer.acquire(minutes(1)).await.unwrap();
        pacer.throttled(&later, None);
        assert!((rate() - 30.0).abs() < 0.1);
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let grant = pacer.acquire(minutes(1)).await.unwrap();
            pacer.throttled(&grant, None);
        }
        assert!(rate() >= 5.0, "there is a floor");
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!((rate() - 100.0).abs() < 0.01, "and a ceiling");
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_pauses_every_task() {
        let pacer = pacer(1);
        let grant = pacer.acquire(minutes(1)).await.unwrap();
        // This request is already waiting for its turn when the pause begins.
        let (paused_at, waiting) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                pacer.throttled(&grant, Some(Duration::from_secs(7)));
                pacer.throttled(&grant, Some(Duration::ZERO));
                Instant::now()
            },
            pacer.acquire(minutes(1)),
        );
        assert!(waiting.unwrap().0 - paused_at >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_turn_comes_too_late_fails_at_once() {
        let pacer = pacer(1);
        let grant = pacer.acquire(minutes(1)).await.unwrap();
        pacer.throttled(&grant, Some(Duration::from_hours(1)));
        let began = Instant::now();
        assert_eq!(pacer.acquire(minutes(1)).await.unwrap_err(), OutOfTime);
        assert_eq!(Instant::now(), began);
        let past = Deadline::after(Duration::ZERO);
        assert_eq!(
            super::Pacer::new(NonZeroU32::MIN)
                .acquire(past)
                .await
                .unwrap_err(),
            OutOfTime
        );
        assert_eq!(pacer.granted(), 1);
    }
}
