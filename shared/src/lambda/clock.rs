//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now_millis() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}

/// Parses a time in RFC 3339, as Zendesk writes it, into milliseconds since 1970. `None` if it is
/// not a valid time, or is before 1970.
#[cfg(feature = "conflicts")]
pub fn parse_millis(time: &str) -> Option<u64> {
    use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

    let time = DateTime::from_str(time, DateTimeFormat::DateTimeWithOffset).ok()?;
    u64::try_from(time.to_millis().ok()?).ok()
}
