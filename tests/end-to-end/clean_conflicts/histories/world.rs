//! The people of a history, the functions that they use, and everything that happens to them.

use std::collections::{BTreeMap, BTreeSet};

use local_stack::issuer::keys::hs256;

use super::functions::Functions;
use super::support::{Support, rfc3339};
use super::{Proof, Setting, Step};
use crate::fixture::*;

const KID: &str = "app_test";
const SIGNING_SECRET: &str = "a secret that signs the messaging tokens";
/// The email that the first two people share.
const SHARED: &str = "family@example.com";
/// Longer than the wait before a release, and than Support's merges take.
pub(super) const HOUR: u64 = 60 * 60 * 1000;

/// One person.
pub(super) struct Person {
    /// The external ids so far; the last one is current.
    pub(super) ids: Vec<String>,
    pub(super) email: String,
    /// The number of messages that the person has written.
    pub(super) written: usize,
    /// The last proof from the login, and the time of the change.
    proof: Option<(Proof, u64)>,
    /// The time at which the person was last seen, in milliseconds since 1970.
    pub(super) seen_at: u64,
}

/// A report that a conflict over the email of `person` was met, at `at`.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) person: usize,
    /// The external id of the person at that time.
    external_id: String,
    pub(super) at: u64,
}

/// The people, the functions, and the data to check the promises.
pub(super) struct World {
    pub(super) functions: Functions,
    pub(super) people: Vec<Person>,
    /// The last person to get each external id.
    pub(super) owners: BTreeMap<String, usize>,
    /// The former external ids, each with the proof of its change and the next id.
    left_by: BTreeMap<String, (Proof, String)>,
    /// The changes that logins and operators stated: the external ids before and after.
    stated: BTreeSet<(String, String)>,
    pub(super) reports: Vec<Reported>,
    /// The reports from this one on are known.
    known_from: usize,
    /// The external ids that became another one according to an operator's list.
    imported: BTreeSet<String>,
    /// The emails that an operator took from a user, by the user's id.
    pub(super) given_away: BTreeSet<(String, String)>,
    pub(super) support: Support,
    pub(super) release_after: u64,
    is_down: bool,
    /// The emails of other people that agents wrote into a person's Support user.
    pub(super) set_by_agents: BTreeSet<(usize, String)>,
    /// Those that a sync then wrote into the person's user. No one else had them at that time, so
    /// nothing showed that they are of another person.
    pub(super) synced: BTreeSet<(usize, String)>,
    client: reqwest::Client,
}

impl Person {
    pub(super) fn id(&self) -> &str {
        self.ids.last().map(String::as_str).unwrap()
    }
}

impl World {
    pub(super) async fn begin(mut functions: Functions, setting: &Setting) -> Self {
        functions
            .begin_again(&[
                ("REMEDY", setting.remedy),
                ("MERGE_CALL", setting.merge_call),
                ("TRUST_WEBHOOK_LINEAGE", &setting.is_trusted.to_string()),
                ("RELEASE_AFTER_SECONDS", &setting.release_after.to_string()),
            ])
            .await;
        let sunshine = &functions.services.sunshine;
        sunshine.set_signing_keys(BTreeMap::from([(
            KID.to_owned(),
            SIGNING_SECRET.to_owned(),
        )]));
        sunshine.set_behaviour(Behaviour {
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
        let people: Vec<Person> = people.collect();
        let owners = people.iter().enumerate();
        let mut world = Self {
            owners: owners
                .map(|(number, person)| (person.id().to_owned(), number))
                .collect(),
            support: Support::new(setting.is_trusted),
            people,
            left_by: BTreeMap::new(),
            stated: BTreeSet::new(),
            reports: Vec::new(),
            known_from: 0,
            imported: BTreeSet::new(),
            given_away: BTreeSet::new(),
            release_after: setting.release_after * 1000,
            is_down: false,
            set_by_agents: BTreeSet::new(),
            synced: BTreeSet::new(),
            client: reqwest::Client::new(),
            functions,
        };
        if setting.have_visited {
            for person in 0..setting.people {
                world.visit(person).await;
            }
        }
        world
    }

    pub(super) async fn take(&mut self, step: &Step) {
        match *step {
            Step::Visit(person) => self.visit(person).await,
            Step::Report(person) => self.report(person).await,
            Step::Rename { person, proof } => self.rename(person, proof),
            Step::Reissue { person, of } => self.reissue(person, of),
            Step::Deliver { event, is_kept } => self.deliver(event, is_kept).await,
            Step::RecycleAddress => self.recycle_address(),
            Step::AgentSetsEmail { person, of } => self.agent_sets_email(person, of).await,
            Step::AgentMerges { person, with } => self.agent_merges(person, with).await,
            Step::Drain => self.drain().await,
            Step::KilledDrain { nth, is_handled } => self.killed_drain(nth, is_handled).await,
            Step::Resolve(person) => self.resolve(person).await,
            Step::Import(person) => self.import(person).await,
            Step::Approve { conflict, remedy } => self.approve(conflict, remedy).await,
            Step::Recheck => {
                let event = json!({"action": "recheck", "state": "needs_review"});
                self.cleaned(event).await;
            }
            Step::Allow(remedy) => self.functions.deploy("REMEDY", remedy).await,
            Step::Outage(is_down) => self.outage(is_down),
            Step::Hour => self.pass(HOUR),
            Step::Month => self.pass(31 * DAY),
        }
        // Times are compared in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.functions.services.sunshine.url());
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
                self.stated
                    .insert((previous.clone(), person.id().to_owned()));
            }
            if matches!(proof, Proof::ClaimWithTime) {
                caller["changed_at"] = json!(rfc3339(*time));
            }
        }
        let external_id = person.id().to_owned();
        self.functions.report_as(caller).await;
        self.reports.push(Reported {
            person: number,
            external_id,
            at: now(),
        });
    }

