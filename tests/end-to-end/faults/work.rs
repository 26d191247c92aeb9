//! The requests to each function, and the checks of its responses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use harness::lambda::{Function, HttpEvent, HttpResponse, LambdaError};
use local_stack::standins::sunshine::user_token;
use local_stack::webhook::{self, external_id_changed, seconds_from_now};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::people::{Kind, Person};
use crate::responses::Tally;
use crate::world::{KID, SIGNING_SECRET, WEBHOOK_SECRET, World};

/// The timeout of a request. It is shorter than in the template, so that many fit into a minute.
const REQUEST: Duration = Duration::from_secs(3);
/// The timeout of a run.
pub(crate) const RUN: Duration = Duration::from_secs(12);
/// Lambda's timeout for the init of a function.
const INIT: Duration = Duration::from_secs(10);
/// The share of the invocations that are cold starts.
const COLD: f64 = 0.02;
/// The interval between two runs of the schedule.
const SCHEDULE: Duration = Duration::from_millis(300);
/// The interval between two tries of the operator, who mostly learns that another run is active.
const PATIENCE: Duration = Duration::from_millis(50);
/// RFC 7636 Appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The promises by conflict, which must be kept later.
#[derive(Default)]
pub(crate) struct Promises(Mutex<Promised>);

/// The people with a promise, by index.
#[derive(Clone, Default)]
pub(crate) struct Promised {
    /// The people with a 202 to their report.
    pub(crate) reported: BTreeSet<usize>,
    /// The people with a 200 to their webhook.
    pub(crate) recorded: BTreeSet<usize>,
}

