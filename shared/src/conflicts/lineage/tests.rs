use super::*;

const DAY: u64 = 24 * 60 * 60 * 1000;
const NOW: u64 = 1000 * DAY;
const CLAIM: Source = Source::Claim { changed_at: None };

fn stated(previous: &str, current: &str, source: Source, time: u64) -> Lineage {
    Lineage::new(previous, current, source, time)
}

/// 1234 became 123456 a day ago.
fn lineage() -> Lineage {
    stated("1234", "123456", Source::Webhook, NOW - DAY)
}

fn changed_at(changed_at: u64, time: u64) -> Lineage {
    let source = Source::Claim {
        changed_at: Some(changed_at),
    };
    stated("1234", "123456", source, time)
}

fn by_operator(user_id: &str, time: u64) -> Lineage {
    let source = Source::Operator {
        user_id: user_id.to_owned(),
    };
    stated("1234", "123456", source, time)
}

/// The user with 1234, who signed up two days ago.
fn target() -> Target<'static> {
    signed_up(Some(NOW - 2 * DAY))
}

fn signed_up(signed_up_at: Option<u64>) -> Target<'static> {
    Target {
        id: "a",
        external_id: "1234",
        signed_up_at,
    }
}

fn proof(target: &Target<'_>, lineages: &[Lineage]) -> Proof {
    weigh(target, "123456", &lineages.iter().collect::<Vec<_>>(), NOW)
}

#[test]
fn a_lineage_proves_its_own_two_ids_only() {
    assert_eq!(proof(&target(), &[lineage()]), Proof::Given);
    assert_eq!(proof(&target(), &[]), Proof::Missing);
    let of_another = Target {
        external_id: "123",
        ..target()
    };
    assert_eq!(proof(&of_another, &[lineage()]), Proof::Missing);
    let lineage = lineage();
    let to_another = weigh(&target(), "12345", &[&lineage], NOW);
    assert_eq!(to_another, Proof::Contradicted);
    // It also proves the change on its own.
    assert!(lineage.proves(&target(), "123456", NOW));
    assert!(!lineage.proves(&target(), "12345", NOW));
    assert!(!by_operator("b", NOW).proves(&target(), "123456", NOW));
}

#[test]
fn an_empty_side_proves_nothing() {
    let nobody = Target {
        external_id: "",
        ..target()
    };
    let from_empty = stated("", "123456", Source::Webhook, NOW - DAY);
    assert_eq!(proof(&nobody, &[from_empty]), Proof::Missing);
    let to_empty = stated("1234", "", Source::Webhook, NOW - DAY);
    let to_nobody = weigh(&target(), "", &[&to_empty], NOW);
    assert_eq!(to_nobody, Proof::Missing);
}

#[test]
fn a_claim_without_a_time_counts_once_the_target_is_quiet() {
    let claim = stated("1234", "123456", CLAIM, NOW - DAY);
    assert_eq!(
        proof(&target(), std::slice::from_ref(&claim)),
        Proof::OnceQuiet
    );
    let both = [claim.clone(), lineage()];
    assert_eq!(proof(&target(), &both), Proof::Given);
    let both = [lineage(), claim.clone()];
    assert_eq!(proof(&target(), &both), Proof::Given);
    assert_eq!(proof(&target(), &[claim.clone(), claim]), Proof::OnceQuiet);
}

#[test]
fn a_claim_with_a_time_is_compared_by_it() {
    let signed_up = |at| signed_up(Some(at));
    let claim = [changed_at(NOW - 5 * DAY, NOW)];
    assert_eq!(proof(&signed_up(NOW - 6 * DAY), &claim), Proof::Given);
    // The target signed up after the change, though before the claim was made.
    assert_eq!(proof(&signed_up(NOW - 4 * DAY), &claim), Proof::Missing);
    // A change of long ago counts if it is stated now, and not if it was stated long ago.
    let of_long_ago = [changed_at(NOW - 900 * DAY, NOW - 90 * DAY + 1)];
    let early = signed_up(NOW - 901 * DAY);
    assert_eq!(proof(&early, &of_long_ago), Proof::Given);
    let stated_long_ago = [changed_at(NOW - 900 * DAY, NOW - 90 * DAY)];
    assert_eq!(proof(&early, &stated_long_ago), Proof::Missing);
    let of_tomorrow = [changed_at(NOW - 5 * DAY, NOW + 1)];
    assert_eq!(proof(&early, &of_tomorrow), Proof::Missing);
    let of_the_future = [changed_at(NOW + 1, NOW)];
    assert_eq!(proof(&target(), &of_the_future), Proof::Missing);
}

