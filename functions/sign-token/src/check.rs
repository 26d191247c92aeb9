//! The action `check`.

use serde_json::{Map, Value};
use shared::lambda::check::{Check, Checks};
use shared::lambda::deadline::Deadline;

use crate::SignToken;

impl SignToken {
    /// Whether tokens could be signed now. Whether Zendesk knows the key only Zendesk can say.
    pub async fn check(&self, deadline: Deadline) -> Checks {
        let key = self.key.check("signing_key", deadline, look).await;
        let checks = [Check::configuration(), key].into_iter();
        checks.chain(self.callers.check(deadline).await).collect()
    }
}

/// Looks at the ids of the keys: Zendesk's begin with `app_`.
fn look(secret: &Map<String, Value>) -> Result<String, String> {
    let active = secret.get("activeKid").and_then(Value::as_str);
    let keys = secret.get("keys").and_then(Value::as_object);
    let mut ids = active
        .into_iter()
        .chain(keys.into_iter().flatten().map(|(id, _)| id.as_str()));
    match ids.find(|id| !id.starts_with("app_")) {
        Some(_) => Err("a key's id does not begin with app_: take the id and the secret of a messaging signing key from Admin Center (an id that begins with int_ is an API key's)".to_owned()),
        None => Ok("it has the right form; log in once to see that Zendesk knows it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_id_of_every_key_begins_with_app() {
        for (secret, is_right) in [
            (
                json!({"activeKid": "app_a", "keys": {"app_a": "s", "app_b": "s"}}),
                true,
            ),
            (json!({"activeKid": "int_a", "keys": {"int_a": "s"}}), false),
            (
                json!({"activeKid": "app_a", "keys": {"app_a": "s", "b": "s"}}),
                false,
            ),
        ] {
            assert_eq!(
                look(secret.as_object().unwrap()).is_ok(),
                is_right,
                "{secret}"
            );
        }
    }
}
