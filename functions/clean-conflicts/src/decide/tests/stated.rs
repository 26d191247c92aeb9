//! The work that follows from an operator's statement.

use shared::conflicts::PairRef;
use shared::identity::external_id::ExternalId;

use super::*;

/// The time at which the user of these tests signed up.
const SIGNED_UP: u64 = 1_580_757_008_152;
const THIRD_ID: &str = "cccccccccccccccccccccccc";

/// An operator's statement, and the facts that were read for it. The default is a `resolve` without
/// a remedy, about a user who exists, and the first statement about the external id.
struct Stating {
    remedy: Option<Remedy>,
    is_imported: bool,
    true_since: Option<u64>,
    found: Option<User>,
    statements: Vec<Lineage>,
    opened: Option<Conflict>,
}

fn alone() -> Stating {
    Stating {
        remedy: None,
        is_imported: false,
        true_since: None,
        found: Some(user(&json!({}))),
        statements: Vec::new(),
        opened: None,
    }
}

/// The same as a pair of an import, whose list was true when it was reported.
fn imported() -> Stating {
    Stating {
        is_imported: true,
        true_since: Some(REPORTED),
        ..alone()
    }
}

/// A statement about this user that `previous` became `current`.
fn earlier(previous: &str, current: &str, user_id: &str) -> Lineage {
    let source = Source::Operator {
        user_id: user_id.to_owned(),
    };
    Lineage::new(previous, current, source, REPORTED)
}

/// The conflict of an earlier statement, which was resolved with `remedy`.
fn resolved(remedy: Remedy) -> Conflict {
    let mut conflict = Conflict::open(&report(ClaimSource::Operator, NEW, REPORTED));
    conflict.record_sent(sent(remedy));
    conflict.end(State::Resolved, None, REPORTED);
    conflict
}

/// The user after the email was taken off.
fn without_email() -> User {
    user(&json!({"identities": []}))
}

impl Stating {
    fn work(&self) -> StatedWork {
        let pair: PairRef = serde_json::from_value(json!({"key": "k", "list": "l"})).unwrap();
        let change = StatedChange {
            previous: &OLD.parse().unwrap(),
            current: &ExternalId::try_from(NEW.to_owned()).unwrap(),
            remedy: self.remedy,
            by: None,
            pair: self.is_imported.then_some(pair),
            true_since: self.true_since,
        };
        let facts = StatedFacts {
            found: self.found.clone(),
            statements: self.statements.clone(),
            opened: self.opened.clone(),
        };
        stated_work(&change, facts, &scope(), NOW)
    }

    fn shown(&self) -> &'static str {
        match self.work() {
            StatedWork::NoUser => "no user",
            StatedWork::Done(_) => "done",
            StatedWork::Contradicted => "contradicted",
            StatedWork::Report { .. } => "report",
        }
    }

    /// The conflict that the work opens, the user that the remedy is for, and the statement.
    fn opens(&self) -> (Conflict, Option<String>, Lineage) {
        let StatedWork::Report {
            report,
            limited_to,
            statement,
        } = self.work()
        else {
            panic!("{}", self.shown())
        };
        (Conflict::open(&report), limited_to, statement)
    }
}

#[test]
fn a_change_of_an_id_that_no_user_has_causes_no_work() {
    for found in [
        None,
        // The path found this user by another id.
        Some(user(&json!({"externalId": "5"}))),
        Some(user(&json!({"externalId": null}))),
        Some(user(&json!({"externalId": format!("{OLD}5")}))),
    ] {
        for stating in [alone(), imported()] {
            let mut stating = Stating {
                found: found.clone(),
                statements: vec![earlier(OLD, "7", HOLDER_ID)],
                ..stating
            };
            assert_eq!(stating.shown(), "no user");
            stating.opened = Some(reported(Remedy::Merge).conflict);
            assert_eq!(stating.shown(), "no user");
        }
    }
}

