//! The objects of the API. Unknown fields are tolerated and kept in the raw object. Known fields
//! must have their type, because decisions are made on them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ids::{BrandId, ConversationId, UserId, ZendeskId};

/// A whole JSON object as it was received, on one line. It has no `Debug`, so it is never printed.
#[derive(Clone)]
pub struct RawObject(Box<str>);

/// A user.
#[derive(Clone)]
pub struct User {
    /// The id that Sunshine Conversations gave.
    pub id: UserId,
    /// The company's own id of the user. An empty one counts as none.
    pub external_id: Option<String>,
    /// The core Zendesk user that this one is linked to.
    pub zendesk_id: Option<ZendeskId>,
    /// Whether it is linked to a core Zendesk user, even one whose id is malformed.
    pub is_linked: bool,
    /// The brand, if users are separated by brand. A malformed one counts as none, so it is never
    /// ours.
    pub brand_id: Option<BrandId>,
    /// The time of the sign-up, in ISO 8601.
    pub signed_up_at: Option<String>,
    /// Whether the user must outlive deletion schedules.
    pub to_be_retained: bool,
    /// The profile; its email is not an identity.
    pub profile: Profile,
    /// The company's own properties of the user.
    pub metadata: Map<String, Value>,
    /// The identities by which the user can be found.
    pub identities: Vec<Identity>,
    /// The whole user as it was received.
    pub raw: RawObject,
}

/// The fields of a user's profile that we use.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The first name.
    pub given_name: Option<String>,
    /// The last name.
    pub surname: Option<String>,
    /// The email that agents see.
    pub email: Option<String>,
    /// The URL of the avatar.
    pub avatar_url: Option<String>,
    /// The language, in BCP 47.
    pub locale: Option<String>,
}

/// An identity of a user.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// Its type, such as `email`.
    #[serde(rename = "type", default, deserialize_with = "or_empty")]
    pub kind: String,
    /// Its value, such as the email.
    #[serde(default, deserialize_with = "or_empty")]
    pub value: String,
    /// The way in which it was verified.
    pub verification: Option<String>,
}

/// A client in the API's sense: a device or channel of a user.
#[derive(Clone)]
pub struct UserClient {
    /// Its id.
    pub id: String,
    /// The time at which the user last interacted with it, in ISO 8601; empty if it is not text.
    pub last_seen: Option<String>,
    /// The whole client as it was received.
    pub raw: RawObject,
}

/// A conversation.
#[derive(Clone)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The whole conversation as it was received.
    pub raw: RawObject,
}

/// A message.
#[derive(Clone)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The whole message as it was received.
    pub raw: RawObject,
}

/// The changes that [`super::SunshineClient::update_user`] writes: fields that are `None` and
/// metadata that are not named stay unchanged.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct UserPatch {
    /// Profile fields.
    #[serde(skip_serializing_if = "ProfilePatch::is_empty")]
    pub profile: ProfilePatch,
    /// Metadata.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// The profile fields that may be written. The email is written by an undo only: one that was
/// released must not come back by itself. It is what agents see, and not an identity.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfilePatch {
    /// The email.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// The last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surname: Option<String>,
    /// The URL of the avatar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The language, in BCP 47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

impl ProfilePatch {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RawObject {
    /// The object as JSON text without a line break.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn new(raw: &RawValue) -> Self {
        // Line breaks occur only between tokens: inside a JSON string they are escaped.
        Self(raw.get().replace(['\n', '\r'], " ").into())
    }
}

/// The fields of a user that decisions are made on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserFields {
    id: UserId,
    external_id: Option<String>,
    zendesk_id: Option<Value>,
    brand_id: Option<Value>,
    signed_up_at: Option<Value>,
    to_be_retained: Option<bool>,
    profile: Option<Profile>,
    metadata: Option<Map<String, Value>>,
    identities: Option<Vec<Identity>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientFields {
    id: String,
    last_seen: Option<Value>,
}

#[derive(Deserialize)]
struct Identified<Id> {
    id: Id,
}

/// A string; empty if the field is null.
fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An id given as a string or a number; `None` if it is neither, or malformed.
fn readable<Id: FromStr>(id: Option<&Value>) -> Option<Id> {
    match id? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// An object of a list or a response, with the fields that we know.
pub(super) trait Item: Sized {
    /// Its name in an error.
    const WHAT: &'static str;

    fn read(raw: &RawValue) -> Result<Self, serde_json::Error>;
}

impl Item for User {
    const WHAT: &'static str = "user";

    fn read(raw: &RawValue) -> Result<Self, serde_json::Error> {
        let fields: UserFields = serde_json::from_str(raw.get())?;
        Ok(Self {
            id: fields.id,
            external_id: fields.external_id.filter(|id| !id.is_empty()),
            zendesk_id: readable(fields.zendesk_id.as_ref()),
            is_linked: fields.zendesk_id.is_some_and(|id| id != *""),
            brand_id: readable(fields.brand_id.as_ref()),
            signed_up_at: fields
                .signed_up_at
                .and_then(|it| it.as_str().map(ToOwned::to_owned)),
            to_be_retained: fields.to_be_retained.unwrap_or_default(),
            profile: fields.profile.unwrap_or_default(),
            metadata: fields.metadata.unwrap_or_default(),
            identities: fields.identities.unwrap_or_default(),
            raw: RawObject::new(raw),
        })
    }
}

macro_rules! identified {
    ($name:ident, $what:literal) => {
        impl Item for $name {
            const WHAT: &'static str = $what;

            fn read(raw: &RawValue) -> Result<Self, serde_json::Error> {
                let Identified { id } = serde_json::from_str(raw.get())?;
                Ok(Self {
                    id,
                    raw: RawObject::new(raw),
                })
            }
        }
    };
}

impl FromStr for User {
    type Err = serde_json::Error;

    /// Reads the JSON object of a user, as the API gives it.
    fn from_str(json: &str) -> Result<Self, serde_json::Error> {
        Self::read(serde_json::from_str(json)?)
    }
}

impl Item for UserClient {
    const WHAT: &'static str = "client";

    fn read(raw: &RawValue) -> Result<Self, serde_json::Error> {
        let fields: ClientFields = serde_json::from_str(raw.get())?;
        Ok(Self {
            id: fields.id,
            last_seen: fields
                .last_seen
                .map(|it| it.as_str().unwrap_or_default().to_owned()),
            raw: RawObject::new(raw),
        })
    }
}

identified!(Conversation, "conversation");
identified!(Message, "message");

macro_rules! debug_without_content {
    ($($name:ident: $id:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field(stringify!($id), &self.$id).finish_non_exhaustive()
            }
        }
    )*};
}

