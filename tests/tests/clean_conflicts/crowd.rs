//! Many users who are in the way of as many others.

use shared::conflicts::{Conflict, Scope};
use shared::email::EmailKey;

use crate::fixture::*;

/// Adds `count` users, and the conflict that each of their emails is in.
pub(crate) fn crowd(aws: &Aws, sunshine: &Sunshine, count: usize) {
    let scope = Scope {
        app_id: SunshineConfig::default().app_id,
        brand_id: None,
    };
    for number in 0..count {
        let email = format!("user-{number}@example.com");
        sunshine.add_user(User {
            external_id: Some(format!("old-{number}")),
            identities: vec![Identity::email(&email)],
            ..holder()
        });
        let caller = format!("new-{number}");
        let conflict = Conflict::over_email(&scope, &EmailKey::from(&*email), &caller, now());
        let mut item = serde_json::to_value(&conflict).unwrap();
        item["pk"] = json!(format!("conflict#{}", conflict.conflict_id));
        item["sk"] = json!("conflict");
        item["dueShard"] = json!("0");
        aws.put_item(TABLE, &item);
    }
}
