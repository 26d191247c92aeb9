use super::super::draft::memory::{Items, id, scope};
use super::*;

const DAY: u64 = 24 * 60 * 60 * 1000;
const NOW: u64 = 1000 * DAY;

/// A change: its time, and the external ids before and after.
type Step<'a> = (u64, &'a str, &'a str);

/// The histories after these changes were recorded in this order.
#[derive(Clone, Default, PartialEq)]
struct Histories(Items);

impl Histories {
    fn of(changes: &[Step<'_>]) -> Self {
        let mut histories = Self::default();
        for change in changes {
            histories.record(*change, NOW);
        }
        histories
    }

    fn record(&mut self, (time, previous, current): Step<'_>, now: u64) {
        let previous = ExternalId::try_from(previous.to_owned()).ok();
        self.0.transact(|draft| {
            record_change(draft, &scope(), previous.as_ref(), &id(current), time, now)
        });
    }

    fn between_in(&mut self, scope: &Scope, previous: &str, current: &str) -> String {
        let changes = self
            .0
            .transact(|draft| changes_between(draft, scope, previous, current));
        match changes {
            IdChanges::Became(lineage) => {
                let expected = Lineage::new(previous, current, Source::Webhook, lineage.time);
                assert!(lineage == expected);
                format!("became at {}", lineage.time)
            }
            IdChanges::Assigned(lineage) => {
                let from = lineage.previous.as_str();
                let expected = Lineage::new(from, previous, Source::Webhook, lineage.time);
                assert!(lineage == expected);
                format!("assigned at {} from {from:?}", lineage.time)
            }
            IdChanges::Nothing => "nothing".to_owned(),
            IdChanges::Contradicted => "contradicted".to_owned(),
        }
    }

    fn between(&mut self, previous: &str, current: &str) -> String {
        self.between_in(&scope(), previous, current)
    }

    fn successor(&mut self, external_id: &str, time: u64) -> String {
        self.0
            .transact(|draft| successor(draft, &scope(), &id(external_id), time))
    }

    /// The history of one external id, as it is stored.
    fn stored(&mut self, external_id: &str) -> History {
        self.0
            .transact(|draft| history(draft, &scope(), external_id))
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

/// Checks what these changes say about each two external ids, in any order of recording.
fn assert_between(changes: &[Step<'_>], expected: &[(&str, &str, &str)]) {
    for order in orders(changes) {
        let mut histories = Histories::of(&order);
        for (previous, current, changes) in expected {
            let between = histories.between(previous, current);
            assert_eq!(between, *changes, "{previous} to {current} after {order:?}");
        }
    }
}

// ---- the changes between two external ids ----

#[test]
fn one_change_leads_from_its_first_id_to_its_second() {
    assert_between(
        &[(10, "A", "B")],
        &[
            ("A", "B", "became at 10"),
            ("A", "X", "contradicted"),
            ("B", "A", "assigned at 10 from \"A\""),
            ("B", "X", "assigned at 10 from \"A\""),
            ("X", "B", "nothing"),
            ("X", "Y", "nothing"),
        ],
    );
}

#[test]
fn a_chain_is_followed_and_its_first_change_counts() {
    assert_between(
        &[(10, "A", "B"), (20, "B", "C"), (30, "C", "D")],
        &[
            ("A", "D", "became at 10"),
            ("B", "D", "became at 20"),
            ("C", "D", "became at 30"),
            // The second id is no longer current.
            ("A", "B", "contradicted"),
            ("A", "C", "contradicted"),
            ("B", "C", "contradicted"),
            ("D", "A", "assigned at 30 from \"C\""),
        ],
    );
}

#[test]
fn a_chain_of_one_moment_is_followed() {
    assert_between(
        &[(10, "A", "B"), (10, "B", "C")],
        &[
            ("A", "C", "became at 10"),
            ("B", "C", "became at 10"),
            ("A", "B", "contradicted"),
        ],
    );
}

#[test]
fn at_most_ten_changes_are_followed() {
    let ids: Vec<String> = (0..12).map(|number| format!("id-{number}")).collect();
    let mut histories = Histories::default();
    for (time, pair) in (1..).zip(ids.windows(2)) {
        histories.record((time, &pair[0], &pair[1]), NOW);
    }
    assert_eq!(histories.between("id-1", "id-11"), "became at 2");
    assert_eq!(histories.between("id-0", "id-11"), "contradicted");
    assert_eq!(histories.successor("id-1", 0), "id-11");
    assert_eq!(histories.successor("id-0", 0), "id-10");
}

#[test]
fn the_way_back_is_followed_and_the_way_there_is_not() {
    let there_and_back = [(10, "A", "B"), (20, "B", "A")];
    assert_between(
        &there_and_back,
        &[
            ("B", "A", "became at 20"),
            ("A", "B", "contradicted"),
            ("X", "A", "nothing"),
        ],
    );
    let [there, back] = there_and_back;
    assert_between(
        &[there, back, (30, "A", "C")],
        // B is on the way, and A was left twice.
        &[("B", "C", "became at 20"), ("A", "C", "contradicted")],
    );
}

#[test]
fn a_circle_proves_nothing() {
    let ways = [("A", "B", "contradicted"), ("B", "A", "contradicted")];
    assert_between(&[(10, "A", "B"), (20, "B", "A"), (30, "A", "B")], &ways);
    assert_between(&[(10, "A", "B"), (10, "B", "A")], &ways);
    let ids = ["A", "B", "C"];
    let ways = ids.map(|previous| ids.map(|current| (previous, current, "contradicted")));
    assert_between(
        &[(10, "A", "B"), (10, "B", "C"), (10, "C", "A")],
        ways.as_flattened(),
    );
}

#[test]
fn an_id_that_became_two_others_proves_neither() {
    for time in [10, 20] {
        assert_between(
            &[(10, "A", "B"), (time, "A", "C")],
            &[("A", "B", "contradicted"), ("A", "C", "contradicted")],
        );
    }
    // The same is true in the middle of a chain.
    assert_between(
        &[(10, "A", "B"), (20, "B", "C"), (30, "B", "D")],
        &[
            ("A", "D", "contradicted"),
            ("B", "C", "contradicted"),
            ("B", "D", "contradicted"),
        ],
    );
}

#[test]
fn two_ids_that_became_the_same_one_prove_nothing() {
    for time in [10, 20] {
        assert_between(
            &[(10, "A", "C"), (time, "B", "C")],
            &[("A", "C", "contradicted"), ("B", "C", "contradicted")],
        );
    }
    // The same is true in the middle of a chain.
    assert_between(
        &[(10, "A", "B"), (15, "X", "B"), (20, "B", "C")],
        &[("A", "C", "contradicted"), ("X", "C", "contradicted")],
    );
}

// ---- an id that is issued again ----

#[test]
fn an_id_that_was_issued_before_its_change_proves_it() {
    // To a user who had none, or another one.
    for before in ["", "X"] {
        assert_between(
            &[(5, before, "A"), (10, "A", "B")],
            &[("A", "B", "became at 10")],
        );
    }
    // An id that is issued and changed in one moment was issued first.
    assert_between(
        &[(10, "X", "A"), (10, "A", "B")],
        &[("A", "B", "became at 10"), ("X", "B", "became at 10")],
    );
}

#[test]
fn an_id_that_was_issued_again_proves_nothing() {
    for again in ["", "X"] {
        assert_between(
            &[(10, "A", "B"), (20, again, "A")],
            &[("A", "B", "contradicted")],
        );
        assert_between(
            &[(10, "A", "B"), (20, again, "A"), (30, "A", "C")],
            &[("A", "B", "contradicted"), ("A", "C", "contradicted")],
        );
        assert_between(
            &[(5, again, "A"), (7, "Y", "A"), (10, "A", "B")],
            &[("A", "B", "contradicted")],
        );
    }
}

#[test]
fn an_id_between_that_was_issued_again_later_is_still_followed() {
    assert_between(
        &[(10, "A", "B"), (20, "B", "C"), (30, "X", "B")],
        &[
            ("A", "C", "became at 10"),
            ("B", "C", "contradicted"),
            ("X", "C", "contradicted"),
        ],
    );
}

#[test]
fn an_id_that_was_only_issued_contradicts_what_was_stated_before() {
    assert_between(
        &[(10, "", "B")],
        &[
            ("B", "E", "assigned at 10 from \"\""),
            // No one had an empty id before.
            ("", "B", "nothing"),
        ],
    );
    // The last time counts.
    assert_between(
        &[(10, "A", "B"), (30, "C", "B"), (20, "D", "E")],
        &[("B", "E", "assigned at 30 from \"C\"")],
    );
}

// ---- the successor of an external id ----

#[test]
fn an_id_is_succeeded_by_what_it_became_later() {
    for order in orders(&[(10, "A", "B"), (20, "B", "C")]) {
        let mut histories = Histories::of(&order);
        for (external_id, time, expected) in [
            ("A", 9, "C"),
            // The change is not later than this.
            ("A", 10, "A"),
            ("A", 11, "A"),
            ("B", 10, "C"),
            ("B", 19, "C"),
            ("B", 20, "B"),
            ("C", 0, "C"),
            ("X", 0, "X"),
        ] {
            let reached = histories.successor(external_id, time);
            assert_eq!(reached, expected, "{external_id} since {time}");
        }
    }
    // The id that it became had been left before, by someone else.
    for left_at in [10, 20] {
        let mut histories = Histories::of(&[(20, "A", "B"), (left_at, "B", "C")]);
        assert_eq!(histories.successor("A", 0), "B");
    }
    // The first change since then is the user's own; later ones are about the next holder.
    let mut histories = Histories::of(&[(10, "A", "B"), (30, "A", "D"), (20, "A", "C")]);
    assert_eq!(histories.successor("A", 0), "B");
    assert_eq!(histories.successor("A", 10), "C");
    assert_eq!(histories.successor("A", 20), "D");
}

#[test]
fn an_id_that_changed_there_and_back_is_its_own_successor() {
    let mut histories = Histories::of(&[(10, "A", "B"), (20, "B", "A")]);
    assert_eq!(histories.successor("A", 0), "A");
    assert_eq!(histories.successor("B", 0), "A");
}

// ---- what is stored ----

#[test]
fn a_repeated_change_writes_nothing_and_an_older_one_replaces_nothing() {
    let changes = [(20, "A", "B"), (10, "Z", "A")];
    let mut histories = Histories::of(&changes);
    let before = histories.clone();
    for change in changes {
        histories.record(change, NOW + DAY);
    }
    assert!(histories == before);
    assert_eq!(histories.between("A", "B"), "became at 20");
    assert_eq!(histories.between("Z", "B"), "became at 10");
    // The first id was in both changes.
    let versions = ["A", "B", "Z"].map(|id| histories.stored(id).version);
    assert_eq!(versions, [2, 1, 1]);
}

#[test]
fn a_change_is_kept_for_90_days_after_it_was_recorded_or_happened() {
    let seconds = |time: u64| time / 1000;
    let mut histories = Histories::default();
    for (time, now, expected) in [
        (NOW - DAY, NOW, NOW + 90 * DAY),
        // What is known already is not kept for a shorter time.
        (NOW - 2 * DAY, NOW - DAY, NOW + 90 * DAY),
        (NOW + DAY, NOW, NOW + 91 * DAY),
    ] {
        histories.record((time, "A", "B"), now);
        for id in ["A", "B"] {
            assert_eq!(histories.stored(id).expires_at, seconds(expected));
        }
    }
}

#[test]
fn the_latest_50_changes_of_an_id_are_kept() {
    let mut histories = Histories::default();
    for time in 1..=51 {
        histories.record((time, "A", &format!("to-{time}")), NOW);
    }
    // This one is older than all that are kept.
    histories.record((0, "A", "to-0"), NOW);
    let times: Vec<_> = histories
        .stored("A")
        .changes
        .iter()
        .map(|it| it.time)
        .collect();
    assert_eq!(times, (2..=51).collect::<Vec<_>>());
    // A change that one of its ids does not remember proves nothing.
    assert_eq!(histories.between("A", "to-1"), "contradicted");
}

#[test]
fn a_chain_through_an_id_that_does_not_remember_its_change_is_not_followed() {
    let mut histories = Histories::of(&[(1, "A", "B"), (2, "B", "C")]);
    assert_eq!(histories.between("A", "C"), "became at 1");
    for time in 3..=52 {
        histories.record((time, "", "B"), NOW);
    }
    assert_eq!(histories.between("A", "C"), "contradicted");
}

#[test]
fn apps_and_brands_are_kept_apart() {
    let mut histories = Histories::of(&[(10, "A", "B")]);
    assert_eq!(histories.between_in(&scope(), "A", "B"), "became at 10");
    for (app_id, brand_id) in [("other", None), ("app", Some("brand"))] {
        let scope = Scope {
            app_id: app_id.parse().unwrap(),
            brand_id: brand_id.map(|id| id.parse().unwrap()),
        };
        assert_eq!(histories.between_in(&scope, "A", "B"), "nothing");
    }
}

#[test]
fn the_partition_of_an_external_id_contains_only_a_hash_of_it() {
    let partition = partition(&scope(), "1234");
    let hash = partition.strip_prefix("external-id#").unwrap();
    assert_eq!(hash, scope().hash("external-id:1234").as_str());
    assert!(!partition.contains("1234"));
}
