//! Zendesk Support in a history: its users, the events that it has yet to deliver, and its agents.

use std::collections::BTreeMap;

use local_stack::webhook;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::world::World;
use crate::fixture::*;

/// The Support users of the people, and the events about them.
pub(super) struct Support {
    users: BTreeMap<usize, CoreUser>,
    events: Vec<Event>,
    sent: usize,
    /// Whether the operator trusts events.
    is_trusted: bool,
}

/// An event that Zendesk has yet to deliver.
struct Event {
    kind: &'static str,
    id: String,
    /// The time of the change, in milliseconds since 1970.
    time: u64,
    detail: Value,
    change: Value,
}

pub(super) fn rfc3339(millis: u64) -> String {
    let nanos = i128::from(millis) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
    time.format(&Rfc3339).unwrap()
}

fn zendesk_id(number: usize) -> String {
    format!("{}", 100 + number)
}

impl Support {
    pub(super) fn new(is_trusted: bool) -> Self {
        Self {
            users: BTreeMap::new(),
            events: Vec::new(),
            sent: 0,
            is_trusted,
        }
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn pass(&mut self, by: u64) {
        for event in &mut self.events {
            event.time -= by;
        }
    }

    /// Records an event about the Support user of a person, as that is now.
    fn record(&mut self, kind: &'static str, number: usize, time: u64, change: Value) {
        let user = self.users.get(&number).cloned().unwrap_or_default();
        self.sent += 1;
        self.events.push(Event {
            kind,
            id: self.sent.to_string(),
            time,
            detail: json!({
                "id": zendesk_id(number), "email": user.email, "external_id": user.external_id,
            }),
            change,
        });
    }
}

impl World {
    /// Changes the external id of a person's Support user.
    pub(super) fn change_support_user(
        &mut self,
        number: usize,
        previous: &str,
        time: u64,
        is_delivered: bool,
    ) {
        let sunshine = &self.functions.services.sunshine;
        if let Some(user) = sunshine.user_by_external_id(previous) {
            // A login at the help center linked the user at some time.
            let linked = Some(zendesk_id(number));
            if sunshine.users().iter().all(|it| it.zendesk_id != linked) {
                let zendesk_id = user.zendesk_id.clone().or(linked);
                sunshine.add_user(User { zendesk_id, ..user });
            }
        }
        let person = &self.people[number];
        let current = person.id().to_owned();
        let user = self.support.users.entry(number).or_default();
        user.external_id = Some(current.clone());
        user.email.get_or_insert_with(|| person.email.clone());
        sunshine.set_core_user(&zendesk_id(number), user.clone());
        if is_delivered {
            let change = json!({"previous": previous, "current": current});
            self.support
                .record("user.external_id_changed", number, time, change);
        }
    }

    /// Delivers one of the events.
    pub(super) async fn deliver(&mut self, number: usize, is_kept: bool) {
        if !self.support.has_events() {
            return;
        }
        let at = number % self.support.events.len();
        let Event {
            kind,
            id,
            time,
            detail,
            change,
        } = &self.support.events[at];
        let event = webhook::event(kind, id, &rfc3339(*time), detail, change);
        self.functions.deliver(&event).await;
        if !is_kept {
            self.support.events.remove(at);
        }
    }

    /// Recycles an address, unless events are trusted: an operator who trusts events promises that
    /// no single sign-on sends them.
    pub(super) fn recycle_address(&mut self) {
        if self.support.is_trusted {
            return;
        }
        let [previous, current] = [0, 1].map(|number| self.people[number].id().to_owned());
        let user = CoreUser {
            external_id: Some(current.clone()),
            email: Some(self.people[0].email.clone()),
            ..CoreUser::default()
        };
        self.functions
            .services
            .sunshine
            .set_core_user(&zendesk_id(0), user.clone());
        self.support.users.insert(0, user);
        let change = json!({"previous": previous, "current": current});
        self.support
            .record("user.external_id_changed", 0, now(), change);
    }

    /// An agent gives the Support user of a person the email of another one. The event comes at
    /// once, because nothing else reports the change.
    pub(super) async fn agent_sets_email(&mut self, number: usize, of: usize) {
        let email = self.people[of].email.clone();
        let Some(user) = self.support.users.get_mut(&number) else {
            return;
        };
        user.email = Some(email.clone());
        self.set_by_agents.insert((number, email.clone()));
        self.functions
            .services
            .sunshine
            .set_core_user(&zendesk_id(number), user.clone());
        let identity = json!({"id": "1", "type": "email", "value": email, "primary": true});
        self.support.record(
            "user.identity_changed",
            number,
            now(),
            json!({"current": identity}),
        );
        self.deliver(self.support.events.len() - 1, false).await;
    }

    /// An agent merges the Support users of two people, and Zendesk sends an event about it.
    pub(super) async fn agent_merges(&mut self, number: usize, with: usize) {
        if number == with {
            return;
        }
        let with = json!({"user": {"id": zendesk_id(with)}});
        self.support.record("user.merged", number, now(), with);
        self.deliver(self.support.events.len() - 1, false).await;
    }
}
