//! The people of a history, and the running functions that they use.

use std::collections::BTreeMap;

use local_stack::issuer::keys::hs256;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Proof, Setting, Step};
use crate::fixture::*;
use crate::zendesk::Zendesk;

const KID: &str = "app_test";
const SIGNING_SECRET: &str = "a secret that signs the messaging tokens";
/// The email that the first two people share.
const SHARED: &str = "family@example.com";

/// One person.
pub(super) struct Person {
    /// The external ids so far; the last one is current.
    pub(super) ids: Vec<String>,
    pub(super) email: String,
    /// The number of messages that the person has written.
    pub(super) written: usize,
    /// The last proof from the login, and the time of the change.
    proof: Option<(Proof, String)>,
    /// The time at which the person was last seen, in milliseconds since 1970.
    pub(super) seen_at: u64,
}

/// An event that Zendesk has yet to deliver.
struct Event {
    time: String,
    zendesk_id: String,
    email: String,
    previous: String,
    current: String,
}

/// The people, the functions, and the data to check the promises.
pub(super) struct World {
    pub(super) stack: Stack,
    pub(super) people: Vec<Person>,
    /// The people who reported a conflict over their email, with the times.
    pub(super) reports: Vec<(usize, u64)>,
    zendesk: Zendesk,
    events: Vec<Event>,
    is_trusted: bool,
    is_down: bool,
    client: reqwest::Client,
}

impl Person {
    pub(super) fn id(&self) -> &str {
        self.ids.last().map(String::as_str).unwrap()
    }
}

fn rfc3339(millis: u64) -> String {
    let nanos = i128::from(millis) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
    time.format(&Rfc3339).unwrap()
}

impl World {
    pub(super) async fn start(setting: &Setting) -> Self {
        let trust = if setting.is_trusted { "true" } else { "false" };
        let stack = Stack::start(&[
            ("REMEDY", setting.remedy),
            ("MERGE_CALL", setting.merge_call),
            ("TRUST_WEBHOOK_LINEAGE", trust),
            ("RELEASE_AFTER_SECONDS", "0"),
        ])
        .await;
        let keys = BTreeMap::from([(KID.to_owned(), SIGNING_SECRET.to_owned())]);
        stack.sunshine.set_signing_keys(keys);
        stack.sunshine.set_behaviour(Behaviour {
            drop_merged_identities: setting.drop_merged_identities,
            ..Behaviour::default()
        });
        let people = (0..setting.people).map(|number| Person {
            ids: vec![format!("{number}-0")],
            email: if number < 2 {
                SHARED.to_owned()
            } else {
                format!("{number}@example.com")
            },
            written: 0,
            proof: None,
            seen_at: 0,
        });
        Self {
            zendesk: Zendesk::beside(&stack).await,
            people: people.collect(),
            reports: Vec::new(),
            events: Vec::new(),
            is_trusted: setting.is_trusted,
            is_down: false,
            client: reqwest::Client::new(),
            stack,
        }
    }

