//! The users of the stand-in, their conversations, and the rules for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::model::{Client, Conversation, CoreUser, Message, User};

/// An attribute by which a user can be found, besides its id.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Handle {
    External(Option<String>, String),
    Email(Option<String>, String),
    Zendesk(String),
}

/// The state of one app.
#[derive(Default)]
pub(super) struct Store {
    users: BTreeMap<String, User>,
    /// Always consistent with `users`: only `put` and `take` change it.
    index: HashMap<Handle, BTreeSet<String>>,
    pub(super) clients: BTreeMap<String, Vec<Client>>,
    conversations: BTreeMap<String, Conversation>,
    pub(super) core_users: BTreeMap<String, CoreUser>,
    /// The user of each device.
    pub(super) devices: HashMap<String, String>,
    /// Deleted users that can still be read.
    pub(super) leaving: BTreeSet<String>,
    ids: u64,
}

impl Store {
    pub(super) fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("67a11490f030{:012x}", self.ids)
    }

    /// Stores a new or changed user, and gives it an id if it has none.
    pub(super) fn put(&mut self, mut user: User) -> User {
        if user.id.is_empty() {
            user.id = self.new_id();
        }
        self.take(&user.id);
        for handle in handles(&user) {
            self.index
                .entry(handle)
                .or_default()
                .insert(user.id.clone());
        }
        self.users.insert(user.id.clone(), user.clone());
        user
    }

    /// Removes a user, but keeps the data under its id.
    fn take(&mut self, id: &str) -> Option<User> {
        let user = self.users.remove(id)?;
        for handle in handles(&user) {
            if let Some(ids) = self.index.get_mut(&handle) {
                ids.remove(id);
                if ids.is_empty() {
                    self.index.remove(&handle);
                }
            }
        }
        Some(user)
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    pub(super) fn user(&self, id: &str) -> Option<User> {
        self.users.get(id).cloned()
    }

    pub(super) fn by_external_id(&self, brand: Option<&str>, external_id: &str) -> Option<User> {
        self.found(&Handle::External(brand.map(Into::into), external_id.into()))
            .into_iter()
            .next()
    }

    pub(super) fn by_email(&self, brand: Option<&str>, email: &str) -> Vec<User> {
        self.found(&Handle::Email(
            brand.map(Into::into),
            email.to_ascii_lowercase(),
        ))
    }

    pub(super) fn by_zendesk_id(&self, zendesk_id: &str) -> Option<User> {
        self.found(&Handle::Zendesk(zendesk_id.into()))
            .into_iter()
            .next()
    }

    /// The trap of the v2 paths: an id first, or an external id if no user has that id.
    pub(super) fn by_id_or_external_id(&self, brand: Option<&str>, either: &str) -> Option<User> {
        self.user(either)
            .or_else(|| self.by_external_id(brand, either))
    }

    fn found(&self, handle: &Handle) -> Vec<User> {
        self.index
            .get(handle)
            .into_iter()
            .flatten()
            .filter_map(|id| self.user(id))
            .collect()
    }

    /// Deletes a user with its clients, and the conversations in which it was alone.
    pub(super) fn delete(&mut self, id: &str) {
        self.take(id);
        self.clients.remove(id);
        self.leaving.remove(id);
        self.devices.retain(|_, user| user != id);
        self.conversations.retain(|_, conversation| {
            conversation.participants.retain(|user| user != id);
            !conversation.participants.is_empty()
        });
    }

    /// Merges `loser` into `survivor`: its history, identities, clients and devices move, and
    /// missing values of the survivor are filled in. The survivor's own values stay.
    pub(super) fn merge(&mut self, loser: &str, survivor: &str) {
        if loser == survivor {
            return;
        }
        let (Some(lost), Some(mut kept)) = (self.take(loser), self.user(survivor)) else {
            return;
        };
        for identity in lost.identities {
            if !kept
                .identities
                .iter()
                .any(|own| own.value.eq_ignore_ascii_case(&identity.value))
            {
                kept.identities.push(identity);
            }
        }
        for (from, to) in [
            (lost.profile, &mut kept.profile),
            (lost.metadata, &mut kept.metadata),
        ] {
            for (name, value) in from {
                to.entry(name).or_insert(value);
            }
        }
        kept.authenticated |= lost.authenticated;
        kept.external_id = kept.external_id.or(lost.external_id);
        kept.zendesk_id = kept.zendesk_id.or(lost.zendesk_id);
        // ISO 8601 sorts chronologically.
        kept.signed_up_at = [kept.signed_up_at, lost.signed_up_at]
            .into_iter()
            .flatten()
            .min();
        let clients = self.clients.remove(loser).unwrap_or_default();
        self.clients
            .entry(survivor.into())
            .or_default()
            .extend(clients);
        for user in self.devices.values_mut().filter(|user| *user == loser) {
            survivor.clone_into(user);
        }
        let had_default = self
            .conversations_of(survivor)
            .iter()
            .any(|conversation| conversation.is_default);
        for conversation in self.conversations.values_mut() {
            if !conversation.participants.iter().any(|user| user == loser) {
                continue;
            }
            conversation
                .participants
                .retain(|user| user != loser && user != survivor);
            conversation.participants.insert(0, survivor.into());
            conversation.is_default &= !had_default;
        }
        self.leaving.remove(loser);
        self.put(kept);
    }

    /// Completes the deferred deletions; returns the ids of the deleted users.
    pub(super) fn complete_deletions(&mut self) -> Vec<String> {
        let leaving: Vec<String> = std::mem::take(&mut self.leaving).into_iter().collect();
        for id in &leaving {
            self.delete(id);
        }
        leaving
    }

    pub(super) fn add_client(&mut self, user_id: &str, mut client: Client) -> Client {
        if client.id.is_empty() {
            client.id = self.new_id();
        }
        self.clients
            .entry(user_id.into())
            .or_default()
            .push(client.clone());
        client
    }

    /// Records that a user was just active in the SDK.
    pub(super) fn see(&mut self, user_id: &str) {
        let clients = self.clients.entry(user_id.into()).or_default();
        match clients.iter_mut().find(|client| client.kind == "sdk") {
            Some(client) => client.last_seen = Some(now()),
            None => {
                self.add_client(user_id, Client::seen_at(&now()));
            }
        }
    }

    /// Forgets everything, and gives no id a second time.
    pub(super) fn clear(&mut self) {
        *self = Self {
            ids: self.ids,
            ..Self::default()
        };
    }

    /// Makes every sign-up and the last activity of every client older.
    pub(super) fn age(&mut self, by: Duration) {
        for user in self.users.values_mut() {
            user.signed_up_at.iter_mut().for_each(|time| age(time, by));
        }
        for client in self.clients.values_mut().flatten() {
            client.last_seen.iter_mut().for_each(|time| age(time, by));
        }
    }

    /// Adds a conversation whose messages are generated when they are read.
    pub(super) fn add_conversation(&mut self, user_id: &str, messages: usize) -> Conversation {
        let id = self.new_id();
        let now = now();
        let conversation = Conversation {
            id: id.clone(),
            participants: vec![user_id.into()],
            is_default: self.conversations_of(user_id).is_empty(),
            created_at: now.clone(),
            last_updated_at: now,
            number: self.ids,
            generated: messages,
            posted: Vec::new(),
        };
        self.conversations.insert(id, conversation.clone());
        conversation
    }

    pub(super) fn conversation(&self, id: &str) -> Option<&Conversation> {
        self.conversations.get(id)
    }

    /// A user's conversations, oldest first.
    pub(super) fn conversations_of(&self, user_id: &str) -> Vec<&Conversation> {
        let is_theirs = |one: &&Conversation| one.participants.iter().any(|user| user == user_id);
        self.conversations.values().filter(is_theirs).collect()
    }

    /// Posts a message, and sets its id and time.
    pub(super) fn post(&mut self, conversation_id: &str, mut message: Message) -> Option<Message> {
        let conversation = self.conversations.get_mut(conversation_id)?;
        message.id = conversation.message_id(conversation.message_count());
        message.received = now();
        conversation.last_updated_at.clone_from(&message.received);
        conversation.posted.push(message.clone());
        Some(message)
    }
}

fn handles(user: &User) -> Vec<Handle> {
    let brand = || user.brand_id.clone();
    let emails = user
        .emails()
        .map(|email| Handle::Email(brand(), email.to_ascii_lowercase()));
    let external = user
        .external_id
        .iter()
        .map(|id| Handle::External(brand(), id.clone()));
    let zendesk = user.zendesk_id.iter().map(|id| Handle::Zendesk(id.clone()));
    emails.chain(external).chain(zendesk).collect()
}

/// Makes a time older. One that cannot be read stays.
fn age(time: &mut String, by: Duration) {
    if let Ok(read) = OffsetDateTime::parse(time, &Rfc3339) {
        *time = text(read - by);
    }
}

/// Now, as `2025-02-03T19:10:08.152Z`.
pub(super) fn now() -> String {
    text(OffsetDateTime::now_utc())
}

fn text(time: OffsetDateTime) -> String {
    let (date, (hour, minute, second, milli)) = (time.date(), time.to_hms_milli());
    let month = u8::from(date.month());
    format!(
        "{:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z",
        date.year(),
        date.day()
    )
}
