//! One value, fetched when it is needed, by one flight at a time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

/// How long a value serves, and when it may be fetched again.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// A value younger than this is fresh. Up to a tenth is taken off at random, so that many
    /// environments do not fetch at once.
    pub ttl: Duration,
    /// How much longer a value serves while it cannot be fetched.
    pub stale_for: Duration,
    /// How long after a failed fetch none is tried, where a value still serves.
    pub retry_stale: Duration,
    /// The same where there is no value to serve.
    pub retry_empty: Duration,
    /// How long after one [`Cache::fetch_again`] none is tried.
    pub again_floor: Duration,
}

/// Why a fetch failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError<E> {
    /// For now: what is held serves on, within the policy.
    Unavailable(E),
    /// For good: what is held must not serve any longer.
    Refused(E),
}

/// A value and when it was fetched.
pub struct Held<T> {
    /// The value.
    pub value: Arc<T>,
    fetched_at: SystemTime,
    fresh_until: SystemTime,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

impl<T> Held<T> {
    /// How long ago the value was fetched.
    pub fn age(&self) -> Duration {
        self.fetched_at.elapsed().unwrap_or_default()
    }

    /// Whether the value is served past its time, because a newer one could not be fetched.
    pub fn is_stale(&self) -> bool {
        !within(self.fresh_until)
    }
}

/// Whether `end` is still to come. The wall clock is asked, because a Lambda environment sleeps
/// between invocations, and its monotonic clock may sleep with it.
fn within(end: SystemTime) -> bool {
    SystemTime::now() < end
}

struct Slot<T, E> {
    held: Option<Held<T>>,
    /// Counts the fetches that ended, so that who waited for one can share its outcome.
    flights: u64,
    failure: Option<(SystemTime, E)>,
    again_at: Option<SystemTime>,
}

/// One value that is fetched when it is needed.
pub struct Cache<T, E> {
    policy: Policy,
    slot: RwLock<Slot<T, E>>,
    flight: Mutex<()>,
}

impl<T, E: Clone> Cache<T, E> {
    /// An empty cache.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            slot: RwLock::new(Slot {
                held: None,
                flights: 0,
                failure: None,
                again_at: None,
            }),
            flight: Mutex::new(()),
        }
    }

    /// The value: held and fresh, else from `fetch`, else held and not yet too old.
    ///
    /// Callers that come while a fetch is under way wait for it and share its outcome.
    pub async fn get<F>(&self, fetch: F) -> Result<Held<T>, E>
    where
        F: AsyncFnOnce() -> Result<T, FetchError<E>>,
    {
        let (fresh, flights) = self.read(|slot| {
            (
                slot.held.clone().filter(|held| !held.is_stale()),
                slot.flights,
            )
        });
        if let Some(fresh) = fresh {
            return Ok(fresh);
        }
        let _flight = self.flight.lock().await;
        let decided = self.read(|slot| match &slot.held {
            Some(held) if !held.is_stale() => Some(Ok(held.clone())),
            held => {
                let (_, error) = slot.failure.as_ref().filter(|(failed_at, _)| {
                    slot.flights != flights || within(*failed_at + self.retry_after(held.as_ref()))
                })?;
                Some(self.serving(held.as_ref()).ok_or_else(|| error.clone()))
            }
        });
        match decided {
            Some(outcome) => outcome,
            None => self.fly(fetch).await,
        }
    }

    /// The value from `fetch`, because `seen` did not serve though it is fresh (a key that is not
    /// in it, an upstream that refuses it). Where a newer one is held already, that one; where
    /// [`Policy::again_floor`] forbids a fetch, `seen` itself.
    pub async fn fetch_again<F>(&self, seen: &Held<T>, fetch: F) -> Result<Held<T>, E>
    where
        F: AsyncFnOnce() -> Result<T, FetchError<E>>,
    {
        let _flight = self.flight.lock().await;
        let held = self.read(|slot| {
            let newer = slot
                .held
                .clone()
                .filter(|held| !Arc::ptr_eq(&held.value, &seen.value));
            let failed_at = slot.failure.as_ref().map(|(failed_at, _)| *failed_at);
            let forbidden = slot
                .again_at
                .max(failed_at)
                .is_some_and(|at| within(at + self.policy.again_floor));
            newer.or_else(|| forbidden.then(|| seen.clone()))
        });
        if let Some(held) = held {
            return Ok(held);
        }
        self.write(|slot| slot.again_at = Some(SystemTime::now()));
        self.fly(fetch).await
    }

    /// The last failure, where nothing has been fetched since.
    pub fn failure(&self) -> Option<E> {
        self.read(|slot| slot.failure.as_ref().map(|(_, error)| error.clone()))
    }

    async fn fly<F>(&self, fetch: F) -> Result<Held<T>, E>
    where
        F: AsyncFnOnce() -> Result<T, FetchError<E>>,
    {
        let fetched = fetch().await;
        let now = SystemTime::now();
        self.write(|slot| {
            slot.flights += 1;
            match fetched {
                Ok(value) => {
                    let held = Held {
                        value: Arc::new(value),
                        fetched_at: now,
                        fresh_until: now + self.policy.ttl.mul_f64(1.0 - fastrand::f64() / 10.0),
                    };
                    slot.failure = None;
                    Ok(slot.held.insert(held).clone())
                }
                Err(FetchError::Unavailable(error)) => {
                    slot.failure = Some((now, error.clone()));
                    self.serving(slot.held.as_ref()).ok_or(error)
                }
                Err(FetchError::Refused(error)) => {
                    slot.held = None;
                    slot.failure = Some((now, error.clone()));
                    Err(error)
                }
            }
        })
    }

    /// What is held, where it is not too old to serve.
    fn serving(&self, held: Option<&Held<T>>) -> Option<Held<T>> {
        held.filter(|held| within(held.fetched_at + self.policy.ttl + self.policy.stale_for))
            .cloned()
    }

    fn retry_after(&self, held: Option<&Held<T>>) -> Duration {
        if self.serving(held).is_some() {
            self.policy.retry_stale
        } else {
            self.policy.retry_empty
        }
    }

    fn read<R>(&self, read: impl FnOnce(&Slot<T, E>) -> R) -> R {
        read(&self.slot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, write: impl FnOnce(&mut Slot<T, E>) -> R) -> R {
        write(&mut self.slot.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