#[test]
fn a_user_who_signed_up_after_the_change_is_its_new_holder() {
    for signed_up_at in [None, Some(NOW - DAY), Some(NOW)] {
        let late = signed_up(signed_up_at);
        assert_eq!(
            proof(&late, &[lineage()]),
            Proof::Missing,
            "{signed_up_at:?}"
        );
    }
}

#[test]
fn a_user_who_signed_up_in_the_second_of_the_change_may_be_its_new_holder() {
    let change = [stated("1234", "123456", Source::Webhook, NOW - DAY + 999)];
    assert_eq!(proof(&signed_up(Some(NOW - DAY)), &change), Proof::Missing);
    assert_eq!(
        proof(&signed_up(Some(NOW - DAY - 1)), &change),
        Proof::Given
    );
}

#[test]
fn a_lineage_counts_for_90_days_and_not_in_the_future() {
    let early = signed_up(Some(0));
    let at = |time| proof(&early, &[stated("1234", "123456", Source::Webhook, time)]);
    assert_eq!(at(NOW), Proof::Given);
    assert_eq!(at(NOW + 1), Proof::Missing);
    assert_eq!(at(NOW - 90 * DAY + 1), Proof::Given);
    assert_eq!(at(NOW - 90 * DAY), Proof::Missing);
}

#[test]
fn an_operators_statement_is_about_one_user() {
    for target in [signed_up(None), target()] {
        assert!(by_operator("b", NOW).is_of_another(&target));
        assert!(!by_operator("a", NOW).is_of_another(&target));
        assert!(!lineage().is_of_another(&target));
        assert_eq!(proof(&target, &[by_operator("a", NOW)]), Proof::Given);
        // It was stated about another user, so this user is the next holder of the external id.
        let both = [by_operator("b", NOW - DAY), by_operator("a", NOW)];
        assert_eq!(proof(&target, &both), Proof::Contradicted);
    }
}

#[test]
fn another_statement_contradicts() {
    for other in [
        // It also became another user's.
        stated("1234", "7", CLAIM, 1),
        // It was assigned to a user again, at the time of the change or later.
        stated("7", "1234", CLAIM, NOW - DAY),
        stated("7", "1234", CLAIM, NOW),
    ] {
        assert_eq!(proof(&target(), &[lineage(), other]), Proof::Contradicted);
    }
    // The user itself got it before.
    let earlier = stated("7", "1234", CLAIM, NOW - DAY - 1);
    assert_eq!(proof(&target(), &[lineage(), earlier]), Proof::Given);
    let elsewhere = stated("7", "8", CLAIM, NOW);
    assert_eq!(proof(&target(), &[lineage(), elsewhere]), Proof::Given);
}

#[test]
fn one_contradicted_proof_among_several_is_enough() {
    let reassigned = stated("7", "1234", CLAIM, NOW - DAY);
    let old = stated("1234", "123456", Source::Webhook, NOW - DAY - 1);
    let new = by_operator("a", NOW);
    for lineages in [
        [old.clone(), new.clone(), reassigned.clone()],
        [new, old, reassigned],
    ] {
        assert_eq!(proof(&target(), &lineages), Proof::Contradicted);
    }
}