    pub(super) async fn take(&mut self, step: &Step) {
        match *step {
            Step::Visit(person) => self.visit(person).await,
            Step::Report(person) => self.report(person).await,
            Step::Rename { person, proof } => self.rename(person, proof),
            Step::Deliver { event, is_kept } => self.deliver(event, is_kept).await,
            Step::RecycleAddress => self.recycle_address(),
            Step::Drain => self.cleaned(json!({"action": "drain"})).await,
            Step::KilledDrain { nth, is_handled } => self.killed_drain(nth, is_handled).await,
            Step::Resolve(person) => self.resolve(person).await,
            Step::Outage(is_down) => self.outage(is_down),
            Step::Month => self.month(),
        }
        // Times are compared in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.stack.sunshine.url());
        let response = self.client.post(url).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The page logs in with the email, after a 409 without it and with a report; then the person
    /// writes a message.
    async fn visit(&mut self, number: usize) {
        let token = |person: &Person, has_email: bool| {
            let issued = now() / 1000;
            let mut claims = json!({
                "scope": "user", "external_id": person.id(), "iat": issued, "exp": issued + 900,
            });
            if has_email {
                claims["email"] = json!(person.email);
                claims["email_verified"] = json!(true);
            }
            let header = json!({"alg": "HS256", "typ": "JWT", "kid": KID});
            hs256(SIGNING_SECRET.as_bytes(), &header, &claims)
        };
        let person = &self.people[number];
        let mut jwt = token(person, true);
        let (status, _) = self.post("/_login", json!({"jwt": jwt})).await;
        if status == 409 {
            jwt = token(person, false);
            let (status, refused) = self.post("/_login", json!({"jwt": jwt})).await;
            assert_eq!(status, 200, "{refused}");
        }
        let text = format!("from {number}");
        let (posted, refused) = self
            .post("/_messages", json!({"jwt": jwt, "text": text}))
            .await;
        assert_eq!(posted, 201, "{refused}");
        self.people[number].written += 1;
        self.people[number].seen_at = now();
        if status == 409 {
            self.report(number).await;
        }
    }

    async fn report(&mut self, number: usize) {
        let person = &self.people[number];
        let mut caller = json!({"sub": person.id(), "email": person.email, "email_verified": true});
        if let (Some((proof, time)), [.., previous, _]) = (&person.proof, person.ids.as_slice()) {
            if matches!(proof, Proof::Claim | Proof::ClaimWithTime) {
                caller["previous"] = json!(previous);
            }
            if matches!(proof, Proof::ClaimWithTime) {
                caller["changed_at"] = json!(time);
            }
        }
        let answer = self.stack.report_as(caller).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        self.reports.push((number, now()));
    }

    /// The login changes the external id, and so does Zendesk Support, which will send an event.
    fn rename(&mut self, number: usize, proof: Proof) {
        let time = rfc3339(now());
        let person = &mut self.people[number];
        let previous = person.id().to_owned();
        let current = format!("{number}-{}", person.ids.len());
        person.ids.push(current.clone());
        person.proof = Some((proof, time.clone()));
        let (email, zendesk_id) = (person.email.clone(), format!("{}", 100 + number));
        let sunshine = &self.stack.sunshine;
        if let Some(user) = sunshine.user_by_external_id(&previous) {
            // A login at the help center linked the user at some time.
            let linked = Some(zendesk_id.clone());
            if sunshine.users().iter().all(|it| it.zendesk_id != linked) {
                let zendesk_id = user.zendesk_id.clone().or(linked);
                sunshine.add_user(User { zendesk_id, ..user });
            }
        }
        let core_user = CoreUser {
            external_id: Some(current.clone()),
            email: Some(email.clone()),
            ..CoreUser::default()
        };
        sunshine.set_core_user(&zendesk_id, core_user);
        if matches!(proof, Proof::Event) {
            self.events.push(Event {
                time,
                zendesk_id,
                email,
                previous,
                current,
            });
        }
    }

    async fn deliver(&mut self, number: usize, is_kept: bool) {
        if self.events.is_empty() {
            return;
        }
        let at = number % self.events.len();
        let event = &self.events[at];
        let detail = json!({
            "id": event.zendesk_id, "email": event.email, "external_id": event.current,
        });
        let change = json!({"previous": event.previous, "current": event.current});
        let id = format!("{}-{}-{}", event.previous, event.current, event.time);
        self.zendesk
            .send("user.external_id_changed", &id, &event.time, detail, change)
            .await;
        if !is_kept {
            self.events.remove(at);
        }
    }

    /// Recycles an address, unless events are trusted: an operator who trusts events promises that
    /// no single sign-on sends them.
    fn recycle_address(&mut self) {
        if self.is_trusted {
            return;
        }
        self.events.push(Event {
            time: rfc3339(now()),
            zendesk_id: "100".to_owned(),
            email: SHARED.to_owned(),
            previous: self.people[0].id().to_owned(),
            current: self.people[1].id().to_owned(),
        });
        let core_user = CoreUser {
            external_id: Some(self.people[1].id().to_owned()),
            email: Some(SHARED.to_owned()),
            ..CoreUser::default()
        };
        self.stack.sunshine.set_core_user("100", core_user);
    }

    async fn killed_drain(&mut self, nth: usize, is_handled: bool) {
        let point = if is_handled {
            Point::Handled
        } else {
            Point::Arrived
        };
        let hold = self.stack.sunshine.traffic().hold("*", nth, point);
        let drain = json!({"action": "drain"});
        let before = self.before();
        let is_killed = tokio::select! {
            _ = hold.reached() => true,
            answer = self.stack.clean.invoke_within(&drain, DEADLINE) => {
                assert!(answer.is_ok(), "{answer:?}");
                false
            }
        };
        if is_killed {
            self.stack.clean.kill().await;
            if !is_handled {
                // The request is lost with its sender.
                let lost = Rule::new("*", Fault::Reset).times(1);
                self.stack.sunshine.faults().add(lost);
            }
        }
        drop(hold);
        tokio::time::sleep(Duration::from_millis(20)).await;
        // The request that was lost may never have come.
        self.outage(self.is_down);
        if is_killed {
            self.stack.clean.restart().await.unwrap();
            self.end_leases();
        }
        self.assert_justified(&before);
    }

    /// Lets every lease of a killed process expire.
    fn end_leases(&self) {
        for mut item in self.stack.aws.items(TABLE) {
            if item["sk"] == "lease" {
                item["leaseUntil"] = json!(0);
                self.stack.aws.put_item(TABLE, &item);
            }
        }
        self.stack.make_due();
    }

    /// Invokes the cleanup, and checks that it took nothing without evidence.
    async fn cleaned(&mut self, event: Value) {
        self.stack.make_due();
        let before = self.before();
        self.stack.invoke(event).await;
        self.assert_justified(&before);
    }

    /// An operator states the truth. A dry run first shows what the command will do.
    async fn resolve(&mut self, number: usize) {
        let [.., previous, current] = self.people[number].ids.as_slice() else {
            return;
        };
        let command = |dry_run: bool| {
            json!({
                "action": "resolve", "previousExternalId": previous,
                "currentExternalId": current, "dryRun": dry_run, "by": "ada",
            })
        };
        let (dry_run, real) = (command(true), command(false));
        let before = self.before();
        let promised = self.stack.clean.invoke_within(&dry_run, DEADLINE).await;
        assert_eq!(
            self.stack.sunshine.users(),
            before.users,
            "a dry run changed a user"
        );
        let done = self.stack.clean.invoke_within(&real, DEADLINE).await;
        self.assert_justified(&before);
        if let (Ok(promised), Ok(done)) = (promised, done) {
            super::promises::assert_agree(&promised, &done);
        }
    }

    fn outage(&mut self, is_down: bool) {
        self.is_down = is_down;
        let faults = self.stack.sunshine.faults();
        faults.clear();
        if is_down {
            for method in ["GET", "DELETE", "PATCH"] {
                faults.add(Rule::new(method, Fault::answer(503, "")));
            }
        }
    }

    fn month(&mut self) {
        for mut record in self.stack.records() {
            move_back(&mut record, 31 * DAY);
            self.stack.aws.put_item(TABLE, &record);
        }
        for (_, reported_at) in &mut self.reports {
            *reported_at -= 31 * DAY;
        }
    }

    /// Everything works, every event arrives, and every wait is over, so that nothing may remain
    /// half done.
    pub(super) async fn come_to_rest(&mut self) {
        self.outage(false);
        while !self.events.is_empty() {
            self.deliver(0, false).await;
        }
        for _ in 0..20 {
            self.end_leases();
            self.cleaned(json!({"action": "drain"})).await;
            if self.stack.records().iter().all(|it| it["dueAt"].is_null()) {
                break;
            }
        }
        self.assert_promises();
        self.assert_at_rest();
    }
}