impl Promises {
    fn note(&self, note: impl FnOnce(&mut Promised)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn all(&self) -> Promised {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One environment of a function, and its caller.
pub(crate) struct Worker<'a> {
    pub(crate) world: &'a World,
    pub(crate) people: &'a [Person],
    pub(crate) tally: &'a Tally,
    pub(crate) promises: &'a Promises,
    pub(crate) name: &'static str,
    pub(crate) number: usize,
    pub(crate) function: Function,
    random: StdRng,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        world: &'a World,
        (people, tally, promises): (&'a [Person], &'a Tally, &'a Promises),
        name: &'static str,
        function: Function,
        (seed, number): (u64, usize),
    ) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number as u64));
        Self {
            world,
            people,
            tally,
            promises,
            name,
            number,
            function,
            random,
        }
    }

    /// Invokes an HTTP function this many times.
    pub(crate) async fn serve(&mut self, invocations: usize) {
        let mut started = Vec::new();
        for turn in 0..invocations {
            if self.random.random_bool(COLD) {
                let began = Instant::now();
                self.function.restart().await.unwrap();
                assert!(began.elapsed() < INIT, "{}: init", self.name);
                self.tally.count(self.name, "cold start");
            }
            match self.name {
                "sign-token" => self.sign().await,
                "report-conflict" => self.report().await,
                "receive-webhook" => self.webhook().await,
                _ => self.exchange(turn, &mut started).await,
            }
        }
    }

    /// Drains like the schedule until everything is over.
    pub(crate) async fn drain_until(&mut self, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            self.clean(&json!({"action": "drain"})).await;
            tokio::time::sleep(SCHEDULE).await;
        }
    }

    /// Has a user deleted again and again, as an operator, until everything is over.
    pub(crate) async fn resolve_until(&mut self, is_over: &AtomicBool) {
        let deleted = self.people.iter().filter(|it| it.kind == Kind::Delete);
        let deleted: Vec<&Person> = deleted.collect();
        while !is_over.load(Ordering::Relaxed) {
            let person = deleted[self.random.random_range(0..deleted.len())];
            self.clean(&person.resolve()).await;
            tokio::time::sleep(PATIENCE).await;
        }
    }

    fn place(&mut self) -> usize {
        self.random.random_range(0..self.people.len())
    }

    /// The response, which must come in time.
    async fn http(&self, event: &HttpEvent) -> HttpResponse {
        let response = self
            .function
            .invoke_within(&event.api_gateway(), REQUEST)
            .await;
        HttpResponse::new(response.unwrap_or_else(|error| self.broken(&error)))
    }

    async fn sign(&mut self) {
        let (number, is_stranger) = (self.place(), self.random.random_bool(0.1));
        let person = &self.people[number];
        let event = HttpEvent::post("/zendesk/token");
        if is_stranger {
            let token = self.world.issuer.id_token(json!({
                "sub": "CANARY-stranger", "aud": "somebody-else",
            }));
            let response = self.http(&event.bearer(&token)).await;
            let is_signed = self
                .tally
                .check(self.name, &response, &["401 unauthenticated"]);
            assert!(!is_signed, "{response:?}");
            return;
        }
        let response = self.http(&event.bearer(&person.token(self.world))).await;
        if self.tally.check(self.name, &response, &[]) {
            let keys = BTreeMap::from([(KID.to_owned(), SIGNING_SECRET.to_owned())]);
            let response = response.json();
            let claims = user_token::verify(response["token"].as_str().unwrap(), &keys).unwrap();
            assert_eq!(claims.external_id, person.new);
            assert_eq!(claims.email.as_ref(), Some(&person.email));
            assert_eq!(response["externalId"], person.new.as_str());
        }
    }

    async fn report(&mut self) {
        let number = self.place();
        let person = &self.people[number];
        if person.kind == Kind::Delete {
            return;
        }
        let event = HttpEvent::post("/zendesk/conflicts").bearer(&person.token(self.world));
        let response = self.http(&event).await;
        if self.tally.check(self.name, &response, &[]) {
            assert_eq!(response.json()["conflictId"], person.conflict_id.as_str());
            self.promises.note(|it| {
                it.reported.insert(number);
            });
        }
    }

    async fn webhook(&mut self) {
        let number = self.place();
        let person = &self.people[number];
        if person.kind != Kind::Merge {
            return;
        }
        let id = format!("CANARY-event-{number}");
        let ids = (person.old.as_str(), person.new.as_str());
        // Each delivery of an event has the same time.
        let mut event = external_id_changed(&id, &EVENT_TIME, &person.email, ids);
        event["detail"]["id"] = json!(person.zendesk_id);
        let event = webhook::delivery(WEBHOOK_SECRET, &event.to_string());
        let response = self.http(&event).await;
        if self.tally.check(self.name, &response, &[]) {
            self.promises.note(|it| {
                it.recorded.insert(number);
            });
        }
    }

    async fn exchange(&mut self, turn: usize, started: &mut Vec<String>) {
        let number = self.place();
        let person = &self.people[number];
        let chat = format!("c-{}-{turn}", self.number);
        let (event, chat) = match (turn % 3, started.last()) {
            (0, _) => {
                let body = json!({"codeChallenge": CHALLENGE});
                (HttpEvent::post("/puzzel/identity").json(&body), None)
            }
            (1, Some(chat)) => {
                let path = format!("/puzzel/conversations/{chat}/identity");
                (HttpEvent::put(&path), Some(chat.clone()))
            }
            _ => {
                let path = format!("/puzzel/conversations/{chat}/route/sales");
                (HttpEvent::post(&path), Some(chat))
            }
        };
        let response = self.http(&event.bearer(&person.token(self.world))).await;
        if !self.tally.check(self.name, &response, &[]) {
            return;
        }
        if let Some(chat) = chat {
            let known = self.world.puzzel.chat(&chat).unwrap();
            assert_eq!(known.subject.as_ref(), Some(&person.new), "{response:?}");
            started.push(chat);
        } else {
            let known = self.world.puzzel.authentications();
            let given = response.json();
            let given = known
                .iter()
                .find(|it| given["userInfoId"] == *it.user_info_id);
            assert_eq!(given.unwrap().subject, person.new);
        }
    }

    async fn clean(&self, event: &Value) {
        match self.function.invoke_within(event, RUN).await {
            Ok(report) => {
                check_text("a report", &report.to_string());
                let why = report["stoppedBecause"].as_str().unwrap_or("to the end");
                self.tally.count(self.name, why);
            }
            // The table could not be read.
            Err(LambdaError::Function(error)) => {
                check_text("an error", &error.to_string());
                self.tally.count(self.name, "an error");
            }
            Err(error) => self.broken(&error),
        }
    }

    /// Reports an invocation without a response.
    fn broken(&self, error: &LambdaError) -> ! {
        let lines = self.function.output().lines();
        let last = lines.len().saturating_sub(20);
        panic!(
            "{} ({}): {error}\n{}",
            self.name,
            self.number,
            lines[last..].join("\n")
        );
    }
}

/// The time at which the external ids were changed, according to the events.
static EVENT_TIME: LazyLock<String> = LazyLock::new(|| seconds_from_now(-3600));

/// In lower case.
const CANARIES: [&str; 7] = [
    "canary",
    "int_test",
    "basic ",
    "bearer eyj",
    "eyj",
    "codeverifier",
    "usr_",
];

/// Checks that no public text contains a secret, a token or personal data.
pub(crate) fn check_text(place: &str, text: &str) {
    let text = text.to_lowercase();
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {place}: {text}");
    }
}

/// A drain without faults, in `function`.
pub(crate) async fn drain(function: &Function) -> Value {
    let drain = json!({"action": "drain"});
    function
        .invoke_within(&drain, Duration::from_mins(1))
        .await
        .unwrap()
}