    /// Whether it is known that the person claims an email. An operator's statement reopens a
    /// conflict without its earlier claims.
    pub(super) fn is_known_to_claim(&self, number: usize) -> bool {
        let mut known = self.reports.iter().skip(self.known_from);
        known.any(|it| it.person == number && self.is_known_as(&it.external_id, number))
    }

    /// Whether an external id belongs to the person alone: no other person got it later, and it did
    /// not become the id of another person before.
    fn is_known_as(&self, id: &String, number: usize) -> bool {
        let stated = self.stated.iter().filter(|(previous, _)| previous == id);
        let event = self.left_by.get(id).filter(|it| it.0 == Proof::Event);
        let successors = stated.map(|it| &it.1).chain(event.map(|it| &it.1));
        let mut ids = successors.chain([id]);
        ids.all(|id| self.owners[id] == number)
    }

    fn rename(&mut self, number: usize, proof: Proof) {
        let current = format!("{number}-{}", self.people[number].ids.len());
        self.change_id(number, current, proof);
    }

    /// Gives a person a free external id: no user has it, and no statement about it looks the same
    /// for its new holder. Such a statement is a claim without a time, or an operator's list, by
    /// which it became another one, or any statement that another one became it.
    fn reissue(&mut self, number: usize, of: usize) {
        let sunshine = &self.functions.services.sunshine;
        let is_free = |id: &&String| {
            self.people.iter().all(|person| person.id() != *id)
                && self.left_by.get(*id).is_none_or(|it| it.0 != Proof::Claim)
                && self.stated.iter().all(|(_, current)| current != *id)
                && !self.imported.contains(*id)
                && sunshine.user_by_external_id(id).is_none()
        };
        let free = self.people[of].ids.iter().find(is_free).cloned();
        if let Some(id) = free.filter(|_| of != number) {
            self.change_id(number, id, Proof::Event);
        }
    }

    /// The login changes the external id, and so does Zendesk Support, which will send an event.
    fn change_id(&mut self, number: usize, current: String, proof: Proof) {
        let time = now();
        let person = &mut self.people[number];
        let previous = person.id().to_owned();
        person.ids.push(current.clone());
        person.proof = Some((proof, time));
        self.owners.insert(current.clone(), number);
        self.left_by.insert(previous.clone(), (proof, current));
        self.change_support_user(number, &previous, time, proof == Proof::Event);
    }

    async fn drain(&mut self) {
        self.cleaned(json!({"action": "drain"})).await;
    }

    async fn killed_drain(&mut self, nth: usize, is_handled: bool) {
        let point = if is_handled {
            Point::Handled
        } else {
            Point::Arrived
        };
        let sunshine = &self.functions.services.sunshine;
        let hold = sunshine.traffic().hold("*", nth, point);
        let before = self.before();
        let is_killed = tokio::select! {
            _ = hold.reached() => true,
            response = self.functions.clean(json!({"action": "drain"})) => {
                assert!(response.is_ok(), "{response:?}");
                false
            }
        };
        if is_killed && !is_handled {
            // The request is lost with its sender.
            sunshine.faults().add(Rule::new("*", Fault::Reset).times(1));
        }
        drop(hold);
        tokio::time::sleep(Duration::from_millis(5)).await;
        // The request that was lost may never have come.
        self.outage(self.is_down);
        if is_killed {
            self.functions.restart().await;
            self.end_leases();
        }
        self.assert_justified(&before);
    }

