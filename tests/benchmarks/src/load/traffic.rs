//! The requests, and the checks of their responses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::conflicts::Scope;
use shared::identity::email::EmailKey;

use super::open_loop::Outcome;
use harness::lambda::{HttpEvent, HttpResponse};
use local_stack::stack::{Backends, KID, TABLE};
use local_stack::standins::sunshine::SunshineConfig;
use local_stack::standins::sunshine::user_token;
use local_stack::webhook::{self, external_id_changed, seconds_from_now};

/// RFC 7636 Appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sign,
    Report,
    Webhook,
    Exchange,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Sign, Self::Report, Self::Webhook, Self::Exchange];

    /// The function that serves it.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Sign => "sign-token",
            Self::Report => "report-conflict",
            Self::Webhook => "receive-webhook",
            Self::Exchange => "exchange-identity",
        }
    }
}

/// A logged-in user.
struct Person {
    external_id: String,
    email: String,
    token: String,
    conflict_id: String,
}

/// The users who send requests.
pub(super) struct Traffic {
    people: Vec<Person>,
    /// The name of this load, which keeps its users apart from those of another load on the same
    /// backends.
    name: String,
}

/// A request as it is sent.
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
}

impl Ask {
    fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    fn bearer(mut self, person: &Person) -> Self {
        let token = format!("Bearer {}", person.token);
        self.headers.push(("authorization", token));
        self
    }

    fn json(mut self, body: &Value) -> Self {
        let kind = "application/json".to_owned();
        self.headers.push(("content-type", kind));
        self.body = Some(body.to_string());
        self
    }

    /// The same as an event of an HTTP API.
    pub(super) fn event(&self) -> HttpEvent {
        let mut event = HttpEvent::new(self.method, &self.path);
        for (name, value) in &self.headers {
            event = event.header(name, value);
        }
        match &self.body {
            Some(body) => event.body(body),
            None => event,
        }
    }
}

impl Traffic {
    /// This many users with tokens of the issuer.
    pub(super) fn new(backends: &Backends, name: String, people: usize) -> Self {
        let scope = Scope {
            app_id: SunshineConfig::default().app_id.parse().expect("an app id"),
            brand_id: None,
        };
        let person = |number: usize| {
            let external_id = format!("{name}-{number}");
            let email = format!("{name}-{number}@example.com");
            let token = backends.issuer.id_token(json!({
                "sub": external_id, "email": email, "email_verified": true,
            }));
            let conflict_id = scope.conflict_over_email(&EmailKey::from(email.as_str()));
            Person {
                external_id,
                email,
                token,
                conflict_id: conflict_id.to_string(),
            }
        };
        Self {
            people: (0..people).map(person).collect(),
            name,
        }
    }

    fn person(&self, number: usize) -> &Person {
        let person = self.people.get(number % self.people.len());
        person.expect("people")
    }

    /// The request with this number.
    pub(super) fn ask(&self, backends: &Backends, kind: Kind, number: usize) -> Ask {
        let person = self.person(number);
        match kind {
            Kind::Sign => Ask::new("POST", "/zendesk/token").bearer(person),
            Kind::Report => Ask::new("POST", "/zendesk/conflicts").bearer(person),
            Kind::Webhook => self.webhook(backends, number),
            Kind::Exchange if number.is_multiple_of(2) => Ask::new("POST", "/puzzel/identity")
                .bearer(person)
                .json(&json!({"codeChallenge": CHALLENGE, "idToken": person.token})),
            Kind::Exchange => {
                let chat = self.chat(number);
                let path = format!("/puzzel/conversations/{chat}/route/sales");
                let body = json!({"idToken": person.token});
                Ask::new("POST", path).bearer(person).json(&body)
            }
        }
    }

