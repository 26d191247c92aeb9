//! Attempts to make the cleanup take something from a person who did nothing wrong. An earlier
//! version fell for each of them.

mod claims;
mod merges;
mod outages;
mod releases;

use local_stack::webhook::seconds_from_now;

use crate::fixture::*;
use crate::zendesk::Zendesk;

/// A time before every event and report of these tests.
const LONG_AGO: &str = "2020-02-03T19:10:08.152Z";
/// A time after every report of these tests.
const AFTER_THE_REPORT: &str = "2099-02-03T19:10:08.152Z";

/// Checks that nothing about this user has changed.
fn assert_unchanged(stack: &Stack, before: &User) {
    assert_eq!(stack.sunshine.user(&before.id).as_ref(), Some(before));
}

/// The state and the reason of the only record.
fn state(stack: &Stack) -> (String, Option<String>) {
    let record = stack.the_record();
    let text = |field: &str| record[field].as_str().map(str::to_owned);
    (text("state").unwrap(), text("reason"))
}

fn assert_state(stack: &Stack, state: &str, reason: Option<&str>) {
    let seen = self::state(stack);
    assert_eq!((seen.0.as_str(), seen.1.as_deref()), (state, reason));
}

impl Stack {
    /// Makes a record older by this many milliseconds.
    fn age(&self, id: &str, by: u64) {
        self.edit(id, |record| move_back(record, by));
    }

    /// Adds a conversation with this many messages to a user.
    fn add_conversation_of(&self, user: &User, messages: usize) {
        self.sunshine.add_conversation(&user.id, messages);
    }

    /// A report of [`NEW`] whose login says that it was [`OLD`] until an hour ago.
    async fn report_changed_an_hour_ago(&self) {
        let changed_at = seconds_from_now(-3600);
        let caller = json!({
            "sub": NEW, "previous": OLD, "changed_at": changed_at, "email": EMAIL,
            "email_verified": true,
        });
        let response = self.report_as(caller).await;
        assert_eq!(response.status, 202, "{response:?}");
    }
}
