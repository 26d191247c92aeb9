//! The process is killed at each step and started again: the net effect happens once, and the work
//! ends.
//!
//! Each request to the API and to AWS is a step, before it takes effect and after, with and without
//! a response. For a read it makes no difference when the process dies, so one point is enough.

use local_stack::standins::holds::Hold;

use super::*;

/// The point at which a process is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// At the nth request to the API with this method.
    Api(&'static str, usize, Point),
    /// At the nth request to AWS for this operation.
    Aws(&'static str, usize, Point),
}

/// A kill at the nth request of a kind.
type At = fn(&'static str, usize, Point) -> Kill;

/// Every kind of request that the function sends, and the points that make a difference for it.
const POINTS: [(At, &str, &[Point]); 10] = [
    (Kill::Api, "GET", &[Point::Handled]),
    (Kill::Api, "DELETE", &EACH),
    (Kill::Api, "POST", &EACH),
    (Kill::Api, "PATCH", &EACH),
    (Kill::Aws, "PutItem", &BOTH),
    (Kill::Aws, "GetItem", &[Point::Handled]),
    (Kill::Aws, "TransactGetItems", &[Point::Handled]),
    (Kill::Aws, "Query", &[Point::Handled]),
    (Kill::Aws, "PUT", &BOTH),
    (Kill::Aws, "GET", &[Point::Handled]),
];
const EACH: [Point; 3] = [Point::Arrived, Point::Handled, Point::Answered];
const BOTH: [Point; 2] = [Point::Arrived, Point::Handled];

/// The timeout of the invocation that is killed.
const SHORT: Duration = Duration::from_secs(20);
/// The messages of the history that may be lost.
const MESSAGES: usize = 3;

/// A person with a changed external id.
struct Case {
    old: String,
    new: String,
    email: String,
    user: User,
}

impl Case {
    fn new(stack: &Stack, number: usize) -> Self {
        let (old, new) = (format!("old-{number}"), format!("new-{number}"));
        let email = format!("case-{number}@example.com");
        let zendesk_id = format!("9{number}");
        let user = stack.sunshine.add_user(User {
            external_id: Some(old.clone()),
            identities: vec![Identity::email(&email)],
            zendesk_id: Some(zendesk_id.clone()),
            ..holder()
        });
        stack.sunshine.add_client(&user.id, Client::sdk());
        stack.sunshine.add_conversation(&user.id, MESSAGES);
        let core_user = CoreUser {
            external_id: Some(new.clone()),
            email: Some(email.clone()),
            ..CoreUser::default()
        };
        stack.sunshine.set_core_user(&zendesk_id, core_user);
        stack.support_user(&zendesk_id, &new, &email);
        Self {
            old,
            new,
            email,
            user,
        }
    }

    async fn report(&self, stack: &Stack) {
        let caller = json!({
            "sub": self.new, "previous": self.old, "email": self.email, "email_verified": true,
        });
        let response = stack.report_as(caller).await;
        assert_eq!(response.status, 202, "{response:?}");
    }

    fn resolve(&self, remedy: &str) -> Value {
        json!({
            "action": "resolve", "previousExternalId": self.old,
            "currentExternalId": self.new, "remedy": remedy, "by": "ada",
        })
    }

    fn record(&self, stack: &Stack) -> Option<Value> {
        let mut records = stack.records().into_iter();
        records.find(|record| record["email"] == self.email.as_str())
    }

    fn now(&self, stack: &Stack) -> Option<User> {
        stack.sunshine.user(&self.user.id)
    }

    /// The number of requests of this method that took effect on this user.
    fn effects(&self, stack: &Stack, method: &str) -> usize {
        let all = stack.sunshine.changing_calls();
        let mine = all.iter().filter(|call| {
            call.method == method && call.path.split('/').any(|part| *part == self.user.id)
        });
        mine.filter(|call| call.handled).count()
    }
}

/// Checks that this user has the whole history.
fn assert_whole(stack: &Stack, user: &User) {
    assert_eq!(stack.messages_of(&user.id), MESSAGES);
    assert_eq!(stack.sunshine.clients(&user.id).len(), 1);
}

enum Held {
    Api(Hold),
    Aws(Hold<local_stack::aws::Recorded>),
}

impl Kill {
    fn hold(self, stack: &Stack) -> Held {
        match self {
            Self::Api(method, nth, point) => {
                Held::Api(stack.sunshine.traffic().hold(method, nth, point))
            }
            Self::Aws(operation, nth, point) => Held::Aws(stack.aws.hold(operation, nth, point)),
        }
    }
}

impl Held {
    async fn reached(&self) {
        match self {
            Self::Api(hold) => drop(hold.reached().await),
            Self::Aws(hold) => drop(hold.reached().await),
        }
    }
}

/// Invokes the function, and kills the process at that step. Returns whether it reached the step.
async fn killed(stack: &Stack, event: &Value, kill: Kill) -> bool {
    let held = kill.hold(stack);
    let is_killed = tokio::select! {
        () = held.reached() => {
            stack.clean.kill().await;
            true
        }
        response = stack.clean.invoke_within(event, SHORT) => {
            assert!(response.is_ok(), "{response:?}");
            false
        }
    };
    if let Kill::Api(method, _, Point::Arrived) = kill
        && is_killed
    {
        // The request is lost with its sender, so it has no effect when it is released.
        let faults = stack.sunshine.faults();
        faults.add(Rule::new(method, Fault::Reset).times(1));
    }
    drop(held);
    is_killed
}

/// Checks that no lease is longer than the invocation that took it, and lets them all expire.
fn expire(stack: &Stack, began: u64) {
    let latest = began + u64::try_from(DEADLINE.as_millis()).unwrap() + 1000;
    for mut item in stack.aws.items(TABLE) {
        if item["sk"] == "lease" {
            assert!(item["leaseUntil"].as_u64().unwrap() <= latest, "{item}");
            item["leaseUntil"] = json!(0);
            stack.aws.put_item(TABLE, &item);
        } else if !item["dueAt"].is_null() {
            // A wait may be longer, but never if the process died.
            let is_wait = item["state"] != "in_progress";
            assert!(
                is_wait || item["dueAt"].as_u64().unwrap() <= latest,
                "{item}"
            );
            item["dueAt"] = json!(0);
            stack.aws.put_item(TABLE, &item);
        }
    }
}

/// Kills the process at every step in turn, each time with a new case, until there are no more
/// steps.
async fn at_every_step(
    stack: &mut Stack,
    remedy: Option<&str>,
    invoked_again: bool,
    check: impl AsyncFn(&Stack, &Case, &Value, Kill),
) {
    let mut number = 0;
    for (at, name, points) in POINTS {
        for point in points {
            for nth in 1.. {
                number += 1;
                let kill = at(name, nth, *point);
                let case = Case::new(stack, number);
                let event = if let Some(remedy) = remedy {
                    case.resolve(remedy)
                } else {
                    case.report(stack).await;
                    json!({"action": "drain"})
                };
                let began = now();
                let is_killed = killed(stack, &event, kill).await;
                if is_killed {
                    stack.clean.restart().await.unwrap();
                }
                expire(stack, began);
                if is_killed && (invoked_again || case.record(stack).is_none()) {
                    stack.invoke(event).await;
                }
                for _ in 0..12 {
                    expire(stack, now());
                    if case.record(stack).unwrap()["dueAt"].is_null() {
                        break;
                    }
                    stack.drain().await;
                }
                check(stack, &case, &case.record(stack).unwrap(), kill).await;
                stack.assert_on_the_path();
                if !is_killed {
                    break;
                }
            }
        }
    }
    println!("killed {number} times");
    assert!(number > 20);
}

#[tokio::test]
async fn a_plan_is_made_and_nothing_touched() {
    let mut stack = Stack::start(&[]).await;
    at_every_step(
        &mut stack,
        None,
        false,
        async |stack, case, record, kill| {
            assert_eq!(record["state"], "planned", "{kill:?}: {record}");
            assert_eq!(case.now(stack).unwrap(), case.user);
        },
    )
    .await;
    stack.assert_untouched();
}

#[tokio::test]
async fn a_release_takes_the_email_and_nothing_else() {
    let mut stack = Stack::start(&[("REMEDY", "release-email")]).await;
    at_every_step(
        &mut stack,
        None,
        false,
        async |stack, case, record, kill| {
            assert_eq!(record["state"], "resolved", "{kill:?}: {record}");
            let user = case.now(stack).unwrap();
            assert!(!user.has_email(&case.email), "{kill:?}");
            assert_eq!(user.external_id, case.user.external_id, "{kill:?}");
            assert_eq!(user.metadata, case.user.metadata, "{kill:?}");
            let mut profile = case.user.profile.clone();
            profile.remove("email");
            assert_eq!(user.profile, profile, "{kill:?}");
            assert_whole(stack, &user);

            // The archive is of the user as it was.
            let archive = stack.archived(record["archive"].as_str().unwrap()).await;
            let archived = archive.iter().find(|(key, _)| key.contains("/user-"));
            let (_, lines) = archived.unwrap();
            assert_eq!(lines[0]["profile"]["givenName"], "Anna", "{kill:?}");
            assert_eq!(lines[0]["metadata"]["tier"], "gold", "{kill:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_merge_brings_the_history_to_the_caller() {
    let mut stack = Stack::start(&[("REMEDY", "merge"), TRUSTED]).await;
    at_every_step(
        &mut stack,
        None,
        false,
        async |stack, case, record, kill| {
            assert_eq!(record["state"], "resolved", "{kill:?}: {record}");
            let user = stack.sunshine.user_by_external_id(&case.new).unwrap();
            assert!(user.has_email(&case.email), "{kill:?}");
            assert!(stack.sunshine.user_by_external_id(&case.old).is_none());
            assert_whole(stack, &user);
        },
    )
    .await;
}

/// The schedule runs before the operator does: a drain never deletes.
#[tokio::test]
async fn a_delete_happens_once_if_the_schedule_resumes_it() {
    delete(false).await;
}

#[tokio::test]
async fn a_delete_happens_once_if_the_operator_requests_it_again() {
    delete(true).await;
}

async fn delete(invoked_again: bool) {
    let mut stack = Stack::start(&[("REMEDY", "delete")]).await;
    let remedy = Some("delete");
    at_every_step(
        &mut stack,
        remedy,
        invoked_again,
        async |stack, case, record, kill| {
            let state = record["state"].as_str().unwrap();
            let deletes = case.effects(stack, "DELETE");
            let is_gone = case.now(stack).is_none();
            assert_eq!(deletes, usize::from(is_gone), "{kill:?}: {record}");
            if is_gone {
                assert_eq!(state, "resolved", "{kill:?}: {record}");
                let archive = stack.archived(record["archive"].as_str().unwrap()).await;
                let messages = archive.iter().filter(|(key, _)| key.contains("/messages-"));
                let messages: usize = messages.map(|(_, lines)| lines.len()).sum();
                assert_eq!(messages, MESSAGES, "{kill:?}");
            } else {
                // After the second request, only a call that may have been sent needs a person.
                let is_unknown = record["reason"] == "outcome_unknown";
                assert!(is_unknown || !invoked_again, "{kill:?}: {record}");
                assert_eq!(state, "needs_review", "{kill:?}: {record}");
                assert_eq!(case.now(stack).unwrap(), case.user, "{kill:?}");
                assert_whole(stack, &case.user);
            }
        },
    )
    .await;
}
