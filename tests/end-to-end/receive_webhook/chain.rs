//! An external id that is changed more than once is one claimant, and is cleared as one.

use std::collections::BTreeMap;

use local_stack::standins::sunshine::{Sunshine, SunshineConfig, User};

use super::*;

/// The Support user of the events.
const ZENDESK_ID: &str = "35436";

/// An event about [`EMAIL`]'s user, from this many seconds ago.
fn changed_before(seconds: i64, previous: &str, current: &str) -> Value {
    let id = format!("{seconds} {previous} {current}");
    let time = seconds_from_now(-seconds);
    let mut event = external_id_changed(&id, &time, EMAIL, (previous, current));
    event["detail"]["id"] = json!(ZENDESK_ID);
    event
}

#[tokio::test]
async fn a_chain_leaves_one_claimant_in_whatever_order_it_comes() {
    let [first, second] = [changed_before(60, "A", "B"), changed_before(30, "B", "C")];
    for order in [[&first, &second], [&second, &first]] {
        let stack = Stack::start(&[]).await;
        for event in order {
            stack.deliver(event).await;
        }
        assert_eq!(stack.claimants(EMAIL), ids(["C"]));
    }
}

/// Every order of three, each with the user's email.
#[tokio::test]
async fn a_longer_chain_leaves_one_claimant_in_whatever_order_it_comes() {
    let events = [
        changed_before(60, "A", "B"),
        changed_before(40, "B", "C"),
        changed_before(20, "C", "D"),
    ];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let stack = Stack::start(&[]).await;
        for number in order {
            stack.deliver(&events[number]).await;
        }
        assert_eq!(stack.claimants(EMAIL), ids(["D"]), "{order:?}");
    }
}

#[tokio::test]
async fn the_way_back_leaves_the_first_id_as_the_claimant() {
    let [there, back] = [changed_before(60, "A", "B"), changed_before(30, "B", "A")];
    for order in [[&there, &back], [&back, &there]] {
        let stack = Stack::start(&[]).await;
        for event in order {
            stack.deliver(event).await;
        }
        assert_eq!(stack.claimants(EMAIL), ids(["A"]));
    }
}

#[tokio::test]
async fn two_people_with_one_email_stay_two_claimants() {
    let stack = Stack::start(&[]).await;
    stack.deliver(&changed_before(60, "A", "B")).await;
    stack.deliver(&changed_before(30, "X", "Y")).await;
    assert_eq!(stack.claimants(EMAIL), ids(["B", "Y"]));
}

/// `clean-conflicts` beside the webhook, with a user who holds the email under the id `A`.
struct Cleanup {
    stack: Stack,
    sunshine: Sunshine,
    clean: Function,
}

impl Cleanup {
    async fn start() -> Self {
        let stack = Stack::start(&[]).await;
        let key = "api-key";
        stack.aws.create_bucket("archive").await;
        stack
            .aws
            .put_secret("key", &json!({"keyId": "int_test", "secret": key}))
            .await;
        let sunshine = Sunshine::start(SunshineConfig {
            app_id: "app".to_owned(),
            integration_keys: BTreeMap::from([("int_test".to_owned(), key.to_owned())]),
            ..SunshineConfig::default()
        })
        .await
        .unwrap();
        sunshine.add_user(User {
            signed_up_at: Some("2020-02-03T19:10:08.152Z".to_owned()),
            zendesk_id: Some(ZENDESK_ID.to_owned()),
            ..User::known("A", EMAIL)
        });
        let url = sunshine.url();
        let variables = [
            ("ARCHIVE_BUCKET", "archive"),
            ("SUNSHINE_BASE_URL", &url),
            ("SUNSHINE_API_KEY_SECRET_ID", "key"),
            ("REMEDY", "merge"),
            ("TRUST_WEBHOOK_LINEAGE", "true"),
        ];
        let clean = stack.launch("clean-conflicts", &variables).await;
        Self {
            stack,
            sunshine,
            clean,
        }
    }

    async fn drain(&self) -> Value {
        let drain = json!({"action": "drain"});
        self.clean.invoke(&drain).await.unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = self.sunshine.changing_calls().into_iter();
        calls
            .map(|call| format!("{} {}", call.method, call.path))
            .collect()
    }
}

#[tokio::test]
async fn a_chain_proves_a_merge() {
    let cleanup = Cleanup::start().await;
    cleanup.stack.deliver(&changed_before(60, "A", "B")).await;
    cleanup.stack.deliver(&changed_before(30, "B", "C")).await;
    let core_user = json!({"externalId": "C", "email": EMAIL});
    let core_user = serde_json::from_value(core_user).unwrap();
    cleanup.sunshine.set_core_user(ZENDESK_ID, core_user);
    let report = cleanup.drain().await;
    let calls = cleanup.calls();
    assert_eq!(calls, ["POST /sc/v2/apps/app/users/35436/sync"], "{report}");
    assert_eq!(report["resolved"], 1, "{report}");
}

#[tokio::test]
async fn a_contradiction_or_a_loop_needs_review() {
    let contradiction = [("A", "C"), ("A", "B")];
    let round = [("A", "B"), ("B", "A"), ("A", "B")];
    for changes in [&contradiction[..], &round] {
        let cleanup = Cleanup::start().await;
        for (seconds, (previous, current)) in (0..).map(|at| 60 - at).zip(changes) {
            let mut event = changed_before(seconds, previous, current);
            if *current != "B" {
                event["detail"]["email"] = Value::Null;
            }
            cleanup.stack.deliver(&event).await;
        }
        let report = cleanup.drain().await;
        assert_eq!(report["needsReview"], 1, "{report}");
        assert_eq!(report["conflicts"][0]["reason"], "contradicted_lineage");
        assert_eq!(cleanup.calls(), [""; 0]);
    }
}

#[tokio::test]
async fn an_id_that_came_back_is_not_a_conflict() {
    let cleanup = Cleanup::start().await;
    cleanup.stack.deliver(&changed_before(60, "A", "B")).await;
    cleanup.stack.deliver(&changed_before(30, "B", "A")).await;
    let report = cleanup.drain().await;
    assert_eq!(report["notAConflict"], 1, "{report}");
    assert_eq!(cleanup.calls(), [""; 0]);
}
