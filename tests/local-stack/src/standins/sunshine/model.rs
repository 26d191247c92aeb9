//! The users, clients, conversations and messages of the contract, as they are stored and sent.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A messaging user. Every field is optional in `POST /_control/users`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct User {
    /// 24 hex digits; the stand-in fills in an empty one.
    pub id: String,
    /// Whether the user has ever logged in by JWT or at the help center.
    pub authenticated: bool,
    /// The company's own id of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The core Zendesk user it is linked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zendesk_id: Option<String>,
    /// The brand, for a brand-separated user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand_id: Option<String>,
    /// ISO 8601 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_up_at: Option<String>,
    /// Whether the user outlives its inactivity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_be_retained: Option<bool>,
    /// Undocumented, but sent by the real service.
    pub has_payment_info: bool,
    /// The verified emails and the like.
    pub identities: Vec<Identity>,
    /// `givenName`, `surname`, `email`, `avatarUrl`, `locale`.
    pub profile: Map<String, Value>,
    /// Flat custom properties.
    pub metadata: Map<String, Value>,
}

impl User {
    /// A user with an external id who has logged in with a verified email.
    pub fn known(external_id: &str, email: &str) -> Self {
        Self {
            authenticated: true,
            external_id: Some(external_id.into()),
            identities: vec![Identity::email(email)],
            ..Self::default()
        }
    }

    /// The emails among the identities.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.identities
            .iter()
            .filter(|identity| identity.kind == "email")
            .map(|identity| identity.value.as_str())
    }

    /// Whether this email is one of the identities, case aside.
    pub fn has_email(&self, email: &str) -> bool {
        self.emails().any(|own| own.eq_ignore_ascii_case(email))
    }
}

/// A connected identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// `email` or `phoneNumber`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The email or the phone number.
    pub value: String,
    /// The way it was verified: `embed` for a JWT, `sso` for the help center.
    pub verification: String,
}

impl Identity {
    /// An email that a JWT verified.
    pub fn email(value: &str) -> Self {
        Self {
            kind: "email".into(),
            value: value.into(),
            verification: "embed".into(),
        }
    }

    /// A phone number that a channel verified.
    pub fn phone(value: &str) -> Self {
        Self {
            kind: "phoneNumber".into(),
            ..Self::email(value)
        }
    }
}

/// A device or channel of a user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Client {
    /// 24 hex digits; the stand-in fills in an empty one.
    pub id: String,
    /// `sdk`, `whatsapp` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// `active`, `pending` and so on.
    pub status: String,
    /// The id of the user on the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The last time the user did something on this client, in ISO 8601 and UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The name on the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The picture on the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The platform's information, curated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Value>,
    /// The platform's raw information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

impl Client {
    /// An SDK client whose `info` describes a browser.
    pub fn sdk() -> Self {
        Self {
            kind: "sdk".into(),
            status: "active".into(),
            info: Some(json!({ "currentTitle": "My Web Page", "browserLanguage": "en-US" })),
            ..Self::default()
        }
    }

    /// An SDK client that was last used at a time in ISO 8601.
    pub fn seen_at(time: &str) -> Self {
        Self {
            last_seen: Some(time.to_owned()),
            ..Self::sdk()
        }
    }

    /// The effect of `DELETE …/personalinformation` on a client.
    pub(super) fn forget_person(&mut self) {
        (self.display_name, self.avatar_url, self.info, self.raw) = (None, None, None, None);
    }
}

/// A message.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// 24 hex digits: 12 of its conversation, 12 of its place in it.
    pub id: String,
    /// The time, in ISO 8601 and UTC.
    pub received: String,
    /// `{"type":"user","userId":…}` or `{"type":"business"}`.
    pub author: Value,
    /// `{"type":"text","text":…}` or any other content of the contract.
    pub content: Value,
    /// The channel that it came from.
    pub source: Value,
}

impl Message {
    /// A text of the business, without id and time until it is posted.
    pub(super) fn business(text: &str) -> Self {
        Self::text(
            json!({ "type": "business", "displayName": "Support" }),
            text,
            "api:conversations",
        )
    }

    /// A text of a user, without id and time until it is posted.
    pub(super) fn user(user_id: &str, text: &str) -> Self {
        Self::text(json!({ "type": "user", "userId": user_id }), text, "web")
    }

    fn text(author: Value, text: &str, source: &str) -> Self {
        Self {
            id: String::new(),
            received: String::new(),
            author,
            content: json!({ "type": "text", "text": text }),
            source: json!({ "type": source }),
        }
    }
}

/// A conversation and its messages, oldest first.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// 24 hex digits.
    pub id: String,
    /// The ids of the users who take part.
    pub participants: Vec<String>,
    /// Whether it is the user's first personal one.
    pub is_default: bool,
    /// The time, in ISO 8601 and UTC.
    pub created_at: String,
    /// The time of the last message.
    pub last_updated_at: String,
    /// Its number, with which the ids of its messages begin.
    pub(super) number: u64,
    /// The number of messages that are generated when they are read. They precede the posted ones.
    pub(super) generated: usize,
    /// The messages that were posted.
    pub(super) posted: Vec<Message>,
}

impl Conversation {
    /// The number of its messages.
    pub fn message_count(&self) -> usize {
        self.generated + self.posted.len()
    }

    /// The message at an index; 0 is the oldest.
    pub fn message(&self, at: usize) -> Option<Message> {
        if let Some(posted) = at.checked_sub(self.generated) {
            return self.posted.get(posted).cloned();
        }
        let text = format!("message {at} of {}", self.generated);
        let message = match self.participants.first() {
            Some(user) if at.is_multiple_of(2) => Message::user(user, &text),
            _ => Message::business(&text),
        };
        Some(Message {
            id: self.message_id(at),
            received: self.created_at.clone(),
            ..message
        })
    }

    pub(super) fn message_id(&self, at: usize) -> String {
        format!("{:012x}{at:012x}", self.number)
    }

    /// The index of the message with this id.
    pub(super) fn place(&self, message_id: &str) -> Option<usize> {
        let place = message_id.strip_prefix(&format!("{:012x}", self.number))?;
        usize::from_str_radix(place, 16)
            .ok()
            .filter(|at| *at < self.message_count())
    }

    /// The conversation in the format of the contract.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id, "type": "personal", "isDefault": self.is_default,
            "createdAt": self.created_at, "lastUpdatedAt": self.last_updated_at,
        })
    }
}

/// A core Zendesk user, the source of `sync`. Its external id may differ from those of the
/// messaging users: many companies store the number of another system there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CoreUser {
    /// Its external id now.
    pub external_id: Option<String>,
    /// Its primary email now.
    pub email: Option<String>,
    /// Its first name.
    pub given_name: Option<String>,
    /// Its last name.
    pub surname: Option<String>,
}
