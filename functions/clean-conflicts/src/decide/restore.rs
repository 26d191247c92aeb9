//! The fields to restore after a release: those that were archived and are now empty.

use serde_json::{Map, Value};
use shared::sunshine::{ProfilePatch, User, UserPatch};

/// As [`patch`], with `profile.email`, which agents see.
pub fn patch_with_email(archived: &[Value], now: &User) -> UserPatch {
    let mut patch = patch(archived, now);
    patch.profile.email = missing(archived, "email", now.profile.email.as_deref());
    patch
}

/// The fields of the `archived` users, the newest first, that `now` lacks.
pub fn patch(archived: &[Value], now: &User) -> UserPatch {
    let field = |name, now| missing(archived, name, now);
    let mut metadata = Map::new();
    for user in archived {
        let archived = user.get("metadata").and_then(Value::as_object);
        for (name, value) in archived.into_iter().flatten() {
            let is_missing = now.metadata.get(name).is_none_or(Value::is_null);
            if is_missing && !value.is_null() && !metadata.contains_key(name) {
                metadata.insert(name.clone(), value.clone());
            }
        }
    }
    let profile = &now.profile;
    UserPatch {
        profile: ProfilePatch {
            email: None,
            given_name: field("givenName", profile.given_name.as_deref()),
            surname: field("surname", profile.surname.as_deref()),
            avatar_url: field("avatarUrl", profile.avatar_url.as_deref()),
            locale: field("locale", profile.locale.as_deref()),
        },
        metadata,
    }
}

/// A field of the newest archived profile that has it, if the field is empty `now`.
fn missing(archived: &[Value], name: &str, now: Option<&str>) -> Option<String> {
    if now.is_some_and(|now| !now.is_empty()) {
        return None;
    }
    let pointer = format!("/profile/{name}");
    let values = archived.iter().filter_map(|user| user.pointer(&pointer));
    let mut texts = values.filter_map(Value::as_str);
    texts.find(|text| !text.is_empty()).map(ToOwned::to_owned)
}
