//! The deadline of an invocation and of the calls made in it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The instant by which work must be done. Every outgoing call has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `remaining` from now.
    pub fn after(remaining: Duration) -> Self {
        Self(Instant::now() + remaining)
    }

    /// The deadline of an invocation, from the milliseconds since 1970 that the Lambda runtime
    /// passes. If that time has passed, or is 0, the deadline is now.
    pub fn of_invocation(epoch_millis: u64) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::after(Duration::from_millis(epoch_millis).saturating_sub(now))
    }

    /// The time left; zero once the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// This deadline, earlier by `margin`.
    #[must_use]
    pub fn minus(self, margin: Duration) -> Self {
        Self::after(self.remaining().saturating_sub(margin))
    }

    /// The earlier of this deadline and the one `limit` from now.
    #[must_use]
    pub fn capped(self, limit: Duration) -> Self {
        self.min(Self::after(limit))
    }

    /// The deadline as an instant of the runtime's clock.
    pub fn instant(self) -> Instant {
        self.0
    }
}
