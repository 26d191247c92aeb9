//! A cache of one value, which is fetched when it is needed, by one task at a time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

/// For how long a value may be used, and when it may be fetched again.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The time for which a value is fresh, reduced by up to a tenth at random, so that many
    /// environments do not fetch at once.
    pub ttl: Duration,
    /// The additional time for which a stale value is used while the fetch fails.
    pub stale_for: Duration,
    /// Minimum delay after a failed fetch while a stale value can be used.
    pub retry_stale: Duration,
    /// Minimum delay after a failed fetch without a cached value.
    pub retry_empty: Duration,
    /// Minimum delay after a forced fetch, or after a failed one, before [`Cache::fetch_again`]
    /// fetches again.
    pub again_floor: Duration,
}

/// The reason why a fetch failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError<E> {
    /// A temporary failure: the cached value is still used, within the policy.
    Unavailable(E),
    /// A permanent failure: the cached value must not be used any longer.
    Refused(E),
}

/// A value and the time at which it was fetched.
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
    /// The time since the value was fetched.
    pub fn age(&self) -> Duration {
        self.fetched_at.elapsed().unwrap_or_default()
    }

    /// Whether the value is older than its TTL. [`Cache::get`] returns such a value only if a newer
    /// one could not be fetched.
    pub fn is_stale(&self) -> bool {
        !within(self.fresh_until)
    }
}

/// Whether `end` is in the future. By the wall clock, because a Lambda environment is frozen
/// between invocations, and its monotonic clock may stand still meanwhile.
fn within(end: SystemTime) -> bool {
    SystemTime::now() < end
}

struct Slot<T, E> {
    held: Option<Held<T>>,
    /// The number of fetches that have ended, so that a task that waited for one shares its
    /// outcome.
    fetches: u64,
    failure: Option<(SystemTime, E)>,
    again_at: Option<SystemTime>,
}

/// A cache of one value, or of the error with which the last fetch failed.
pub struct Cache<T, E> {
    policy: Policy,
    slot: RwLock<Slot<T, E>>,
    fetching: Mutex<()>,
}

impl<T, E: Clone> Cache<T, E> {
    /// An empty cache.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            slot: RwLock::new(Slot {
                held: None,
                fetches: 0,
                failure: None,
                again_at: None,
            }),
            fetching: Mutex::new(()),
        }
    }

    /// The value: the cached one if it is fresh, else from `fetch`, else the cached one if it is
    /// not too old.
    ///
    /// A caller that comes during a fetch waits for it and shares its outcome.
    pub async fn get<F>(&self, fetch: F) -> Result<Held<T>, E>
    where
        F: AsyncFnOnce() -> Result<T, FetchError<E>>,
    {
        let (fresh, fetches) = self.read(|slot| {
            (
                slot.held.clone().filter(|held| !held.is_stale()),
                slot.fetches,
            )
        });
        if let Some(fresh) = fresh {
            return Ok(fresh);
        }
        let _fetching = self.fetching.lock().await;
        let decided = self.read(|slot| match &slot.held {
            Some(held) if !held.is_stale() => Some(Ok(held.clone())),
            held => {
                let (_, error) = slot.failure.as_ref().filter(|(failed_at, _)| {
                    slot.fetches != fetches || within(*failed_at + self.retry_after(held.as_ref()))
                })?;
                Some(self.usable(held.as_ref()).ok_or_else(|| error.clone()))
            }
        });
        match decided {
            Some(outcome) => outcome,
            None => self.refresh(fetch).await,
        }
    }

    /// Fetches the value again, because `seen` is of no use although it is fresh (a key is missing,
    /// or an upstream refused it). If a newer value is already cached, returns that one; if
    /// [`Policy::again_floor`] forbids a fetch, returns `seen` itself.
    pub async fn fetch_again<F>(&self, seen: &Held<T>, fetch: F) -> Result<Held<T>, E>
    where
        F: AsyncFnOnce() -> Result<T, FetchError<E>>,
    {
        let _fetching = self.fetching.lock().await;
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
        self.refresh(fetch).await
    }

    /// The last failure, if nothing has been fetched since.
    pub fn failure(&self) -> Option<E> {
        self.read(|slot| slot.failure.as_ref().map(|(_, error)| error.clone()))
    }

    async fn refresh<F>(&self, fetch: F) -> Result<Held<T>, E>
    where
        F: AsyncFnOnce() -> Result<T, FetchError<E>>,
    {
        let fetched = fetch().await;
        let now = SystemTime::now();
        self.write(|slot| {
            slot.fetches += 1;
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
                    self.usable(slot.held.as_ref()).ok_or(error)
                }
                Err(FetchError::Refused(error)) => {
                    slot.held = None;
                    slot.failure = Some((now, error.clone()));
                    Err(error)
                }
            }
        })
    }

    /// The cached value, if it is not too old.
    fn usable(&self, held: Option<&Held<T>>) -> Option<Held<T>> {
        held.filter(|held| within(held.fetched_at + self.policy.ttl + self.policy.stale_for))
            .cloned()
    }

    fn retry_after(&self, held: Option<&Held<T>>) -> Duration {
        if self.usable(held).is_some() {
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