    /// A new event, about a new user, for each number.
    fn webhook(&self, backends: &Backends, number: usize) -> Ask {
        let (previous, current) = self.change(number);
        let now = seconds_from_now(0);
        let event = external_id_changed(
            &format!("{}-event-{number}", self.name),
            &now,
            &format!("{}-changed-{number}@example.com", self.name),
            (&previous, &current),
        );
        let mut ask = Ask::new("POST", webhook::PATH).json(&event);
        let body = ask.body.as_deref().unwrap_or_default();
        let signature = webhook::signature(&backends.webhook_secret, &now, body.as_bytes());
        ask.headers.push((webhook::TIMESTAMP, now));
        ask.headers.push((webhook::SIGNATURE, signature));
        ask
    }

    fn change(&self, number: usize) -> (String, String) {
        let name = &self.name;
        (
            format!("{name}-old-{number}"),
            format!("{name}-new-{number}"),
        )
    }

    fn chat(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    /// Checks that the response is the right one for this request and no other.
    pub(super) fn judge(
        &self,
        backends: &Backends,
        (kind, number): (Kind, usize),
        response: &HttpResponse,
    ) -> Outcome {
        if matches!(response.status, 429 | 503) {
            let wait = response.header("retry-after");
            let wait = wait.and_then(|wait| wait.parse::<u64>().ok());
            let problem: Option<Value> = serde_json::from_str(&response.body).ok();
            // A gateway refuses with its own message.
            let member = if response.status == 429 {
                "message"
            } else {
                "code"
            };
            let code = problem
                .as_ref()
                .and_then(|problem| problem[member].as_str());
            return match (wait, code) {
                (Some(1..), Some(code)) => Outcome::Refused(format!("{} {code}", response.status)),
                _ => Outcome::Wrong(format!("{kind:?} {number}: {response:?}")),
            };
        }
        let is_right = match kind {
            Kind::Sign => self.is_token(backends, number, response),
            Kind::Report => {
                let reported = self.person(number).conflict_id.as_str();
                response.status == 202 && response.json()["conflictId"] == reported
            }
            Kind::Webhook => response.status == 200 && response.body == "{}",
            Kind::Exchange if number.is_multiple_of(2) => {
                let subject = (response.status == 200)
                    .then(|| {
                        response.json()["userInfoId"]
                            .as_str()
                            .map(ToOwned::to_owned)
                    })
                    .flatten()
                    .and_then(|id| backends.puzzel.subject_of(&id));
                subject.as_ref() == Some(&self.person(number).external_id)
            }
            Kind::Exchange => {
                let chat = backends.puzzel.chat(&self.chat(number));
                let subject = chat.and_then(|chat| chat.subject);
                response.status == 200 && subject.as_ref() == Some(&self.person(number).external_id)
            }
        };
        if is_right {
            Outcome::Served
        } else {
            Outcome::Wrong(format!("{kind:?} {number}: {response:?}"))
        }
    }

    fn is_token(&self, backends: &Backends, number: usize, response: &HttpResponse) -> bool {
        let keys = BTreeMap::from([(KID.to_owned(), backends.signing_secret.clone())]);
        let person = self.person(number);
        response.status == 200
            && response.json()["token"]
                .as_str()
                .and_then(|token| user_token::verify(token, &keys).ok())
                .is_some_and(|claims| {
                    claims.external_id == person.external_id
                        && claims.email.as_ref() == Some(&person.email)
                })
    }

    /// The errors in the records of the served requests of a kind with these numbers: not recorded,
    /// or not exactly once.
    pub(super) fn unrecorded(
        &self,
        backends: &Backends,
        kind: Kind,
        served: &BTreeSet<usize>,
    ) -> Vec<String> {
        let items = backends.aws.items(TABLE);
        let mut wrong = Vec::new();
        match kind {
            Kind::Sign | Kind::Exchange => {}
            Kind::Report => {
                let records: BTreeMap<&str, &Value> = items
                    .iter()
                    .filter_map(|item| Some((item["conflictId"].as_str()?, item)))
                    .collect();
                for number in served {
                    let person = self.person(*number);
                    let record = records.get(person.conflict_id.as_str());
                    // If the same caller reports it again, the record stays unchanged.
                    let is_whole = record.is_some_and(|record| {
                        record["version"] == 1
                            && record["claimants"] == json!([person.external_id])
                            && record["email"] == person.email.as_str()
                    });
                    if !is_whole {
                        wrong.push(format!("report {number}: {record:?}"));
                    }
                }
            }
            Kind::Webhook => {
                let changes: BTreeSet<(&str, &str)> = items
                    .iter()
                    .filter(|item| item["sk"] == "changes" && item["version"] == 1)
                    .filter_map(|item| {
                        let change = item["changes"].get(0)?;
                        Some((change["previous"].as_str()?, change["current"].as_str()?))
                    })
                    .collect();
                for number in served {
                    let (previous, current) = self.change(*number);
                    if !changes.contains(&(&*previous, &*current)) {
                        wrong.push(format!("webhook {number}"));
                    }
                }
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use local_stack::issuer::keys::hs256;

    fn response(status: u16, headers: &[(&str, &str)], body: &Value) -> HttpResponse {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HttpResponse {
            status,
            headers: headers.collect(),
            body: body.to_string(),
        }
    }

    #[tokio::test]
    async fn only_the_callers_own_response_is_right() {
        let backends = Backends::start(None).await.unwrap();
        let traffic = Traffic::new(&backends, "test".to_owned(), 2);
        let is_right =
            |of, response: &HttpResponse| traffic.judge(&backends, of, response) == Outcome::Served;

        let claims = json!({
            "scope": "user", "external_id": "test-0",
            "email": "test-0@example.com", "email_verified": true,
        });
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": KID});
        let sign = |secret: &str| {
            let token = hs256(secret.as_bytes(), &header, &claims);
            response(200, &[], &json!({ "token": token }))
        };
        let signed = sign(&backends.signing_secret);
        assert!(is_right((Kind::Sign, 0), &signed));
        assert!(!is_right((Kind::Sign, 1), &signed));
        assert!(!is_right((Kind::Sign, 0), &sign("another secret")));

        let conflict = json!({"conflictId": traffic.person(1).conflict_id});
        let reported = response(202, &[], &conflict);
        assert!(is_right((Kind::Report, 1), &reported));
        assert!(!is_right((Kind::Report, 0), &reported));

        for (kind, response) in [
            (
                Kind::Exchange,
                response(200, &[], &json!({"userInfoId": "usr_"})),
            ),
            (Kind::Webhook, response(200, &[], &json!({"message": "no"}))),
            (
                Kind::Sign,
                response(504, &[], &json!({"code": "upstream_timeout"})),
            ),
        ] {
            assert!(!is_right((kind, 0), &response), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_when_to_retry() {
        let backends = Backends::start(None).await.unwrap();
        let traffic = Traffic::new(&backends, "test".to_owned(), 1);
        let busy = json!({"code": "upstream_busy"});
        let judge = |response| traffic.judge(&backends, (Kind::Report, 0), &response);
        assert_eq!(
            judge(response(503, &[("retry-after", "5")], &busy)),
            Outcome::Refused("503 upstream_busy".to_owned())
        );
        let throttled = json!({"message": "Too Many Requests"});
        assert_eq!(
            judge(response(429, &[("retry-after", "1")], &throttled)),
            Outcome::Refused("429 Too Many Requests".to_owned())
        );
        for wrong in [
            response(503, &[], &busy),
            response(503, &[("retry-after", "0")], &busy),
            response(503, &[("retry-after", "5")], &json!({"message": "no"})),
            response(429, &[], &json!({"message": "Too Many Requests"})),
        ] {
            assert!(matches!(judge(wrong), Outcome::Wrong(_)));
        }
    }

    #[tokio::test]
    async fn a_missing_promised_record_is_reported() {
        let backends = Backends::start(None).await.unwrap();
        let traffic = Traffic::new(&backends, "test".to_owned(), 1);
        for kind in [Kind::Report, Kind::Webhook] {
            let lost = traffic.unrecorded(&backends, kind, &BTreeSet::from([0]));
            assert_eq!(lost.len(), 1, "{kind:?}");
        }
    }
}
