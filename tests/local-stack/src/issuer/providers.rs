//! The shapes of real providers' tokens: their claims, and the form of each.
//!
//! `providers.json` has one row for each row of the table in `docs/identity.md`, with the settings
//! that make a login of that shape work.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::keys::Algorithm;

/// A provider, and one kind of its tokens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Its name in a form's field.
    pub id: String,
    /// Its name in the documentation.
    pub name: String,
    /// The token to send.
    pub send: String,
    /// `IDENTITY_SOURCE`.
    pub source: String,
    /// The other variables, but for issuer and audience.
    pub settings: BTreeMap<String, String>,
    /// The algorithm of its signatures.
    pub alg: Algorithm,
    /// The claims. `$sub`, `$email` and `$name` are the user's; `$verified` says whether the email
    /// is verified, `$verified_text` the same as text, and `$verified_one` as `1` or `0`.
    claims: Map<String, Value>,
    /// Claims of every token that it leaves out.
    without: Vec<String>,
    /// The external id that results from it.
    external_id: String,
    /// Whether an email results from it.
    pub email: bool,
}

/// The providers, in the order of the documentation.
pub static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("providers.json")).expect("the providers are right")
});

/// The provider with this id.
pub fn provider(id: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.id == id)
}

impl Provider {
    /// The claims of its token for `user`, who has the usual claims of OpenID Connect.
    pub fn claims(&self, user: &Map<String, Value>) -> Map<String, Value> {
        let text = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_verified = user
            .get("email_verified")
            .is_some_and(|it| *it == true || *it == "true");
        let mut claims = self.claims.clone();
        for value in claims.values_mut() {
            fill(
                value,
                &|word| match word {
                    "$verified" => Some(json!(is_verified)),
                    "$verified_text" => Some(json!(is_verified.to_string())),
                    "$verified_one" => Some(json!(u8::from(is_verified).to_string())),
                    _ => None,
                },
                &|found| {
                    found
                        .replace("$sub", text("sub"))
                        .replace("$email", text("email"))
                        .replace("$name", text("name"))
                },
            );
        }
        claims
    }

    /// The claims of every token that it leaves out.
    pub fn leaves_out(&self) -> &[String] {
        &self.without
    }

    /// The external id of the user `sub`.
    pub fn external_id(&self, sub: &str) -> String {
        self.external_id.replace("$sub", sub)
    }
}

fn fill(value: &mut Value, whole: &dyn Fn(&str) -> Option<Value>, within: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            *value = whole(text).unwrap_or_else(|| Value::from(within(text)));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| fill(it, whole, within)),
        Value::Object(fields) => fields.values_mut().for_each(|it| fill(it, whole, within)),
        _ => {}
    }
}
