//! The action `check`: whether the function could do its work now.

use std::time::Duration;

use shared::lambda::check::{Check, Checks};
use shared::lambda::clock::now_millis;
use shared::lambda::deadline::Deadline;
use shared::sunshine::{Error, SunshineClient};

use crate::CleanConflicts;
use crate::archive::Archive;

/// Maximum difference between our clock and Sunshine's. Beyond it, times of claims and lineage
/// mislead.
const MAX_SKEW: Duration = Duration::from_mins(1);

impl CleanConflicts {
    /// Checks everything that a cleanup needs: the API key, Sunshine, the clocks, the table and the
    /// archive.
    pub async fn check(&self, sunshine: &SunshineClient, deadline: Deadline) -> Checks {
        let key = self.api_key.check("api_key", deadline);
        let (key, table, archive) = tokio::join!(
            key,
            self.table.check_read(),
            check_archive(self.archive.as_ref(), deadline)
        );
        let mut checks = vec![Check::configuration()];
        if key.ok == Some(true) {
            checks.extend(check_sunshine(key, sunshine, deadline).await);
        } else {
            checks.extend([
                key,
                Check::skipped("sunshine", "the check api_key failed"),
                Check::skipped("clock", "the check api_key failed"),
            ]);
        }
        checks.extend([table, archive]);
        checks.into_iter().collect()
    }
}

/// Asks Sunshine for an email that no one has. A 401 fails the check of the key, and any other
/// error the check of Sunshine.
async fn check_sunshine(key: Check, sunshine: &SunshineClient, deadline: Deadline) -> Vec<Check> {
    let asked = sunshine.probe(deadline).await;
    let (key, sunshine_check) = match asked {
        Ok(()) => (key, Check::passed("sunshine", "it responds for this app")),
        Err(Error::Unauthorized | Error::Stopped(shared::sunshine::Halt::Unauthorized)) => (
            Check::failed(
                "api_key",
                "Sunshine refused it (401): store a key of this account in the secret",
            ),
            Check::skipped("sunshine", "the check api_key failed"),
        ),
        Err(error) => (key, Check::failed("sunshine", advice(&error))),
    };
    let clock = match sunshine.clock_difference() {
        Some(difference) => clock(difference),
        None => Check::skipped("clock", "no response of Sunshine's had a date"),
    };
    vec![key, sunshine_check, clock]
}

fn advice(error: &Error) -> String {
    let what_to_do = match error {
        Error::NotFound | Error::Upstream { status: 404, .. } => {
            "compare SUNSHINE_APP_ID with the app's id, and see that SUNSHINE_BASE_URL ends with /sc for a Zendesk host"
        }
        Error::Forbidden | Error::Stopped(_) => {
            "the key may not read users, or is another app's: compare SUNSHINE_APP_ID with the key's"
        }
        _ => {
            "compare SUNSHINE_BASE_URL with the account's; if it is right, see Zendesk's status page"
        }
    };
    format!("it does not respond as it should ({error}): {what_to_do}")
}

fn clock(difference: Duration) -> Check {
    if difference > MAX_SKEW {
        let seconds = difference.as_secs();
        let detail = format!(
            "{seconds} seconds between our clock and Sunshine's: times of claims and lineage would mislead"
        );
        Check::failed("clock", detail)
    } else {
        Check::passed("clock", "it agrees with Sunshine's")
    }
}

/// Writes an object and reads it back. It expires after a day.
async fn check_archive(archive: Option<&Archive>, deadline: Deadline) -> Check {
    let Some(archive) = archive else {
        return Check::passed(
            "archive",
            "none is configured; only REMEDY=plan works without one",
        );
    };
    let key = format!("checks/{}-{:08x}.json", now_millis(), fastrand::u32(..));
    let written = tokio::time::timeout(deadline.remaining(), archive.write_json(&key, &"check"));
    match written.await {
        Ok(Ok(())) => Check::passed("archive", "an object was written and read back"),
        Ok(Err(error)) => Check::failed(
            "archive",
            format!(
                "{error}: compare ARCHIVE_BUCKET with the bucket's name, and its policy and KMS key with the template's"
            ),
        ),
        Err(_elapsed) => Check::failed("archive", "it did not respond in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_between_the_clocks_is_too_much() {
        assert_eq!(clock(Duration::from_mins(1)).ok, Some(true));
        assert_eq!(clock(Duration::from_secs(61)).ok, Some(false));
    }
}
