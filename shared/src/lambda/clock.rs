//! The wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    millis(now.unwrap_or_default())
}

/// `duration` in whole milliseconds, in the form in which times are computed and stored.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Parses a time in RFC 3339, as Zendesk writes it, into milliseconds since 1970. `None` if it is
/// not a valid time, or is before 1970.
#[cfg(feature = "sdk")]
pub fn parse_millis(time: &str) -> Option<u64> {
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;

    let time = DateTime::from_str(time, Format::DateTimeWithOffset).ok()?;
    u64::try_from(time.to_millis().ok()?).ok()
}
