//! The traffic of a stand-in: a record of every exchange, and points at which a test can stop one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use super::exchange::Exchange;
use super::holds::Holds;
pub use super::holds::{Hold, Point};
use super::http::Request;
use super::lock::lock;
use super::pattern::Pattern;

/// The record of a stand-in's exchanges.
pub struct Traffic {
    start: Instant,
    connections: AtomicU64,
    exchanges: Mutex<Exchanges>,
    holds: Holds<Exchange>,
}

#[derive(Default)]
struct Exchanges {
    next: usize,
    kept: Vec<Exchange>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            connections: AtomicU64::new(0),
            exchanges: Mutex::default(),
            holds: Holds::default(),
        }
    }
}

impl Traffic {
    /// The number of connections opened.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every exchange so far, in the order of arrival, without calls of `/_control`.
    pub fn all(&self) -> Vec<Exchange> {
        self.exchanges().kept.clone()
    }

    /// The exchanges whose request matches.
    pub fn matching(&self, pattern: impl Into<Pattern>) -> Vec<Exchange> {
        let pattern = pattern.into();
        self.exchanges()
            .kept
            .iter()
            .filter(|one| pattern.matches(&one.method, &one.path))
            .cloned()
            .collect()
    }

    /// Forgets the exchanges so far, including those in progress.
    pub fn clear(&self) {
        self.exchanges().kept.clear();
    }

    /// The maximum number of requests that arrived within any window of this length.
    pub fn most_within(&self, window: Duration) -> usize {
        let arrivals: Vec<Duration> = self
            .exchanges()
            .kept
            .iter()
            .map(|one| one.arrived)
            .collect();
        let mut first = 0;
        let mut most = 0;
        for (last, at) in arrivals.iter().enumerate() {
            while arrivals
                .get(first)
                .is_some_and(|earliest| at.saturating_sub(*earliest) >= window)
            {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }

    /// Stops the `nth` matching exchange from now on (1 is the next one) at a point, until it is
    /// released or the [`Hold`] is dropped.
    pub fn hold(&self, pattern: impl Into<Pattern>, nth: usize, point: Point) -> Hold {
        self.holds.hold(pattern.into(), nth, point)
    }

    /// Reports when the next matching exchange has reached a point, without stopping it.
    pub fn watch(&self, pattern: impl Into<Pattern>, point: Point) -> Hold {
        let hold = self.hold(pattern, 1, point);
        hold.release();
        hold
    }

    pub(super) fn connected(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn arrived(&self, connection: u64, request: &Request) -> Exchange {
        let mut exchanges = self.exchanges();
        let exchange = Exchange {
            number: exchanges.next,
            connection,
            line: request.line.clone(),
            method: request.method.clone(),
            path: request.path().to_owned(),
            body: (!request.body.is_empty())
                .then(|| request.json().ok())
                .flatten(),
            arrived: self.start.elapsed(),
            answered: None,
            status: None,
            handled: false,
        };
        exchanges.next += 1;
        exchanges.kept.push(exchange.clone());
        exchange
    }

    pub(super) fn record(&self, exchange: &Exchange) {
        let mut exchanges = self.exchanges();
        if let Ok(at) = exchanges
            .kept
            .binary_search_by_key(&exchange.number, |one| one.number)
            && let Some(kept) = exchanges.kept.get_mut(at)
        {
            *kept = exchange.clone();
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Lets an exchange continue past a point as soon as nothing holds it there.
    pub(super) async fn pass(&self, point: Point, exchange: &Exchange) {
        let (method, path) = (&exchange.method, &exchange.path);
        self.holds.pass(point, method, path, exchange).await;
    }

    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        lock(&self.exchanges)
    }
}
