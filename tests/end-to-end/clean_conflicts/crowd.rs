//! A crowd of conflicts, each with its own users.

use crate::fixture::{Identity, Stack, TABLE, User, holder, json};

impl Stack {
    /// Adds `count` users and a conflict over the email of each, all modelled on a conflict that
    /// was reported.
    pub(crate) async fn crowd(&self, count: usize) {
        self.report("new", "user@example.com").await;
        let reported = self.the_record();
        for number in 0..count {
            let email = format!("user-{number}@example.com");
            self.sunshine.add_user(User {
                external_id: Some(format!("old-{number}")),
                identities: vec![Identity::email(&email)],
                ..holder()
            });
            let id = format!("{number:032x}");
            let mut record = reported.clone();
            record["pk"] = json!(format!("conflict#{id}"));
            record["conflictId"] = json!(id);
            record["email"] = json!(email);
            record["claimants"] = json!([format!("new-{number}")]);
            self.aws.put_item(TABLE, &record);
        }
    }

    /// The number of the crowd's conflicts in this state.
    pub(crate) fn in_state(&self, state: &str) -> usize {
        let records = self.records().into_iter();
        records.filter(|record| record["state"] == state).count()
    }
}
