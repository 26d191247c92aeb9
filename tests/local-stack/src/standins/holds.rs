//! Points at which a test stops an exchange until it lets it continue.

use std::sync::Mutex;

use serde::Deserialize;
use tokio::sync::watch;

use super::exchange::Exchange;
use super::lock::lock;
use super::pattern::Pattern;

/// A point in the course of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Point {
    /// The request has arrived and is not handled yet.
    Arrived,
    /// The request took effect, and the response is not sent yet.
    Handled,
    /// The response is sent.
    Answered,
}

/// The exchanges to stop. `E` describes one to the test.
pub(crate) struct Holds<E>(Mutex<Vec<Trap<E>>>);

impl<E> Default for Holds<E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<E: Clone> Holds<E> {
    /// Stops the `nth` matching exchange from now on (1 is the next one) at a point, until it is
    /// released or the [`Hold`] is dropped.
    pub(crate) fn hold(&self, pattern: Pattern, nth: usize, point: Point) -> Hold<E> {
        let (reached, arrival) = watch::channel(None);
        let (release, released) = watch::channel(false);
        lock(&self.0).push(Trap {
            pattern,
            point,
            before: nth.saturating_sub(1),
            reached,
            released,
        });
        Hold { arrival, release }
    }

    /// Lets an exchange continue past a point as soon as nothing holds it there.
    pub(crate) async fn pass(&self, point: Point, method: &str, path: &str, exchange: &E) {
        let mut reached = Vec::new();
        lock(&self.0).retain_mut(|trap| {
            let hit = trap.point == point && trap.pattern.matches(method, path);
            if hit && trap.before == 0 {
                trap.reached.send_replace(Some(exchange.clone()));
                reached.push(trap.released.clone());
            } else if hit {
                trap.before -= 1;
            }
            // The sender is dropped with the trap; `arrival` keeps the last value. A trap whose
            // hold was dropped would stop nothing.
            let is_sprung = hit && trap.reached.borrow().is_some();
            !(is_sprung || trap.reached.is_closed())
        });
        for mut released in reached {
            // An error means that the `Hold` was dropped, which releases as well.
            let _ = released.wait_for(|released| *released).await;
        }
    }
}

struct Trap<E> {
    pattern: Pattern,
    point: Point,
    before: usize,
    reached: watch::Sender<Option<E>>,
    released: watch::Receiver<bool>,
}

/// An exchange that is, or will be, stopped at a point.
pub struct Hold<E = Exchange> {
    arrival: watch::Receiver<Option<E>>,
    release: watch::Sender<bool>,
}

impl<E: Clone> Hold<E> {
    /// Waits until the exchange reaches the point. `None` if the stand-in ended before.
    pub async fn reached(&self) -> Option<E> {
        let mut arrival = self.arrival.clone();
        // An error means that the trap is gone: sprung, or dropped with the stand-in.
        let _ = arrival.wait_for(Option::is_some).await;
        arrival.borrow().clone()
    }

    /// Lets the exchange continue, now or when it arrives.
    pub fn release(&self) {
        self.release.send_replace(true);
    }
}