debug_without_content!(User: id, UserClient: id, Conversation: id, Message: id);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "67a11490f0305f4a391e9f8a";

    fn user(json: &str) -> Result<User, serde_json::Error> {
        json.parse()
    }

    #[test]
    fn a_user_is_read_leniently_and_kept_whole() {
        let json = format!(
            "{{\"id\":\"{ID}\",\n \"externalId\":\"1\", \"zendeskId\":35436, \"brandId\":\"9477\",\r\n\
             \"hasPaymentInfo\":false, \"big\":123456789012345678901234567890,\
             \"identities\":[{{\"type\":\"email\",\"value\":\"a@b.example\",\"new\":1}}, {{}},\
             {{\"type\":\"sms\",\"value\":null}}], \"signedUpAt\":7}}"
        );
        let user = user(&json).unwrap();
        assert!(user.is_linked);
        assert_eq!(user.zendesk_id.unwrap().as_str(), "35436");
        assert_eq!(user.brand_id.unwrap().as_str(), "9477");
        assert_eq!(user.identities[0].value, "a@b.example");
        assert_eq!(user.identities[2].value, "");
        assert!(user.signed_up_at.is_none());
        assert!(!user.to_be_retained);
        assert_eq!(user.raw.as_str(), json.replace(['\n', '\r'], " "));
        assert!(user.raw.as_str().contains("123456789012345678901234567890"));
    }

    #[test]
    fn null_and_empty_fields_count_as_missing() {
        let json = format!(
            r#"{{"id":"{ID}","externalId":"","zendeskId":"","brandId":null,"profile":null}}"#
        );
        let user = user(&json).unwrap();
        assert!(user.external_id.is_none() && user.zendesk_id.is_none() && user.brand_id.is_none());
        assert!(!user.is_linked);
    }

    /// A malformed link is still a link, and the user can still be read.
    #[test]
    fn a_malformed_id_is_ignored() {
        for id in [r#""abc""#, "{}", "-1", "1.5", r#""../x""#] {
            let json = format!(r#"{{"id":"{ID}","zendeskId":{id},"brandId":{id}}}"#);
            let user = user(&json).unwrap();
            assert!(user.is_linked && user.zendesk_id.is_none(), "{id}");
            assert_eq!(
                user.brand_id.is_some(),
                matches!(id, r#""abc""# | "-1"),
                "{id}"
            );
        }
    }

    #[test]
    fn fields_that_decide_must_have_their_type() {
        for field in [
            r#""externalId":1"#,
            r#""toBeRetained":"true""#,
            r#""identities":{}"#,
        ] {
            assert!(
                user(&format!(r#"{{"id":"{ID}",{field}}}"#)).is_err(),
                "{field}"
            );
        }
        for id in ["..", "a/b", "%2e%2e", "12\\u000034", ""] {
            assert!(user(&format!(r#"{{"id":"{id}"}}"#)).is_err(), "{id}");
        }
        assert!(user("{}").is_err() && user("[]").is_err() && user("null").is_err());
    }

    #[test]
    fn a_patch_contains_only_the_set_fields() {
        let mut patch = UserPatch::default();
        assert_eq!(serde_json::to_value(&patch).unwrap(), json!({}));
        patch.profile.given_name = Some("Jane".to_owned());
        patch.metadata.insert("tier".to_owned(), json!("gold"));
        assert_eq!(
            serde_json::to_value(&patch).unwrap(),
            json!({"profile": {"givenName": "Jane"}, "metadata": {"tier": "gold"}})
        );
    }

    #[test]
    fn a_client_was_last_seen_at_a_time_or_never() {
        let seen = |json: &str| {
            let client = UserClient::read(serde_json::from_str(json).unwrap());
            client.unwrap().last_seen
        };
        assert_eq!(
            seen(r#"{"id":"1","lastSeen":"2020-01-01"}"#).as_deref(),
            Some("2020-01-01")
        );
        assert_eq!(seen(r#"{"id":"1","lastSeen":7}"#).as_deref(), Some(""));
        assert_eq!(seen(r#"{"id":"1","lastSeen":null}"#), None);
        assert_eq!(seen(r#"{"id":"1"}"#), None);
    }

    #[test]
    fn debug_prints_no_personal_data() {
        let json =
            format!(r#"{{"id":"{ID}","externalId":"canary","profile":{{"email":"canary"}}}}"#);
        assert!(!format!("{:?}", user(&json).unwrap()).contains("canary"));
    }
}
