//! The people whose external ids were changed, and those who only log in.

use local_stack::standins::sunshine::{Client, CoreUser, Identity, SunshineConfig, User};
use serde_json::{Value, json};
use shared::conflicts::Scope;
use shared::identity::email::EmailKey;

use crate::world::World;

/// The number of messages in each history.
pub(crate) const MESSAGES: usize = 3;

/// The intended outcome of a person's conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// There is no lineage: the email is released.
    Release,
    /// The identity provider and an event state it: the histories are merged.
    Merge,
    /// An operator deletes.
    Delete,
    /// No one holds the email.
    Nobody,
}

/// A person whose external id was changed.
pub(crate) struct Person {
    pub(crate) kind: Kind,
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) email: String,
    /// The id of the Support user.
    pub(crate) zendesk_id: String,
    /// The messaging user who holds the email.
    pub(crate) user: Option<User>,
    pub(crate) conflict_id: String,
}

impl Person {
    /// The `number`th, with a history at the stand-in.
    pub(crate) fn new(world: &World, number: usize) -> Self {
        let kind = match number % 8 {
            0..3 => Kind::Release,
            3..6 => Kind::Merge,
            6 => Kind::Delete,
            _ => Kind::Nobody,
        };
        let email = format!("canary-{number}@mail.example");
        let (old, new) = (
            format!("CANARY-old-{number}"),
            format!("CANARY-new-{number}"),
        );
        let scope = Scope {
            app_id: SunshineConfig::default().app_id.parse().unwrap(),
            brand_id: None,
        };
        let id = scope.conflict_over_email(&EmailKey::from(email.as_str()));
        let user = (kind != Kind::Nobody).then(|| holder(world, kind, &old, &new, &email, number));
        Self {
            kind,
            old,
            new,
            email,
            zendesk_id: format!("9{number}"),
            user,
            conflict_id: id.to_string(),
        }
    }

    /// An ID token of the login under the new external id.
    pub(crate) fn token(&self, world: &World) -> String {
        let mut claims = json!({
            "sub": self.new, "email": self.email, "email_verified": true, "name": "CANARY-name",
        });
        if self.kind == Kind::Merge {
            claims["previous"] = json!(self.old);
        }
        world.issuer.id_token(claims)
    }

    /// The operator's command.
    pub(crate) fn resolve(&self) -> Value {
        json!({
            "action": "resolve", "previousExternalId": self.old,
            "currentExternalId": self.new, "remedy": "delete", "by": "ada",
        })
    }
}

fn holder(world: &World, kind: Kind, old: &str, new: &str, email: &str, number: usize) -> User {
    let zendesk_id = format!("9{number}");
    let mut user = User {
        signed_up_at: Some("2020-02-03T19:10:08.152Z".to_owned()),
        identities: vec![Identity::email(email)],
        ..User::known(old, email)
    };
    for (name, value) in [
        ("givenName", "Canary"),
        ("email", email),
        ("locale", "en-GB"),
    ] {
        user.profile.insert(name.to_owned(), json!(value));
    }
    user.metadata
        .insert("tier".to_owned(), json!("canary-gold"));
    if kind == Kind::Merge {
        user.zendesk_id = Some(zendesk_id.clone());
        let core_user = CoreUser {
            external_id: Some(new.to_owned()),
            email: Some(email.to_owned()),
            ..CoreUser::default()
        };
        world.sunshine.set_core_user(&zendesk_id, core_user);
    }
    let user = world.sunshine.add_user(user);
    world.sunshine.add_client(&user.id, Client::sdk());
    world.sunshine.add_conversation(&user.id, MESSAGES);
    user
}
