//! The action `check`.

use shared::lambda::check::{Check, Checks};
use shared::lambda::deadline::Deadline;

use crate::SignToken;

impl SignToken {
    /// Whether tokens could be signed now. Only Zendesk can tell whether it knows the key.
    pub async fn check(&self, deadline: Deadline) -> Checks {
        let key = self.key.check("signing_key", deadline).await;
        let checks = [Check::configuration(), key].into_iter();
        checks.chain(self.callers.check(deadline).await).collect()
    }
}