#[test]
fn a_change_is_done_if_its_conflict_is_resolved() {
    for found in [None, Some(without_email())] {
        for stating in [alone(), imported()] {
            let mut stating = Stating {
                found: found.clone(),
                opened: Some(resolved(Remedy::ReleaseEmail)),
                ..stating
            };
            assert_eq!(stating.shown(), "done");
            // It was stated otherwise since, but there is nothing to do any more.
            stating.statements = vec![earlier(OLD, "7", HOLDER_ID)];
            assert_eq!(stating.shown(), "done");
        }
    }
    // The conflict is the one that is shown to the operator.
    let conflict = resolved(Remedy::Merge);
    let stating = Stating {
        opened: Some(conflict.clone()),
        found: None,
        ..alone()
    };
    assert!(matches!(stating.work(), StatedWork::Done(shown) if *shown == conflict));
}

#[test]
fn a_change_is_not_done_if_its_conflict_is_in_another_state() {
    let mut conflict = Conflict::open(&report(ClaimSource::Operator, NEW, REPORTED));
    let mut states = vec![conflict.clone()];
    for (state, reason) in [
        (State::NotAConflict, None),
        (State::NeedsReview, Some(Reason::OwnUser)),
        (State::Failed, Some(Reason::TooManyAttempts)),
    ] {
        conflict.end(state, reason, REPORTED);
        states.push(conflict.clone());
    }
    conflict.plan(Remedy::ReleaseEmail, None);
    states.push(conflict);
    for conflict in states {
        let stating = Stating {
            found: Some(without_email()),
            opened: Some(conflict.clone()),
            ..alone()
        };
        assert_eq!(stating.shown(), "report", "{:?}", conflict.state());
    }
}

#[test]
fn a_change_is_not_done_if_the_user_holds_the_email_again() {
    let stating = |email: &str| Stating {
        found: Some(user(
            &json!({"identities": [{"type": "email", "value": email}]}),
        )),
        opened: Some(resolved(Remedy::ReleaseEmail)),
        ..alone()
    };
    assert_eq!(stating(EMAIL).shown(), "report");
    assert_eq!(stating(" Anna@Example.com").shown(), "report");
    assert_eq!(stating("work@example.com").shown(), "done");
    // A conflict over a user without an email is not about the one that it has now.
    let mut conflict = over_user(Remedy::Merge).conflict;
    conflict.record_sent(sent(Remedy::Merge));
    conflict.end(State::Resolved, None, REPORTED);
    let stating = Stating {
        opened: Some(conflict),
        ..alone()
    };
    assert_eq!(stating.shown(), "done");
}

#[test]
fn a_change_is_not_done_if_a_stronger_remedy_is_named() {
    let remedies = [Remedy::ReleaseEmail, Remedy::Merge, Remedy::Delete];
    for applied in remedies {
        for named in remedies {
            let stating = Stating {
                remedy: Some(named),
                found: Some(without_email()),
                opened: Some(resolved(applied)),
                ..alone()
            };
            let expected = if named > applied { "report" } else { "done" };
            assert_eq!(stating.shown(), expected, "{named:?} after {applied:?}");
        }
    }
    // The email was free without any remedy.
    let mut conflict = Conflict::open(&report(ClaimSource::Operator, NEW, REPORTED));
    conflict.end(State::Resolved, None, REPORTED);
    let mut stating = Stating {
        found: Some(without_email()),
        opened: Some(conflict),
        ..alone()
    };
    assert_eq!(stating.shown(), "done");
    stating.remedy = Some(Remedy::ReleaseEmail);
    assert_eq!(stating.shown(), "report");
}

#[test]
fn another_statement_about_the_id_contradicts_a_pair() {
    for (statement, for_a_pair) in [
        (earlier(OLD, "7", HOLDER_ID), "contradicted"),
        // Whoever had the id then.
        (earlier(OLD, "7", THIRD_ID), "contradicted"),
        (earlier(OLD, NEW, HOLDER_ID), "report"),
        (earlier(OLD, NEW, THIRD_ID), "report"),
        (earlier("5", "7", HOLDER_ID), "report"),
        (earlier("5", NEW, HOLDER_ID), "report"),
    ] {
        let with = |stating| Stating {
            statements: vec![earlier(OLD, NEW, HOLDER_ID), statement.clone()],
            ..stating
        };
        let shown = format!("{} to {}", statement.previous, statement.current);
        assert_eq!(with(imported()).shown(), for_a_pair, "{shown}");
        // An earlier version recorded no time with a pair.
        let mut of_earlier = with(imported());
        of_earlier.true_since = None;
        assert_eq!(of_earlier.shown(), for_a_pair, "{shown}");
        // An operator who sends one change knows better.
        assert_eq!(with(alone()).shown(), "report", "{shown}");
    }
}

