//! The schedule of faults, shared by the proxy's handle and its connections.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::fault::Fault;

/// Returns the fault of the next request.
pub(super) type Schedule = Box<dyn FnMut() -> Option<Fault> + Send>;

/// The state that the handle and the connections share.
pub(super) struct Shared {
    pub(super) schedule: Mutex<Schedule>,
    pub(super) struck: Mutex<BTreeMap<&'static str, u64>>,
    /// Counts the schedules, so that a fault ends with its own.
    pub(super) schedules: watch::Sender<u64>,
}

impl Shared {
    /// The fault for the next request, counted.
    pub(super) fn next(&self) -> Option<Fault> {
        let fault = lock(&self.schedule)()?;
        *lock(&self.struck).entry(fault.name()).or_default() += 1;
        Some(fault)
    }
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