#[test]
fn the_latest_statement_decides_which_id_is_left() {
    let left = |ids: &[&'static str], lineages: &[Lineage]| {
        let lineages: Vec<_> = lineages.iter().collect();
        let person_of = successors(&ids.iter().copied().collect(), &lineages, NOW);
        let ids_of: BTreeSet<_> = person_of.keys().copied().collect();
        assert_eq!(ids_of, ids.iter().copied().collect());
        let left: BTreeSet<_> = person_of.into_values().collect();
        left.into_iter().collect::<Vec<_>>()
    };
    let there = || stated("a", "b", CLAIM, NOW - 2);
    let back = || stated("b", "a", CLAIM, NOW - 1);
    assert_eq!(left(&["a", "b"], &[there()]), ["b"]);
    assert_eq!(left(&["a", "b"], &[there(), back()]), ["a"]);
    assert_eq!(left(&["a", "b"], &[back(), there()]), ["a"]);
    let there_again = Lineage {
        stated_again_at: Some(NOW),
        ..there()
    };
    assert_eq!(left(&["a", "b"], &[there_again, back()]), ["b"]);
    // An id that is not in the list replaces none.
    assert_eq!(left(&["a"], &[there()]), ["a"]);
    assert_eq!(left(&["a", "c"], &[there()]), ["a", "c"]);
    let chain = [there(), stated("b", "c", CLAIM, NOW - 1)];
    assert_eq!(left(&["a", "b", "c"], &chain), ["c"]);
    // The same is true if the id in between claims nothing.
    assert_eq!(left(&["a", "c"], &chain), ["c"]);
    let other_order = [there(), stated("b", "c", CLAIM, NOW - 3)];
    assert_eq!(left(&["a", "b", "c"], &other_order), ["c"]);
    // The last statement counts, even if its id is not a claimant.
    let twice = [there(), stated("a", "c", CLAIM, NOW - 3)];
    assert_eq!(left(&["a", "c"], &twice), ["a", "c"]);
    let round = [there(), back(), stated("a", "b", CLAIM, NOW)];
    assert_eq!(left(&["a", "b"], &round), ["b"]);
    assert_eq!(left(&["a"], &[stated("a", "a", CLAIM, NOW)]), ["a"]);
    // A statement that is too old, or in the future, does not make two ids one person.
    for time in [NOW - 90 * DAY, NOW + 1] {
        assert_eq!(
            left(&["a", "b"], &[stated("a", "b", CLAIM, time)]),
            ["a", "b"]
        );
    }
}

#[test]
fn two_statements_are_equal_only_if_their_sources_are() {
    let all = [
        lineage(),
        stated("1234", "123456", CLAIM, NOW),
        by_operator("a", NOW),
        by_operator("b", NOW),
        stated("1234", "7", CLAIM, NOW),
        stated("7", "123456", CLAIM, NOW),
    ];
    for (at, one) in all.iter().enumerate() {
        for (other_at, other) in all.iter().enumerate() {
            assert_eq!(one.says_the_same(other), at == other_at, "{at} {other_at}");
        }
    }
    assert!(changed_at(1, NOW).says_the_same(&stated("1234", "123456", CLAIM, 2)));
    assert!(lineage().says_the_same(&stated("1234", "123456", Source::Webhook, 2)));
}

#[test]
fn a_statement_is_renewed_once_a_day_or_if_another_came_between() {
    let again = |time, is_latest| {
        let mut known = stated("1234", "123456", CLAIM, NOW);
        known.state_again(&stated("1234", "123456", CLAIM, time), is_latest);
        assert_eq!(known.time, NOW);
        known.stated_again_at
    };
    assert_eq!(again(NOW + DAY - 1, true), None);
    assert_eq!(again(NOW + DAY, true), Some(NOW + DAY));
    assert_eq!(again(NOW + 1, false), Some(NOW + 1));
    assert_eq!(again(NOW, false), None);
    assert_eq!(again(NOW - 1, false), None);
}

#[test]
fn the_earliest_time_of_a_change_is_kept() {
    let after = |known: Option<u64>, new: Option<u64>| {
        let with = |changed_at| stated("1234", "123456", Source::Claim { changed_at }, NOW);
        let mut lineage = with(known);
        lineage.state_again(&with(new), true);
        lineage.true_since()
    };
    assert_eq!(after(None, Some(5)), 5);
    assert_eq!(after(Some(5), None), 5);
    assert_eq!(after(Some(5), Some(4)), 4);
    assert_eq!(after(Some(4), Some(5)), 4);
    assert_eq!(after(None, None), NOW);
}

#[test]
fn a_later_statement_about_one_of_the_ids_follows() {
    let first = stated("a", "b", CLAIM, NOW);
    for (previous, current, time, follows) in [
        ("b", "a", NOW + 1, true),
        ("a", "c", NOW + 1, true),
        ("c", "a", NOW + 1, true),
        ("b", "c", NOW + 1, true),
        ("c", "d", NOW + 1, false),
        ("b", "a", NOW, false),
    ] {
        let other = stated(previous, current, CLAIM, time);
        assert_eq!(
            first.is_followed_by(&other),
            follows,
            "{previous} {current}"
        );
    }
}

#[test]
fn a_lineage_that_was_stored_by_an_earlier_version_is_read() {
    let stored = r#"{"previous":"1","current":"2","source":{"kind":"claim"},"time":7}"#;
    let read: Lineage = serde_json::from_str(stored).unwrap();
    assert!(read == stated("1", "2", CLAIM, 7));
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    let stored =
        r#"{"previous":"1","current":"2","source":{"kind":"operator","userId":"u"},"time":7}"#;
    let read: Lineage = serde_json::from_str(stored).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
}
