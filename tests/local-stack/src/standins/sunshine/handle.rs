//! The methods with which a test inspects and changes the state of the stand-in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Client, Conversation, CoreUser, Message, User};
use super::{Behaviour, Sunshine};
use crate::standins::traffic::Exchange;

impl Sunshine {
    /// Adds a user, or replaces the user with the same id.
    pub fn add_user(&self, user: User) -> User {
        self.state().store.put(user)
    }

    /// The user with this id.
    pub fn user(&self, id: &str) -> Option<User> {
        self.state().store.user(id)
    }

    /// The user with this external id and no brand.
    pub fn user_by_external_id(&self, external_id: &str) -> Option<User> {
        self.state().store.by_external_id(None, external_id)
    }

    /// Every user.
    pub fn users(&self) -> Vec<User> {
        self.state().store.users().cloned().collect()
    }

    /// Removes a user with its history, as an agent would.
    pub fn remove_user(&self, id: &str) {
        self.state().store.delete(id);
    }

    /// Adds a client to a user.
    pub fn add_client(&self, user_id: &str, client: Client) -> Client {
        self.state().store.add_client(user_id, client)
    }

    /// A user's clients.
    pub fn clients(&self, user_id: &str) -> Vec<Client> {
        self.state()
            .store
            .clients
            .get(user_id)
            .cloned()
            .unwrap_or_default()
    }

    /// Adds a conversation with this many messages, which cost nothing until they are read.
    pub fn add_conversation(&self, user_id: &str, messages: usize) -> Conversation {
        self.state().store.add_conversation(user_id, messages)
    }

    /// A user's conversations, oldest first.
    pub fn conversations(&self, user_id: &str) -> Vec<Conversation> {
        self.state()
            .store
            .conversations_of(user_id)
            .into_iter()
            .cloned()
            .collect()
    }

    /// Posts a message of the business; `None` if the conversation does not exist.
    pub fn post_message(&self, conversation_id: &str, text: &str) -> Option<Message> {
        self.state()
            .store
            .post(conversation_id, Message::business(text))
    }

    /// Sets the core user that `sync` copies for a `zendeskId`.
    pub fn set_core_user(&self, zendesk_id: &str, core_user: CoreUser) {
        self.state()
            .store
            .core_users
            .insert(zendesk_id.into(), core_user);
    }

    /// Sets how the service behaves.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
    }

    /// Replaces the keys that sign the end users' JWTs.
    pub fn set_signing_keys(&self, keys: BTreeMap<String, String>) {
        self.state().signing_keys = keys;
    }

    /// Replaces the keys of the v2 API.
    pub fn set_integration_keys(&self, keys: BTreeMap<String, String>) {
        self.state().integration_keys = keys;
    }

    /// Completes the deferred deletions; returns the ids of the deleted users.
    pub fn complete_deletions(&self) -> Vec<String> {
        self.state().store.complete_deletions()
    }

    /// Lets time pass: every sign-up and the last activity of every client become older by this.
    pub fn age(&self, by: Duration) {
        self.state().store.age(by);
    }

    /// Forgets everything that has happened, and every fault; the keys stay.
    pub fn begin_again(&self) {
        self.faults().clear();
        self.traffic().clear();
        let mut state = self.state();
        state.behaviour = Behaviour::default();
        state.store.clear();
        state.strays.clear();
        state.app_deleted = false;
    }

    /// Whether a request has deleted the app.
    pub fn app_deleted(&self) -> bool {
        self.state().app_deleted
    }

    /// The request lines whose path does not belong to any call that the cleanup needs.
    pub fn strays(&self) -> Vec<String> {
        self.state().strays.clone()
    }

    /// The calls of the API that change something, including refused and failed ones.
    pub fn changing_calls(&self) -> Vec<Exchange> {
        let changes = |one: &Exchange| {
            let version = one.path.strip_prefix(&self.base_path).unwrap_or(&one.path);
            let is_api = version.starts_with("/v2/") || version.starts_with("/v1.1/");
            one.method != "GET" && is_api
        };
        self.traffic().all().into_iter().filter(changes).collect()
    }
}
