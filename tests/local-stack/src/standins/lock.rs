//! Locking for the stand-ins.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, even if a test panicked while it held the lock.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
