//! The lineage between two external ids, from recorded events, read from the embedded DynamoDB.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use shared::conflicts::{Change, Event, IdChanges, Lineage, Recorded, Scope, Source, Table};
use shared::identity::external_id::ExternalId;

use super::*;

/// The table, and the embedded DynamoDB that contains it.
struct History {
    aws: Aws,
    table: Table,
    scope: Scope,
}

impl History {
    async fn start() -> Self {
        let aws = Aws::start().await.unwrap();
        aws.create_table(conflicts_table(TABLE));
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(aws.url())
            .region(Region::new(local_stack::aws::REGION))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .build();
        let table = Table::new(Client::from_conf(config), TABLE.to_owned());
        let scope = Scope {
            app_id: "app".parse().unwrap(),
            brand_id: None,
        };
        Self { aws, table, scope }
    }

    /// A history of these changes, recorded in this order: `(time, previous, current)`.
    async fn of(changes: &[(u64, &str, &str)]) -> Self {
        let history = Self::start().await;
        for change in changes {
            history.record_change(*change).await;
        }
        history
    }

    /// Records a change with a new event each time.
    async fn record_change(&self, (time, previous, current): (u64, &str, &str)) {
        let id = |id: &str| ExternalId::try_from(id.to_owned());
        let change = Change::ExternalId {
            previous: id(previous).ok(),
            current: id(current).unwrap(),
            email: None,
        };
        self.record(time, None, change).await;
    }

    async fn record(&self, time: u64, zendesk_id: Option<&str>, change: Change) {
        let event = Event {
            id: rand::random::<u128>().to_string(),
            time,
            zendesk_id: zendesk_id.map(str::to_owned),
            change,
        };
        let recorded = self.table.record_event(&self.scope, &event).await;
        assert_ne!(recorded.unwrap(), Recorded::Replayed);
    }

    /// Everything that is recorded except the ids of events.
    fn items(&self) -> Vec<Value> {
        let mut items = self.aws.items(TABLE);
        items.retain(|item| item["sk"] != "seen");
        items
    }

    /// The time of the change, `nothing` or `otherwise`.
    async fn changes(&self, previous: &str, current: &str) -> String {
        let changes = self.table.changes_between(&self.scope, previous, current);
        match changes.await.unwrap() {
            IdChanges::Became(lineage) => {
                assert_eq!(
                    (lineage.previous.as_str(), lineage.current.as_str()),
                    (previous, current)
                );
                lineage.time.to_string()
            }
            IdChanges::Assigned(lineage) => {
                assert_eq!(lineage.current, previous);
                "nothing".to_owned()
            }
            IdChanges::Nothing => "nothing".to_owned(),
            IdChanges::Contradicted => "otherwise".to_owned(),
        }
    }

    async fn assert_between(&self, expected: &[(&str, &str, &str)]) {
        for (previous, current, changes) in expected {
            let seen = self.changes(previous, current).await;
            assert_eq!(seen, *changes, "{previous} to {current}");
        }
    }
}