    /// Lets every lease of a killed process expire.
    fn end_leases(&self) {
        let services = &self.functions.services;
        for mut item in services.aws.items(TABLE) {
            if item["sk"] == "lease" {
                item["leaseUntil"] = json!(0);
                services.aws.put_item(TABLE, &item);
            }
        }
        services.make_due();
    }

    /// Invokes the cleanup, and checks that it took nothing without evidence.
    async fn cleaned(&mut self, event: Value) {
        self.functions.services.make_due();
        let before = self.before();
        if !self.imported.is_empty() {
            self.known_from = self.reports.len();
        }
        self.functions.clean(event).await.unwrap();
        self.assert_justified(&before);
    }

    /// The last change of a person's external id, unless the previous one has another owner by now:
    /// an operator who states it then is wrong.
    fn change_of(&self, number: usize) -> Option<(&str, &str)> {
        let [.., previous, current] = self.people[number].ids.as_slice() else {
            return None;
        };
        (self.owners[previous] == number).then_some((previous, current))
    }

    /// An operator states the truth. A dry run first shows what the command will do.
    async fn resolve(&mut self, number: usize) {
        let Some((previous, current)) = self.change_of(number) else {
            return;
        };
        let command = |dry_run: bool| {
            json!({
                "action": "resolve", "previousExternalId": previous,
                "currentExternalId": current, "dryRun": dry_run, "by": "ada",
            })
        };
        let stated = (previous.to_owned(), current.to_owned());
        let before = self.before();
        let promised = self.functions.clean(command(true)).await;
        assert_eq!(
            self.functions.services.sunshine.users(),
            before.users,
            "a dry run changed a user"
        );
        let done = self.functions.clean(command(false)).await;
        self.known_from = self.reports.len();
        self.stated.insert(stated);
        self.assert_justified(&before);
        if let (Ok(promised), Ok(done)) = (promised, done) {
            super::promises::assert_agree(&promised, &done);
        }
    }

    async fn import(&mut self, number: usize) {
        let Some(pair) = self.change_of(number) else {
            return;
        };
        let import = json!({"action": "import", "batch": "list", "pairs": [pair], "by": "ada"});
        let stated = (pair.0.to_owned(), pair.1.to_owned());
        self.functions.clean(import).await.unwrap();
        self.imported.insert(stated.0.clone());
        self.stated.insert(stated);
    }

    /// An operator looks at a conflict, and approves a remedy.
    async fn approve(&mut self, conflict: usize, remedy: &str) {
        let records = self.functions.services.records();
        let Some(record) = records.get(conflict) else {
            return;
        };
        let text = |field: &str| record[field].as_str().map(ToOwned::to_owned);
        if let ("release-email", Some(user), Some(email)) = (remedy, text("userId"), text("email"))
        {
            self.given_away.insert((user, email));
        }
        let before = self.before();
        // It may be in no state to be approved, or the remedy may not be allowed.
        let _ = self.functions.clean(approve(record, remedy)).await;
        self.assert_justified(&before);
    }

    fn outage(&mut self, is_down: bool) {
        self.is_down = is_down;
        let faults = self.functions.services.sunshine.faults();
        faults.clear();
        if is_down {
            // No call waits that long, so no time is lost with retries.
            let down = || Fault::Answer {
                status: 503,
                retry_after: Some("3600".to_owned()),
                content_type: "text/plain".to_owned(),
                body: String::new(),
            };
            for pattern in ["GET", "DELETE", "PATCH", "POST **/apps/**"] {
                faults.add(Rule::new(pattern, down()));
            }
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, by: u64) {
        let services = &self.functions.services;
        for mut item in services.aws.items(TABLE) {
            move_back(&mut item, by);
            services.aws.put_item(TABLE, &item);
        }
        services.sunshine.age(Duration::from_millis(by));
        for report in &mut self.reports {
            report.at -= by;
        }
        for person in &mut self.people {
            person.seen_at = person.seen_at.saturating_sub(by);
            if let Some((_, time)) = &mut person.proof {
                *time -= by;
            }
        }
        self.support.pass(by);
    }

    /// Everything works, every event arrives, and every wait is over, so that nothing may remain
    /// half done.
    pub(super) async fn come_to_rest(&mut self) {
        self.outage(false);
        while self.support.has_events() {
            self.deliver(0, false).await;
        }
        self.pass(HOUR);
        for _ in 0..20 {
            self.end_leases();
            self.drain().await;
            let records = self.functions.services.records();
            if records.iter().all(|it| it["dueAt"].is_null()) {
                break;
            }
        }
        self.assert_promises();
        self.assert_at_rest();
    }
}
