//! `POST …/users/{zendeskId}/sync`: updates a messaging user from its core Zendesk user.

use super::model::{Identity, User};
use super::store::Store;

/// Merges into the surviving user if one is named, then copies the core user's external id, names
/// and primary email. `None` if no messaging user is linked to `zendesk_id`.
///
/// A third user with that external id or email is merged in, its history included. If it is linked
/// to another core user, it cannot be merged and loses the identifier instead.
pub(super) fn sync(store: &mut Store, zendesk_id: &str, surviving: Option<&str>) -> Option<User> {
    let mut id = store.by_zendesk_id(zendesk_id)?.id;
    if let Some(surviving) = surviving.filter(|surviving| *surviving != zendesk_id) {
        if let Some(survivor) = store.by_zendesk_id(surviving) {
            store.merge(&id, &survivor.id);
            id = survivor.id;
        } else {
            let outgoing = store.user(&id)?;
            store.put(User {
                zendesk_id: Some(surviving.into()),
                ..outgoing
            });
        }
    }
    let user = store.user(&id)?;
    let Some(core) = user
        .zendesk_id
        .as_ref()
        .and_then(|zendesk_id| store.core_users.get(zendesk_id).cloned())
    else {
        return Some(user);
    };
    let brand = user.brand_id.as_deref();
    if let Some(external_id) = &core.external_id {
        for other in store
            .by_external_id(brand, external_id)
            .into_iter()
            .filter(|other| other.id != id)
        {
            if other.zendesk_id.is_none() {
                store.merge(&other.id, &id);
            } else {
                store.put(User {
                    external_id: None,
                    ..other
                });
            }
        }
    }
    if let Some(email) = &core.email {
        for mut other in store
            .by_email(brand, email)
            .into_iter()
            .filter(|other| other.id != id)
        {
            if other.zendesk_id.is_none() {
                store.merge(&other.id, &id);
            } else {
                other
                    .identities
                    .retain(|identity| !identity.value.eq_ignore_ascii_case(email));
                store.put(other);
            }
        }
    }
    let mut user = store.user(&id)?;
    user.external_id = core.external_id.or(user.external_id);
    for (name, value) in [("givenName", core.given_name), ("surname", core.surname)] {
        if let Some(value) = value {
            user.profile.insert(name.into(), value.into());
        }
    }
    if let Some(email) = core.email.filter(|email| !user.has_email(email)) {
        user.identities.push(Identity {
            verification: "sso".into(),
            ..Identity::email(&email)
        });
    }
    Some(store.put(user))
}