/// Every order of these.
fn orders<T: Copy>(of: &[T]) -> Vec<Vec<T>> {
    if of.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for first in 0..of.len() {
        let mut rest = of.to_vec();
        let first = rest.remove(first);
        for mut order in orders(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

#[tokio::test]
async fn a_chain_is_followed_in_any_order_of_events() {
    for order in orders(&[(10, "A", "B"), (20, "B", "C"), (30, "C", "D")]) {
        let expected = [
            ("A", "D", "10"),
            ("B", "D", "20"),
            ("C", "D", "30"),
            // No longer current.
            ("A", "B", "otherwise"),
            ("A", "C", "otherwise"),
            // The wrong way round, and another user.
            ("B", "A", "otherwise"),
            ("D", "A", "nothing"),
            ("X", "D", "nothing"),
            ("A", "X", "otherwise"),
            ("D", "X", "nothing"),
        ];
        History::of(&order).await.assert_between(&expected).await;
    }
}

#[tokio::test]
async fn the_way_back_is_followed_and_the_way_there_is_not() {
    for order in orders(&[(10, "A", "B"), (20, "B", "A")]) {
        let history = History::of(&order).await;
        history
            .assert_between(&[
                ("B", "A", "20"),
                ("A", "B", "otherwise"),
                ("X", "A", "nothing"),
            ])
            .await;
        // Then from A to C: B is still on the way, and A was left twice.
        history.record_change((30, "A", "C")).await;
        history
            .assert_between(&[("B", "C", "20"), ("A", "C", "otherwise")])
            .await;
    }
}

#[tokio::test]
async fn a_loop_proves_nothing() {
    for order in orders(&[(10, "A", "B"), (20, "B", "A"), (30, "A", "B")]) {
        let history = History::of(&order).await;
        history
            .assert_between(&[("A", "B", "otherwise"), ("B", "A", "otherwise")])
            .await;
    }
    for order in orders(&[(10, "A", "B"), (10, "B", "A")]) {
        let history = History::of(&order).await;
        history
            .assert_between(&[("A", "B", "otherwise"), ("B", "A", "otherwise")])
            .await;
    }
    let all_at_once = [(10, "A", "B"), (10, "B", "C"), (10, "C", "A")];
    for order in orders(&all_at_once) {
        let history = History::of(&order).await;
        for previous in ["A", "B", "C"] {
            for current in ["A", "B", "C"] {
                let changes = history.changes(previous, current).await;
                assert_eq!(changes, "otherwise", "{previous} to {current}");
            }
        }
    }
}

#[tokio::test]
async fn a_chain_of_one_moment_is_followed() {
    for order in orders(&[(10, "A", "B"), (10, "B", "C")]) {
        let expected = [("A", "C", "10"), ("B", "C", "10"), ("A", "B", "otherwise")];
        History::of(&order).await.assert_between(&expected).await;
    }
}

#[tokio::test]
async fn an_id_that_became_two_others_proves_neither() {
    for time in [10, 20] {
        for order in orders(&[(10, "A", "B"), (time, "A", "C")]) {
            let expected = [("A", "B", "otherwise"), ("A", "C", "otherwise")];
            History::of(&order).await.assert_between(&expected).await;
        }
    }
    // The same is true in the middle of a chain.
    for order in orders(&[(10, "A", "B"), (20, "B", "C"), (30, "B", "D")]) {
        let expected = [
            ("A", "D", "otherwise"),
            ("B", "D", "otherwise"),
            ("B", "C", "otherwise"),
        ];
        History::of(&order).await.assert_between(&expected).await;
    }
}

#[tokio::test]
async fn two_ids_that_became_the_same_one_prove_nothing() {
    for order in orders(&[(10, "A", "C"), (20, "B", "C")]) {
        let expected = [("A", "C", "otherwise"), ("B", "C", "otherwise")];
        History::of(&order).await.assert_between(&expected).await;
    }
}

#[tokio::test]
async fn a_reassigned_id_proves_nothing() {
    // To a user of another id, or of none; and then changed again.
    for again in ["X", ""] {
        for order in orders(&[(10, "A", "B"), (20, again, "A"), (30, "A", "C")]) {
            let expected = [("A", "B", "otherwise"), ("A", "C", "otherwise")];
            History::of(&order).await.assert_between(&expected).await;
        }
        let history = History::of(&[(20, again, "A"), (10, "A", "B")]).await;
        assert_eq!(history.changes("A", "B").await, "otherwise");
    }
    // Its first assignment does not count.
    let history = History::of(&[(10, "A", "B"), (5, "", "A")]).await;
    history
        .assert_between(&[("A", "B", "10"), ("", "A", "nothing"), ("", "B", "nothing")])
        .await;
}

#[tokio::test]
async fn an_older_event_replaces_nothing_and_a_repeated_one_writes_nothing() {
    let history = History::of(&[(20, "A", "B"), (10, "Z", "A")]).await;
    let before = history.items();
    for change in [(20, "A", "B"), (10, "Z", "A")] {
        history.record_change(change).await;
    }
    assert_eq!(history.items(), before);
    history
        .assert_between(&[("A", "B", "20"), ("Z", "B", "10")])
        .await;
}

#[tokio::test]
async fn simultaneous_changes_are_all_kept() {
    let history = History::start().await;
    let names: Vec<String> = (0..20).map(|number| format!("to-{number}")).collect();
    let changes = names
        .iter()
        .map(|name| history.record_change((10, "A", name)));
    futures_util::future::join_all(changes).await;
    let items = history.items();
    let most = items
        .iter()
        .map(|item| item["changes"].as_array().unwrap().len());
    assert_eq!(most.max(), Some(20));
}

#[tokio::test]
async fn an_assignment_of_the_first_id_is_known() {
    let history = History::of(&[(10, "A", "B"), (20, "D", "E")]).await;
    let changes = history.table.changes_between(&history.scope, "B", "E");
    let IdChanges::Assigned(assigned) = changes.await.unwrap() else {
        panic!("B was assigned to a user");
    };
    let expected = Lineage::new("A", "B", Source::Webhook, 10);
    assert!(assigned == expected);
}

#[tokio::test]
async fn apps_and_brands_are_kept_apart() {
    let history = History::of(&[(10, "A", "B")]).await;
    for (app_id, brand_id) in [("other", None), ("app", Some("brand"))] {
        let scope = Scope {
            app_id: app_id.parse().unwrap(),
            brand_id: brand_id.map(|id| id.parse().unwrap()),
        };
        let changes = history
            .table
            .changes_between(&scope, "A", "B")
            .await
            .unwrap();
        assert!(matches!(changes, IdChanges::Nothing));
    }
}

/// The external id of a Support user, and its time.
async fn support_user(history: &History, id: &str) -> (Option<String>, u64) {
    let user = history.table.support_user(id).await.unwrap().unwrap();
    (user.external_id().map(str::to_owned), user.time())
}

fn became(current: &str) -> Change {
    Change::ExternalId {
        previous: None,
        current: ExternalId::try_from(current.to_owned()).unwrap(),
        email: None,
    }
}

#[tokio::test]
async fn the_latest_event_states_the_external_id_of_a_support_user() {
    for order in orders(&[(10, "A"), (20, "B"), (30, "C")]) {
        let history = History::start().await;
        for (time, external_id) in order {
            history.record(time, Some("77"), became(external_id)).await;
        }
        let known = support_user(&history, "77").await;
        assert_eq!(known, (Some("C".to_owned()), 30));
        assert!(history.table.support_user("78").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_latest_event_states_the_email_of_a_support_user() {
    let with_email = |email: &str| Change::Email {
        external_id: ExternalId::try_from("A".to_owned()).unwrap(),
        email: email.into(),
    };
    for order in orders(&[(10, "a@example.com"), (20, "B@example.com")]) {
        let history = History::start().await;
        for (time, email) in order {
            history.record(time, Some("77"), with_email(email)).await;
        }
        let user = history.table.support_user("77").await.unwrap().unwrap();
        assert_eq!(user.email(), Some("b@example.com"));
        history.record(30, Some("77"), became("B")).await;
        let user = history.table.support_user("77").await.unwrap().unwrap();
        assert_eq!((user.external_id(), user.email()), (Some("B"), None));
    }
}

#[tokio::test]
async fn two_events_of_one_moment_leave_the_external_id_unknown() {
    for order in orders(&[(10, "A"), (10, "B")]) {
        let history = History::start().await;
        for (time, external_id) in order {
            history.record(time, Some("77"), became(external_id)).await;
        }
        assert_eq!(support_user(&history, "77").await, (None, 10));
    }
}

#[tokio::test]
async fn a_merge_or_a_deletion_leaves_the_external_id_unknown_until_a_later_event() {
    let merge = || Change::Merged {
        with: "78".to_owned(),
    };
    for change in [merge, || Change::Unknown] {
        let history = History::start().await;
        history.record(20, Some("77"), became("A")).await;
        history.record(10, Some("77"), change()).await;
        assert_eq!(support_user(&history, "77").await.0.as_deref(), Some("A"));
        history.record(30, Some("77"), change()).await;
        assert_eq!(support_user(&history, "77").await, (None, 30));
        history.record(40, Some("77"), became("B")).await;
        assert_eq!(support_user(&history, "77").await.0.as_deref(), Some("B"));
    }
    let history = History::start().await;
    history.record(10, Some("77"), Change::Unknown).await;
    assert_eq!(history.items(), [Value::Null; 0], "nothing to forget");
}

#[tokio::test]
async fn both_users_of_a_merge_settle_for_half_a_minute() {
    let history = History::start().await;
    let merge = |with: &str| Change::Merged {
        with: with.to_owned(),
    };
    history.record(60_000, Some("77"), merge("78")).await;
    history.record(50_000, Some("78"), merge("79")).await;
    for (id, from) in [("77", 60_000), ("78", 60_000), ("79", 50_000)] {
        let user = history.table.support_user(id).await.unwrap().unwrap();
        assert!(user.is_settling(from + 29_999), "{id}");
        assert!(!user.is_settling(from + 30_000), "{id}");
    }
}