#[test]
fn a_sign_up_after_the_list_was_true_contradicts_a_pair() {
    let since = |true_since| Stating {
        true_since,
        ..imported()
    };
    assert_eq!(since(Some(SIGNED_UP - 1)).shown(), "contradicted");
    assert_eq!(since(Some(SIGNED_UP)).shown(), "report");
    assert_eq!(since(Some(SIGNED_UP + 1)).shown(), "report");
    assert_eq!(since(None).shown(), "report");
    let mut unknown = since(Some(0));
    unknown.found = Some(user(&json!({"signedUpAt": null})));
    assert_eq!(unknown.shown(), "report");
}

/// A pair was stated when its list was true, and a single change is stated now.
#[test]
fn an_event_that_assigned_the_id_after_the_list_was_true_contradicts_a_pair() {
    let after = |stating: Stating, assigned_at| {
        let mut case = proven(Remedy::Merge);
        case.conflict = stating.opens().0;
        let assigned = Lineage::new("7", OLD, Source::Webhook, assigned_at);
        case.becomes(IdChanges::Assigned(assigned));
        case.decision()
    };
    let merged = proven(Remedy::Merge).decision();
    let contradicted = review(Reason::ContradictedLineage);
    assert_eq!(after(imported(), REPORTED - 1), merged);
    assert_eq!(after(imported(), REPORTED), contradicted);
    assert_eq!(after(imported(), NOW - 1), contradicted);
    assert_eq!(after(alone(), NOW - 1), merged);
    assert_eq!(after(alone(), NOW), contradicted);
}

#[test]
fn a_change_is_a_claim_of_the_operator_over_the_users_email() {
    for (stating, stated_at) in [(alone(), NOW), (imported(), REPORTED)] {
        let (conflict, limited_to, lineage) = stating.opens();
        assert_eq!((conflict.email(), conflict.user_id()), (Some(EMAIL), None));
        let claims: Vec<_> = conflict.claims().iter().collect();
        assert!(claims == [&Claim::new(NEW, ClaimSource::Operator, NOW)]);
        assert_eq!(limited_to, None);
        let source = Source::Operator {
            user_id: HOLDER_ID.to_owned(),
        };
        assert!(lineage == Lineage::new(OLD, NEW, source, stated_at));
        assert!(conflict.lineages() == [lineage]);
    }
    // Which of two emails it is about is unknown.
    let email = |email: &str| json!({"type": "email", "value": email});
    for identities in [json!([]), json!([email(EMAIL), email("work@example.com")])] {
        let stating = Stating {
            found: Some(user(&json!({"identities": identities}))),
            ..alone()
        };
        let (conflict, ..) = stating.opens();
        let about = (conflict.email(), conflict.user_id());
        assert_eq!(about, (None, Some(HOLDER_ID)));
    }
}

#[test]
fn a_named_remedy_is_for_the_user_that_is_there_now() {
    for remedy in [Remedy::ReleaseEmail, Remedy::Merge, Remedy::Delete] {
        let stating = Stating {
            remedy: Some(remedy),
            ..alone()
        };
        assert_eq!(stating.opens().1.as_deref(), Some(HOLDER_ID));
    }
}

#[test]
fn a_statement_about_an_earlier_holder_of_the_id_comes_with_the_report() {
    let stating = Stating {
        statements: vec![
            earlier(OLD, NEW, HOLDER_ID),
            earlier(OLD, NEW, THIRD_ID),
            earlier(OLD, "7", THIRD_ID),
        ],
        ..alone()
    };
    let (conflict, _, lineage) = stating.opens();
    let expected = [
        earlier(OLD, NEW, THIRD_ID),
        earlier(OLD, "7", THIRD_ID),
        lineage,
    ];
    assert!(conflict.lineages() == expected);
    let mut case = proven(Remedy::Merge);
    case.conflict = conflict;
    assert_eq!(case.decision(), review(Reason::ContradictedLineage));
}
