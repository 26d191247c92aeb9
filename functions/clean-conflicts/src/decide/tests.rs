//! The truth table of the rules: each reason, state, remedy and `REMEDY`.

#![allow(
    clippy::needless_pass_by_value,
    clippy::type_complexity,
    reason = "values that are made in place, and tables of cases"
)]

mod attempted;
mod stated;

use std::time::Duration;

use serde_json::{Value, json};
use shared::conflicts::{
    Claim, ClaimSource, Conflict, IdChanges, Lineage, Remedy, Report, Scope, Sent, Source, State,
};
use shared::sunshine::{User, UserId};
use strum::VariantArray as _;

use super::*;
use crate::evidence::{LastSeen, MergeCall};
use crate::plan::Call;

const DAY: u64 = 24 * 60 * 60 * 1000;
/// 2026-11-26T00:00:00Z.
const NOW: u64 = 1_795_651_200_000;
/// The time of the report, unless a test says otherwise.
const REPORTED: u64 = NOW - 2 * DAY;
const EMAIL: &str = "anna@example.com";
const OLD: &str = "1234";
const NEW: &str = "123456";
const HOLDER_ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";
const OWN_ID: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";
const ZENDESK_ID: &str = "35436";

#[test]
fn the_tests_name_each_reason() {
    let tests = [
        include_str!("tests.rs"),
        include_str!("tests/attempted.rs"),
        include_str!("tests/stated.rs"),
    ]
    .concat();
    for reason in Reason::VARIANTS {
        let name = format!("Reason::{reason:?}");
        let is_whole = |rest: &str| rest.starts_with(|next: char| !next.is_alphanumeric());
        assert!(tests.split(&name).skip(1).any(is_whole), "{name}");
    }
}

// ---- the parts of a case ----

/// A conflict, the facts about it, and the policy. By default, every rule of the evidence holds.
struct Case {
    conflict: Conflict,
    facts: Facts,
    policy: Policy,
}

fn scope() -> Scope {
    Scope {
        app_id: "app".parse().unwrap(),
        brand_id: None,
    }
}

fn report(source: ClaimSource, external_id: &str, time: u64) -> Report {
    let claim = Claim::new(external_id, source, time);
    Report::over_email(&scope(), &EMAIL.into(), claim)
}

fn user(fields: &Value) -> User {
    let mut json = json!({
        "id": HOLDER_ID, "externalId": OLD, "zendeskId": ZENDESK_ID,
        "signedUpAt": "2020-02-03T19:10:08.152Z",
        "identities": [{"type": "email", "value": EMAIL}],
    });
    for (name, value) in fields.as_object().unwrap() {
        json[name] = value.clone();
    }
    json.to_string().parse().unwrap()
}

/// The caller's own user.
fn own(fields: &Value) -> User {
    let mut json = json!({"id": OWN_ID, "externalId": NEW});
    for (name, value) in fields.as_object().unwrap() {
        json[name] = value.clone();
    }
    json.to_string().parse().unwrap()
}

fn stated(source: Source) -> Lineage {
    Lineage::new(OLD, NEW, source, REPORTED)
}

/// Lineage from the identity provider, with the time of the change.
fn claimed() -> Lineage {
    stated(Source::Claim {
        changed_at: Some(REPORTED),
    })
}

/// Lineage from the identity provider, without a time.
fn claimed_without_time() -> Lineage {
    stated(Source::Claim { changed_at: None })
}

fn by_operator(user_id: &str) -> Lineage {
    stated(Source::Operator {
        user_id: user_id.to_owned(),
    })
}

/// A report without lineage, with `REMEDY` at `allowed`.
fn reported(allowed: Remedy) -> Case {
    Case {
        conflict: Conflict::open(&report(ClaimSource::Report, NEW, REPORTED)),
        facts: Facts {
            holders: vec![user(&json!({}))],
            last_seen: LastSeen::Never,
            ..Facts::default()
        },
        policy: Policy {
            allowed,
            named: None,
            brand: None,
            release_after: Duration::from_hours(24),
            merge_call: MergeCall::Sync,
            trusts_events: false,
        },
    }
}

/// A report with lineage of the identity provider, and everything that a sync needs.
fn proven(allowed: Remedy) -> Case {
    let mut case = reported(allowed);
    case.report(report(ClaimSource::Report, NEW, REPORTED).with_lineages([claimed()]));
    case.policy.trusts_events = true;
    case.facts.support_external_id = Some(NEW.to_owned());
    case
}

fn event_alone() -> Case {
    let mut case = reported(Remedy::Merge);
    case.conflict = Conflict::open(&report(ClaimSource::Event, NEW, REPORTED));
    case
}

impl Case {
    fn report(&mut self, report: Report) {
        if let Some(reported) = self.conflict.reported_again(&report, REPORTED) {
            self.conflict = reported;
        }
    }

    fn becomes(&mut self, changes: IdChanges) {
        self.facts.id_changes.insert(NEW.to_owned(), changes);
    }

    fn holder(&mut self, fields: &Value) {
        self.facts.holders = vec![user(fields)];
    }

    fn own(&mut self, fields: &Value) {
        self.facts.own.insert(NEW.to_owned(), own(fields));
    }

    fn named(mut self, remedy: Remedy) -> Self {
        self.policy.named = Some(remedy);
        self.policy.allowed = Remedy::Delete;
        self
    }

    fn next(&self) -> Decision {
        next(&self.conflict, &self.facts, &self.policy, NOW)
    }

    fn decision(&self) -> String {
        shown(&self.next())
    }
}

fn shown(decision: &Decision) -> String {
    match decision {
        Decision::Done(outcome) => format!("{outcome:?}"),
        Decision::AwaitEffect => "AwaitEffect".to_owned(),
        Decision::Postpone { remedy, until } => format!("Postpone({remedy:?}, {until})"),
        Decision::Restore(patch) => format!("Restore({})", json!(patch)),
        Decision::Apply(plan) => {
            let call = match &plan.call {
                Call::Release => "Release".to_owned(),
                Call::Sync(id) => format!("Sync({id})"),
                Call::Merge { survivor, .. } => {
                    let survivor = survivor.as_ref().map(ToString::to_string);
                    format!("Merge({})", survivor.unwrap_or_default())
                }
                Call::Delete => "Delete".to_owned(),
            };
            match plan.instead_because {
                Some(reason) => format!("{call} because {reason:?}"),
                None => call,
            }
        }
    }
}

fn review(reason: Reason) -> String {
    format!("NeedsReview({reason:?})")
}

fn planned(remedy: Remedy) -> String {
    format!("Planned({remedy:?}, None)")
}

fn not_claimed() -> String {
    "Planned(ReleaseEmail, Some(NotClaimed))".to_owned()
}

// ---- REMEDY, and the mildest remedy that resolves ----

#[test]
fn without_lineage_the_remedy_is_a_release() {
    assert_eq!(
        reported(Remedy::Plan).decision(),
        planned(Remedy::ReleaseEmail)
    );
    for allowed in [Remedy::ReleaseEmail, Remedy::Merge, Remedy::Delete] {
        assert_eq!(reported(allowed).decision(), "Release");
    }
}

#[test]
fn with_lineage_the_remedy_is_a_merge_if_that_is_allowed_and_possible() {
    assert_eq!(proven(Remedy::Plan).decision(), planned(Remedy::Merge));
    assert_eq!(proven(Remedy::ReleaseEmail).decision(), "Release");
    for allowed in [Remedy::Merge, Remedy::Delete] {
        assert_eq!(proven(allowed).decision(), format!("Sync({ZENDESK_ID})"));
    }
}

#[test]
fn a_merge_that_is_not_possible_becomes_a_release_that_says_why() {
    let broken: [(Reason, fn(&mut Case)); 7] = [
        (Reason::NoZendeskId, |it| {
            it.holder(&json!({"zendeskId": null}));
        }),
        (Reason::NoZendeskId, |it| {
            it.holder(&json!({"zendeskId": "abc"}));
        }),
        (Reason::SupportIdUnknown, |it| {
            it.facts.support_external_id = None;
        }),
        (Reason::SupportIdUnknown, |it| {
            it.facts.support_external_id = Some("9001".to_owned());
        }),
        (Reason::SupportIdUnknown, |it| {
            it.policy.trusts_events = false;
        }),
        (Reason::SupportIdUnknown, |it| {
            it.facts.support_email_is_anothers = true;
        }),
        (Reason::CallerLinked, |it| {
            it.own(&json!({"zendeskId": "99"}));
        }),
    ];
    for (reason, break_it) in broken {
        let mut case = proven(Remedy::Merge);
        break_it(&mut case);
        assert_eq!(case.decision(), format!("Release because {reason:?}"));
        // If an operator names the merge, the reason is shown.
        assert_eq!(case.named(Remedy::Merge).decision(), review(reason));
        // No merge was allowed, so nothing is missing.
        let mut case = proven(Remedy::ReleaseEmail);
        break_it(&mut case);
        assert_eq!(case.decision(), "Release");
        let mut case = proven(Remedy::Plan);
        break_it(&mut case);
        assert_eq!(case.decision(), planned(Remedy::ReleaseEmail));
    }
}

#[test]
fn a_linked_callers_user_that_is_not_the_callers_own_is_not_merged() {
    // The lookup found this user because the caller's external id has the form of a user's id.
    for merge_call in [MergeCall::Sync, MergeCall::AppusersMerge] {
        let mut case = proven(Remedy::Merge);
        case.policy.merge_call = merge_call;
        case.own(&json!({"externalId": "another"}));
        assert_eq!(case.decision(), "Release because CallerLinked");
    }
    let mut case = proven(Remedy::Merge);
    case.own(&json!({}));
    assert_eq!(case.decision(), format!("Sync({ZENDESK_ID})"));
}

#[test]
fn a_merge_by_ids_needs_neither_a_zendesk_id_nor_an_event() {
    let mut case = proven(Remedy::Merge);
    case.policy.merge_call = MergeCall::AppusersMerge;
    case.policy.trusts_events = false;
    case.facts.support_external_id = None;
    case.facts.support_email_is_anothers = true;
    case.holder(&json!({"zendeskId": null}));
    assert_eq!(case.decision(), "Merge()");
    case.own(&json!({"zendeskId": "99"}));
    assert_eq!(case.decision(), format!("Merge({OWN_ID})"));
}

#[test]
fn a_plan_names_the_user_the_callers_own_and_the_call() {
    let mut case = proven(Remedy::Merge);
    case.own(&json!({}));
    let Decision::Apply(plan) = case.next() else {
        panic!()
    };
    assert_eq!(plan.user.as_str(), HOLDER_ID);
    assert_eq!(plan.own_user_id.unwrap().as_str(), OWN_ID);
    let mut case = reported(Remedy::ReleaseEmail);
    case.own(&json!({"externalId": "another"}));
    let Decision::Apply(plan) = case.next() else {
        panic!()
    };
    assert!(plan.own_user_id.is_none());
}

#[test]
fn a_plan_counts_the_emails_that_a_merge_may_leave() {
    fn with_email(email: &str) -> Value {
        json!({"identities": [{"type": "email", "value": email}]})
    }
    let counted = |change: fn(&mut Case)| {
        let mut case = proven(Remedy::Merge);
        change(&mut case);
        match case.next() {
            Decision::Apply(plan) => plan.emails,
            _ => panic!(),
        }
    };
    assert_eq!(counted(|_| {}), 1);
    assert_eq!(counted(|it| it.own(&with_email("work@example.com"))), 2);
    assert_eq!(counted(|it| it.own(&with_email(EMAIL))), 1);
    for (email, emails) in [("new@example.com", 2), (EMAIL, 1)] {
        let mut case = proven(Remedy::Merge);
        case.facts.support_email = Some(email.to_owned());
        let Decision::Apply(plan) = case.next() else {
            panic!()
        };
        assert_eq!(plan.emails, emails, "{email}");
    }
    // A user that is not the caller's own is not merged.
    let mut case = reported(Remedy::ReleaseEmail);
    case.own(&json!({
        "externalId": "another", "identities": [{"type": "email", "value": "x@example.com"}],
    }));
    let Decision::Apply(plan) = case.next() else {
        panic!()
    };
    assert_eq!(plan.emails, 1);
}

// ---- the holder ----

#[test]
fn each_broken_rule_about_the_holder_needs_review() {
    let broken: [(Reason, fn(&mut Case)); 10] = [
        (Reason::SeveralUsers, |it| {
            it.facts
                .holders
                .push(user(&json!({"id": OWN_ID, "externalId": "5"})));
        }),
        (Reason::EmailNotAnIdentity, |it| {
            it.holder(&json!({"identities": []}));
        }),
        (Reason::EmailNotAnIdentity, |it| {
            it.holder(&json!({"identities": [{"type": "phoneNumber", "value": EMAIL}]}));
        }),
        (Reason::NoExternalId, |it| {
            it.holder(&json!({"externalId": null}));
        }),
        (Reason::NoExternalId, |it| {
            it.holder(&json!({"externalId": ""}));
        }),
        (Reason::CaseDifference, |it| {
            it.conflict = Conflict::open(&report(ClaimSource::Report, "\u{c4}nna", REPORTED));
            it.holder(&json!({"externalId": "\u{e4}NNA"}));
        }),
        (Reason::OwnUser, |it| it.own(&json!({"id": HOLDER_ID}))),
        (Reason::OtherBrand, |it| {
            it.policy.brand = Some("9477".parse().unwrap());
        }),
        (Reason::OtherBrand, |it| {
            it.policy.brand = Some("9477".parse().unwrap());
            it.holder(&json!({"brandId": "9478"}));
        }),
        (Reason::SeveralCallers, |it| {
            it.report(report(ClaimSource::Report, "7", REPORTED));
        }),
    ];
    for (reason, break_it) in broken {
        for allowed in [Remedy::Plan, Remedy::Merge, Remedy::Delete] {
            let mut case = reported(allowed);
            break_it(&mut case);
            assert_eq!(case.decision(), review(reason), "{allowed:?}");
        }
    }
    // The model reads an empty external id as none, and the rule does not depend on it.
    let mut case = reported(Remedy::Merge);
    case.facts.holders[0].external_id = Some(String::new());
    assert_eq!(case.decision(), review(Reason::NoExternalId));
    let mut case = reported(Remedy::Merge);
    case.policy.brand = Some("9477".parse().unwrap());
    case.holder(&json!({"brandId": "9477"}));
    assert_eq!(case.decision(), "Release");
}

#[test]
fn an_email_held_by_no_one_or_by_the_caller_is_not_a_conflict() {
    for allowed in [Remedy::Plan, Remedy::ReleaseEmail, Remedy::Delete] {
        let mut case = reported(allowed);
        case.facts.holders.clear();
        assert_eq!(case.decision(), "NotAConflict");
        case.holder(&json!({"externalId": NEW}));
        assert_eq!(case.decision(), "NotAConflict");
    }
    // The caller's earlier id is another one.
    let mut case = proven(Remedy::ReleaseEmail);
    case.report(report(ClaimSource::Report, OLD, REPORTED));
    assert_eq!(case.decision(), "Release");
}

#[test]
fn a_remedy_that_was_approved_for_one_user_is_not_applied_to_another() {
    for remedy in [Remedy::ReleaseEmail, Remedy::Merge, Remedy::Delete] {
        let mut case = proven(remedy).named(remedy);
        case.conflict.approve(OWN_ID.to_owned(), REPORTED);
        assert_eq!(case.decision(), review(Reason::HolderChanged));
        case.conflict.approve(HOLDER_ID.to_owned(), REPORTED);
        assert!(case.decision().starts_with(match remedy {
            Remedy::Merge => "Sync",
            Remedy::Delete => "Delete",
            _ => "Release",
        }));
    }
}

#[test]
fn no_drain_continues_an_approval() {
    let mut case = reported(Remedy::Delete);
    case.conflict.approve(HOLDER_ID.to_owned(), REPORTED);
    assert_eq!(case.decision(), review(Reason::ApprovalInterrupted));
}

// ---- claims ----

#[test]
fn two_callers_are_a_dispute_however_old_their_claims_are() {
    let mut case = reported(Remedy::Merge);
    case.report(report(ClaimSource::Report, "7", NOW - 60 * DAY));
    assert_eq!(case.decision(), review(Reason::SeveralCallers));
    // A release needs no single claimant, if an operator names it, and it is for none of them.
    case.own(&json!({}));
    let Decision::Apply(plan) = case.named(Remedy::ReleaseEmail).next() else {
        panic!()
    };
    assert!(plan.call == Call::Release && plan.own_user_id.is_none());
    let mut case = proven(Remedy::Merge);
    case.report(report(ClaimSource::Operator, "7", REPORTED));
    for remedy in [Remedy::Merge, Remedy::Delete] {
        case = case.named(remedy);
        assert_eq!(case.decision(), review(Reason::SeveralCallers));
    }
    case.facts.holders.clear();
    assert_eq!(case.decision(), review(Reason::SeveralCallers));
}

#[test]
fn a_holder_who_claims_the_email_too_makes_a_dispute() {
    for source in [ClaimSource::Report, ClaimSource::Event] {
        let mut case = reported(Remedy::ReleaseEmail);
        case.report(report(source, OLD, REPORTED));
        assert_eq!(case.decision(), review(Reason::SeveralCallers));
    }
    let mut case = reported(Remedy::ReleaseEmail).named(Remedy::ReleaseEmail);
    case.report(report(ClaimSource::Event, OLD, REPORTED));
    assert_eq!(case.decision(), "NotAConflict");
}

#[test]
fn lineage_makes_two_claimants_one_caller() {
    let mut case = proven(Remedy::Merge);
    case.report(report(ClaimSource::Report, OLD, REPORTED));
    assert_eq!(case.decision(), format!("Sync({ZENDESK_ID})"));
    // A change from events alone counts only if events are trusted: the facts contain no others.
    let mut case = reported(Remedy::ReleaseEmail);
    case.report(report(ClaimSource::Report, "7", REPORTED));
    case.facts.changes = vec![Lineage::new("7", NEW, Source::Webhook, REPORTED)];
    assert_eq!(case.decision(), "Release");
}

#[test]
fn an_event_alone_only_plans() {
    for allowed in [Remedy::Plan, Remedy::ReleaseEmail, Remedy::Delete] {
        let mut case = event_alone();
        case.policy.allowed = allowed;
        assert_eq!(case.decision(), not_claimed());
    }
    // Lineage that is not trusted changes nothing.
    let mut case = event_alone();
    case.becomes(IdChanges::Became(stated(Source::Webhook)));
    assert_eq!(case.decision(), not_claimed());
    case.becomes(IdChanges::Contradicted);
    assert_eq!(case.decision(), not_claimed());
    // With the user's own report it is a claim.
    case.becomes(IdChanges::Nothing);
    case.report(report(ClaimSource::Report, NEW, REPORTED));
    assert_eq!(case.decision(), "Release");
}

#[test]
fn an_event_with_trusted_lineage_from_the_holder_is_a_claim() {
    let mut case = event_alone();
    case.policy.trusts_events = true;
    assert_eq!(case.decision(), not_claimed());
    case.becomes(IdChanges::Contradicted);
    assert_eq!(case.decision(), review(Reason::ContradictedLineage));
    case.becomes(IdChanges::Became(stated(Source::Webhook)));
    case.facts.support_external_id = Some(NEW.to_owned());
    assert_eq!(case.decision(), format!("Sync({ZENDESK_ID})"));
    // As a claim it makes a dispute.
    case.report(report(ClaimSource::Report, "7", REPORTED));
    assert_eq!(case.decision(), review(Reason::SeveralCallers));
}

#[test]
fn an_event_that_is_not_a_claim_makes_no_dispute() {
    let mut case = event_alone();
    case.report(report(ClaimSource::Report, "7", REPORTED));
    assert_eq!(case.decision(), "Release");
    // Lineage that is not trusted does not turn the event into a claim.
    case.becomes(IdChanges::Became(stated(Source::Webhook)));
    assert_eq!(case.decision(), "Release");
}

#[test]
fn an_operators_statement_without_proof_is_not_a_report() {
    let mut case = reported(Remedy::ReleaseEmail);
    case.conflict = Conflict::open(&report(ClaimSource::Operator, NEW, REPORTED));
    assert_eq!(case.decision(), not_claimed());
    let proof =
        report(ClaimSource::Operator, NEW, REPORTED).with_lineages([by_operator(HOLDER_ID)]);
    case.conflict = Conflict::open(&proof);
    assert_eq!(case.decision(), "Release");
}

#[test]
fn a_claim_from_30_days_ago_is_not_acted_on() {
    for days in [30, 400] {
        let at = NOW - days * DAY;
        let mut case = proven(Remedy::Merge);
        let old = report(ClaimSource::Report, NEW, at).with_lineages([claimed()]);
        case.conflict = Conflict::open(&old);
        assert_eq!(case.decision(), "NotAConflict");
        assert_eq!(case.named(Remedy::ReleaseEmail).decision(), "NotAConflict");
        let mut case = event_alone();
        case.conflict = Conflict::open(&report(ClaimSource::Event, NEW, at));
        assert_eq!(case.decision(), "NotAConflict");
    }
    let mut case = reported(Remedy::ReleaseEmail);
    let young = report(ClaimSource::Report, NEW, NOW - 30 * DAY + 1);
    case.conflict = Conflict::open(&young);
    assert_eq!(case.decision(), "Release");
    // A fresh event does not replace a fresh report.
    case.conflict = Conflict::open(&report(ClaimSource::Report, NEW, NOW - 31 * DAY));
    let event = report(ClaimSource::Event, NEW, NOW);
    case.conflict = case.conflict.reported_again(&event, NOW).unwrap();
    assert_eq!(case.decision(), not_claimed());
}

/// The caller has the email again, under another external id; an event about a third one opens the
/// conflict again.
#[test]
fn a_report_of_an_earlier_episode_is_not_acted_on() {
    let mut case = reported(Remedy::ReleaseEmail);
    case.conflict.end(State::NotAConflict, None, REPORTED);
    let event = report(ClaimSource::Event, "7", REPORTED + DAY);
    case.conflict = case.conflict.reported_again(&event, NOW).unwrap();
    assert_eq!(case.decision(), not_claimed());
    let again = report(ClaimSource::Report, NEW, REPORTED + DAY);
    case.conflict = case.conflict.reported_again(&again, NOW).unwrap();
    assert_eq!(case.decision(), "Release");
}

#[test]
fn an_operator_may_release_an_email_that_only_an_event_claims() {
    let mut case = event_alone().named(Remedy::ReleaseEmail);
    assert_eq!(case.decision(), "Release");
    case.holder(&json!({"externalId": null}));
    assert_eq!(case.decision(), review(Reason::NoExternalId));
    let case = event_alone().named(Remedy::Delete);
    assert_eq!(case.decision(), not_claimed());
}

// ---- the holder is quiet ----

#[test]
fn a_release_without_lineage_waits() {
    let mut case = reported(Remedy::ReleaseEmail);
    case.policy.release_after = Duration::from_hours(48 + 1);
    let until = REPORTED + 49 * 60 * 60 * 1000;
    case.facts.last_seen = LastSeen::NotRead;
    assert_eq!(case.decision(), format!("Postpone(ReleaseEmail, {until})"));
    case.policy.release_after = Duration::from_hours(48);
    case.facts.last_seen = LastSeen::Never;
    assert_eq!(case.decision(), "Release");
    // A plan says what would be done, and an operator need not wait.
    case.policy.release_after = Duration::from_hours(49);
    case.policy.allowed = Remedy::Plan;
    assert_eq!(case.decision(), planned(Remedy::ReleaseEmail));
    assert_eq!(case.named(Remedy::ReleaseEmail).decision(), "Release");
}

#[test]
fn a_holder_who_was_seen_since_the_first_report_is_active() {
    for (seen, is_active) in [
        (LastSeen::Never, false),
        (LastSeen::At(REPORTED - 1), false),
        (LastSeen::At(REPORTED), false),
        (LastSeen::At(REPORTED + 1), true),
        (LastSeen::Unknown, true),
        (LastSeen::NotRead, true),
    ] {
        for allowed in [Remedy::Plan, Remedy::ReleaseEmail, Remedy::Delete] {
            let mut case = reported(allowed);
            case.facts.last_seen = seen;
            let is_review = case.decision() == review(Reason::HolderActive);
            assert_eq!(is_review, is_active, "{seen:?} {allowed:?}");
        }
        // It does not matter with lineage, or if an operator has checked.
        let mut case = proven(Remedy::ReleaseEmail);
        case.facts.last_seen = seen;
        assert_eq!(case.decision(), "Release");
        let mut case = reported(Remedy::ReleaseEmail).named(Remedy::ReleaseEmail);
        case.facts.last_seen = seen;
        assert_eq!(case.decision(), "Release");
    }
}

#[test]
fn the_first_report_of_an_episode_counts_and_not_an_event() {
    let mut case = event_alone();
    case.facts.last_seen = LastSeen::At(REPORTED + 1);
    let late = report(ClaimSource::Report, NEW, REPORTED + 2);
    case.conflict = case.conflict.reported_again(&late, REPORTED + 2).unwrap();
    assert_eq!(case.decision(), "Release");
}

#[test]
fn a_claim_without_a_time_counts_after_the_wait_and_the_quiet() {
    let mut case = proven(Remedy::Merge);
    let claim = report(ClaimSource::Report, NEW, REPORTED).with_lineages([claimed_without_time()]);
    case.conflict = Conflict::open(&claim);
    assert_eq!(case.decision(), format!("Sync({ZENDESK_ID})"));
    assert_eq!(case.named(Remedy::Delete).decision(), "Delete");

    let mut case = proven(Remedy::Merge);
    case.conflict = Conflict::open(&claim);
    case.facts.last_seen = LastSeen::At(NOW);
    assert_eq!(case.decision(), review(Reason::HolderActive));
    assert_eq!(
        case.named(Remedy::Delete).decision(),
        review(Reason::HolderActive)
    );

    let mut case = proven(Remedy::Merge);
    case.conflict = Conflict::open(&claim);
    case.policy.release_after = Duration::from_hours(49);
    let until = REPORTED + 49 * 60 * 60 * 1000;
    assert_eq!(case.decision(), format!("Postpone(Merge, {until})"));
    assert_eq!(
        case.named(Remedy::Merge).decision(),
        review(Reason::NoLineage)
    );
}

// ---- nothing else is taken ----

#[test]
fn a_holder_with_another_identity_is_not_released_by_a_drain() {
    let email = json!({"type": "email", "value": EMAIL});
    for (other, is_other) in [
        (json!({"type": "email", "value": "work@example.com"}), true),
        (json!({"type": "phoneNumber", "value": "+4712345678"}), true),
        (json!({"type": "", "value": "x"}), true),
        (json!({"type": "x", "value": ""}), true),
        (json!({"type": "phoneNumber", "value": EMAIL}), true),
        (
            json!({"type": "email", "value": " ANNA@example.com"}),
            false,
        ),
        (json!({}), false),
    ] {
        let identities = json!({"identities": [email, other]});
        for mut case in [reported(Remedy::ReleaseEmail), proven(Remedy::ReleaseEmail)] {
            case.holder(&identities);
            let expected = if is_other {
                review(Reason::OtherIdentities)
            } else {
                "Release".to_owned()
            };
            assert_eq!(case.decision(), expected, "{other}");
            // An operator may name the release.
            assert_eq!(case.named(Remedy::ReleaseEmail).decision(), "Release");
        }
        // A merge removes nothing, but the release in its place would.
        let mut case = proven(Remedy::Merge);
        case.holder(&identities);
        assert_eq!(case.decision(), format!("Sync({ZENDESK_ID})"));
        case.facts.support_external_id = None;
        assert_eq!(case.decision() == review(Reason::OtherIdentities), is_other);
    }
}

// ---- lineage ----

#[test]
fn a_remedy_named_by_an_operator_needs_its_proof() {
    for remedy in [Remedy::Merge, Remedy::Delete] {
        let case = reported(Remedy::Delete).named(remedy);
        assert_eq!(case.decision(), review(Reason::NoLineage));
        let mut case = proven(Remedy::Delete).named(remedy);
        case.becomes(IdChanges::Contradicted);
        assert_eq!(case.decision(), review(Reason::ContradictedLineage));
    }
    assert_eq!(
        proven(Remedy::Delete).named(Remedy::Delete).decision(),
        "Delete"
    );
    let mut case = proven(Remedy::Delete).named(Remedy::Delete);
    case.holder(&json!({"toBeRetained": true}));
    assert_eq!(case.decision(), review(Reason::ToBeRetained));
    assert_eq!(
        case.named(Remedy::Merge).decision(),
        format!("Sync({ZENDESK_ID})")
    );
}

#[test]
fn a_contradiction_needs_review_even_without_other_lineage() {
    for allowed in [Remedy::Plan, Remedy::ReleaseEmail, Remedy::Delete] {
        let mut case = reported(allowed);
        case.becomes(IdChanges::Contradicted);
        assert_eq!(case.decision(), review(Reason::ContradictedLineage));
    }
    let case = reported(Remedy::ReleaseEmail).named(Remedy::ReleaseEmail);
    assert_eq!(case.decision(), "Release");
}

/// This holds even if events are not trusted.
#[test]
fn an_event_that_assigned_the_holders_id_later_contradicts() {
    let assigned = |time| {
        let mut case = proven(Remedy::Merge);
        let lineage = Lineage::new("7", OLD, Source::Webhook, time);
        case.becomes(IdChanges::Assigned(lineage));
        case.decision()
    };
    let stated_at = proven(Remedy::Merge).conflict.lineages()[0].time;
    assert_eq!(assigned(stated_at - 1), proven(Remedy::Merge).decision());
    for time in [stated_at, stated_at + 1] {
        assert_eq!(assigned(time), review(Reason::ContradictedLineage));
    }
    // The assignment proves nothing.
    let mut case = reported(Remedy::Merge);
    case.policy.trusts_events = true;
    let lineage = Lineage::new("7", OLD, Source::Webhook, stated_at);
    case.becomes(IdChanges::Assigned(lineage));
    assert_eq!(case.decision(), "Release");
}

#[test]
fn an_events_lineage_counts_only_if_events_are_trusted() {
    let mut case = reported(Remedy::Merge);
    case.facts.support_external_id = Some(NEW.to_owned());
    case.becomes(IdChanges::Became(stated(Source::Webhook)));
    assert_eq!(case.decision(), "Release");
    case.policy.trusts_events = true;
    assert_eq!(case.decision(), format!("Sync({ZENDESK_ID})"));
}

#[test]
fn a_user_that_support_is_merging_is_left_alone() {
    let mut case = proven(Remedy::Merge);
    case.facts.is_settling = true;
    let until = NOW + 30_000;
    assert_eq!(case.decision(), format!("Postpone(ReleaseEmail, {until})"));
    assert_eq!(case.named(Remedy::Delete).decision(), "Delete");
}

// ---- a conflict over a user without an email ----

fn over_user(allowed: Remedy) -> Case {
    let mut case = proven(allowed);
    let claim = Claim::new(NEW, ClaimSource::Operator, REPORTED);
    let report = Report::over_user(&scope(), HOLDER_ID, claim);
    case.conflict = Conflict::open(&report.with_lineages([by_operator(HOLDER_ID)]));
    case.holder(&json!({"identities": []}));
    case
}

#[test]
fn only_merge_and_delete_apply_to_a_user_without_an_email() {
    assert_eq!(
        over_user(Remedy::Merge).decision(),
        format!("Sync({ZENDESK_ID})")
    );
    assert_eq!(
        over_user(Remedy::ReleaseEmail).decision(),
        review(Reason::NoEmail)
    );
    let named = |remedy| over_user(Remedy::Delete).named(remedy).decision();
    assert_eq!(named(Remedy::ReleaseEmail), review(Reason::NoEmail));
    assert_eq!(named(Remedy::Merge), format!("Sync({ZENDESK_ID})"));
    assert_eq!(named(Remedy::Delete), "Delete");
    let mut case = over_user(Remedy::Merge);
    case.holder(&json!({}));
    assert_eq!(case.decision(), review(Reason::SeveralEmails));
    case.facts.holders.clear();
    assert_eq!(case.decision(), "NotAConflict");
}

// ---- after a remedy was sent ----

fn sent(remedy: Remedy) -> Sent {
    Sent {
        external_id: Some(OLD.to_owned()),
        accepted: true,
        restored: true,
        ..Sent::new(remedy, HOLDER_ID, "manifest", NOW - 1000)
    }
}

/// A case in which `sent` was sent, and the holder is as it was.
fn after(sent: Sent) -> Case {
    let mut case = proven(Remedy::Delete);
    case.conflict.record_sent(sent);
    case.facts.target = Some(user(&json!({})));
    case
}

#[test]
fn a_free_email_is_resolved() {
    for remedy in [Remedy::ReleaseEmail, Remedy::Delete] {
        for is_accepted in [true, false] {
            let mut case = after(Sent {
                accepted: is_accepted,
                ..sent(remedy)
            });
            case.facts.holders.clear();
            assert_eq!(case.decision(), "Resolved");
            // The caller came back in the meantime.
            case.holder(&json!({"id": OWN_ID, "externalId": NEW}));
            assert_eq!(case.decision(), "Resolved");
        }
    }
}

#[test]
fn an_email_that_is_still_held_is_checked_twice() {
    for remedy in [Remedy::ReleaseEmail, Remedy::Merge] {
        let at_check = |checks| {
            after(Sent {
                checks,
                ..sent(remedy)
            })
            .decision()
        };
        assert_eq!(at_check(0), "AwaitEffect");
        assert_eq!(at_check(1), review(Reason::EmailStillHeld));
    }
}

#[test]
fn a_user_that_comes_back_for_the_email_without_it_counts_only_if_it_is_the_target() {
    let mut case = after(sent(Remedy::ReleaseEmail));
    case.holder(&json!({"identities": []}));
    assert_eq!(case.decision(), "AwaitEffect");
    case.holder(&json!({"id": OWN_ID, "externalId": "x", "identities": []}));
    assert_eq!(case.decision(), "Resolved");
}

#[test]
fn a_delete_may_take_a_day() {
    let at = |at| {
        after(Sent {
            at,
            checks: 9,
            ..sent(Remedy::Delete)
        })
        .decision()
    };
    assert_eq!(at(NOW - DAY + 1), "AwaitEffect");
    assert_eq!(at(NOW - DAY), review(Reason::EmailStillHeld));
}

#[test]
fn a_lost_call_is_repeated_after_two_checks_except_a_delete() {
    for (remedy, again) in [
        (Remedy::ReleaseEmail, "Release".to_owned()),
        (Remedy::Merge, format!("Sync({ZENDESK_ID})")),
        (Remedy::Delete, review(Reason::OutcomeUnknown)),
    ] {
        let lost = |checks| {
            let mut case = after(Sent {
                accepted: false,
                checks,
                ..sent(remedy)
            });
            case.policy.allowed = if remedy == Remedy::Delete {
                Remedy::Delete
            } else {
                remedy
            };
            case
        };
        assert_eq!(lost(0).decision(), "AwaitEffect");
        assert_eq!(lost(1).decision(), again);
        // A remedy that is not allowed any more is not repeated.
        let mut case = lost(1);
        case.policy.allowed = Remedy::Plan;
        assert_eq!(case.decision(), review(Reason::OutcomeUnknown));
        // A remedy without evidence is not repeated.
        let mut case = lost(1);
        case.facts
            .id_changes
            .insert(NEW.to_owned(), IdChanges::Contradicted);
        let expected = match remedy {
            Remedy::Delete => Reason::OutcomeUnknown,
            _ => Reason::ContradictedLineage,
        };
        assert_eq!(case.decision(), review(expected));
    }
    // A remedy stronger than allowed is not repeated either, even if an operator names it.
    let mut case = after(Sent {
        accepted: false,
        checks: 1,
        ..sent(Remedy::Merge)
    });
    case.policy.named = Some(Remedy::Merge);
    case.policy.allowed = Remedy::ReleaseEmail;
    assert_eq!(case.decision(), review(Reason::OutcomeUnknown));
    // No other remedy is applied in place of the one that was sent.
    let mut case = after(Sent {
        accepted: false,
        checks: 1,
        ..sent(Remedy::ReleaseEmail)
    });
    case.policy.allowed = Remedy::Merge;
    assert_eq!(case.decision(), review(Reason::OutcomeUnknown));
}

#[test]
fn an_operator_names_the_step_after_a_call_without_effect() {
    for is_accepted in [true, false] {
        let case = after(Sent {
            accepted: is_accepted,
            ..sent(Remedy::ReleaseEmail)
        });
        assert_eq!(case.named(Remedy::Delete).decision(), "Delete");
    }
    // The same one is checked again first.
    let case = after(sent(Remedy::Delete)).named(Remedy::Delete);
    assert_eq!(case.decision(), "AwaitEffect");
    let lost = Sent {
        accepted: false,
        checks: 1,
        ..sent(Remedy::Delete)
    };
    assert_eq!(after(lost).named(Remedy::Delete).decision(), "Delete");
}

#[test]
fn another_user_gets_only_a_release_that_was_approved_for_it() {
    let lost = || Sent {
        accepted: false,
        checks: 1,
        ..sent(Remedy::ReleaseEmail)
    };
    let another = |case: &mut Case| {
        case.holder(&json!({"id": "cccccccccccccccccccccccc"}));
        case.facts.target = None;
    };
    let mut case = after(lost());
    another(&mut case);
    case.policy.allowed = Remedy::ReleaseEmail;
    assert_eq!(case.decision(), review(Reason::HolderChanged));
    case = case.named(Remedy::ReleaseEmail);
    assert_eq!(case.decision(), review(Reason::HolderChanged));
    case.conflict
        .limit_to(Some("cccccccccccccccccccccccc".to_owned()));
    assert_eq!(case.decision(), "Release");
    for remedy in [Remedy::Merge, Remedy::Delete] {
        case = case.named(remedy);
        assert_eq!(case.decision(), review(Reason::HolderChanged));
    }
    // Unless an operator names it, even an approved release is refused.
    case.policy.named = None;
    case.policy.allowed = Remedy::ReleaseEmail;
    assert_eq!(case.decision(), review(Reason::HolderChanged));
    // A delete is never repeated on another user.
    let mut case = after(Sent {
        remedy: Remedy::Delete,
        ..lost()
    });
    another(&mut case);
    assert_eq!(case.decision(), review(Reason::HolderChanged));
}

#[test]
fn a_conflict_may_have_ended_since_a_remedy_was_sent() {
    for remedy in [Remedy::ReleaseEmail, Remedy::Merge, Remedy::Delete] {
        let unanswered = Sent {
            accepted: false,
            checks: 1,
            ..sent(remedy)
        };
        let mut case = after(unanswered.clone());
        let old = report(ClaimSource::Report, NEW, NOW - 40 * DAY);
        case.conflict = Conflict::open(&old);
        case.conflict.record_sent(unanswered);
        assert_eq!(case.decision(), "NotAConflict", "{remedy:?}");
    }
}

/// The merge counted on this many emails, and the survivor has two.
fn with_emails(it: &mut Case, emails: usize) {
    let sent = it.conflict.sent().cloned().unwrap();
    it.conflict.record_sent(Sent {
        emails: Some(emails),
        ..sent
    });
    let email = |email: &str| json!({"type": "email", "value": email});
    let both = json!([email(EMAIL), email("third@example.com")]);
    let survivor = user(&json!({"externalId": NEW, "identities": both}));
    it.facts.own.insert(NEW.to_owned(), survivor);
}

#[test]
fn a_merge_is_resolved_if_the_survivor_is_the_callers_and_no_one_else_was_touched() {
    let merged = |change: fn(&mut Case)| {
        let mut case = after(Sent {
            own_user_id: Some(OWN_ID.to_owned()),
            ..sent(Remedy::Merge)
        });
        case.holder(&json!({"externalId": NEW}));
        case.facts.target = Some(user(&json!({"externalId": NEW})));
        case.facts.own_before = None;
        case.facts
            .own
            .insert(NEW.to_owned(), user(&json!({"externalId": NEW})));
        change(&mut case);
        case.decision()
    };
    let changed = review(Reason::OtherUserChanged);
    assert_eq!(merged(|_| {}), "Resolved");
    // The user that was merged away is gone, and the caller's own stayed.
    assert_eq!(
        merged(|it| {
            it.facts.target = None;
            it.facts.own_before = Some(own(&json!({})));
        }),
        "Resolved"
    );
    // The history went to another user, with or without the email.
    assert_eq!(
        merged(|it| it.facts.target = Some(user(&json!({"externalId": "9001"})))),
        changed
    );
    assert_eq!(
        merged(|it| {
            it.holder(&json!({"externalId": "9001"}));
            it.facts.target = Some(user(&json!({"externalId": "9001"})));
        }),
        changed
    );
    assert_eq!(
        merged(|it| it.facts.target = Some(user(&json!({"externalId": null})))),
        changed
    );
    // The caller's own user lost its external id.
    assert_eq!(
        merged(|it| it.facts.own_before = Some(own(&json!({"externalId": null})))),
        changed
    );
    // The survivor has an email that neither user had: a third user lost it, if one had it.
    assert_eq!(merged(|it| with_emails(it, 1)), changed);
    assert_eq!(merged(|it| with_emails(it, 2)), "Resolved");
    // No user has the caller's external id, or the lookup returned another user.
    assert_eq!(merged(|it| it.facts.own.clear()), changed);
    assert_eq!(
        merged(|it| it.own(&json!({"externalId": "another"}))),
        changed
    );
    // The external id is unknown for a merge that an earlier version sent.
    let mut case = after(Sent {
        external_id: None,
        ..sent(Remedy::Merge)
    });
    assert_eq!(case.decision(), "AwaitEffect");
    case.holder(&json!({"externalId": "9001"}));
    case.facts.target = Some(user(&json!({"externalId": "9001"})));
    assert_eq!(case.decision(), "AwaitEffect");
}

#[test]
fn a_user_without_an_email_is_gone_or_the_callers() {
    let after = |remedy, target: Option<User>| {
        let mut case = over_user(Remedy::Delete);
        case.conflict.record_sent(sent(remedy));
        case.facts.holders = target.iter().cloned().collect();
        case.facts.target = target;
        case.facts.own.insert(NEW.to_owned(), own(&json!({})));
        case.decision()
    };
    assert_eq!(after(Remedy::Delete, None), "Resolved");
    let unchanged = user(&json!({"identities": []}));
    assert_eq!(after(Remedy::Delete, Some(unchanged)), "AwaitEffect");
    let callers = user(&json!({"externalId": NEW, "identities": []}));
    assert_eq!(after(Remedy::Merge, Some(callers)), "Resolved");
}

#[test]
fn fields_cleared_by_a_release_are_restored_once_and_within_a_day() {
    let archived = json!({"profile": {"givenName": "Anna"}, "metadata": {"tier": "gold"}});
    let released = |change: fn(&mut Sent), allowed| {
        let mut sent = Sent {
            restored: false,
            ..sent(Remedy::ReleaseEmail)
        };
        change(&mut sent);
        let mut case = after(sent);
        case.policy.allowed = allowed;
        case.facts.holders.clear();
        case.facts.archived = vec![archived.clone()];
        case
    };
    let restore = format!(
        "Restore({})",
        json!({"profile": {"givenName": "Anna"}, "metadata": {"tier": "gold"}})
    );
    // This holds even if REMEDY was lowered in the meantime.
    for allowed in [Remedy::ReleaseEmail, Remedy::Plan] {
        assert_eq!(released(|_| {}, allowed).decision(), restore);
    }
    let within = |it: &mut Sent| it.at = NOW - DAY + 1;
    assert_eq!(released(within, Remedy::Plan).decision(), restore);
    let changes: [fn(&mut Sent); 3] = [
        |it| it.restored = true,
        |it| it.at = NOW - DAY,
        |it| it.remedy = Remedy::Delete,
    ];
    for change in changes {
        assert_eq!(released(change, Remedy::Plan).decision(), "Resolved");
    }
    let mut gone = released(|_| {}, Remedy::Plan);
    gone.facts.target = None;
    assert_eq!(gone.decision(), "Resolved");
    let mut whole = released(|_| {}, Remedy::Plan);
    whole.facts.target = Some(user(&archived));
    assert_eq!(whole.decision(), "Resolved");
}

// ---- taking a release back ----

#[test]
fn an_undo_takes_the_email_off_who_got_it_and_nobody_else() {
    let conflict = Conflict::open(&report(ClaimSource::Report, NEW, REPORTED));
    let old: UserId = HOLDER_ID.parse().unwrap();
    let email = json!([{"type": "email", "value": EMAIL}]);
    let got = own(&json!({"identities": email}));
    let off = |holders: &[User]| match user_to_take_off(&conflict, &old, holders) {
        Ok(user) => Ok(user.map(|user| user.id.to_string())),
        Err(refusal) => Err(refusal),
    };
    assert_eq!(off(&[]), Ok(None));
    assert_eq!(
        off(&[user(&json!({}))]),
        Ok(None),
        "the old user has it again"
    );
    assert_eq!(off(std::slice::from_ref(&got)), Ok(Some(OWN_ID.to_owned())));
    let stranger = own(&json!({"externalId": "stranger", "identities": email}));
    let anonymous = own(&json!({"externalId": null, "identities": email}));
    for other in [stranger, anonymous] {
        assert_eq!(off(&[other]), Err(UndoRefusal::OtherHolder));
    }
    assert_eq!(
        off(&[got.clone(), user(&json!({}))]),
        Err(UndoRefusal::SeveralHolders)
    );
    for identity in [
        json!({"type": "email", "value": "another@example.com"}),
        json!({"type": "phoneNumber", "value": "+4912345"}),
    ] {
        let both = own(&json!({"identities": [email[0], identity]}));
        assert_eq!(off(&[both]), Err(UndoRefusal::OtherIdentity));
    }
}

#[test]
fn the_email_that_agents_see_is_restored_by_an_undo_only() {
    let archived = [json!({"profile": {"email": EMAIL, "surname": "Smith"}})];
    let now = user(&json!({}));
    let profile = |patch| json!(patch)["profile"].clone();
    assert_eq!(
        profile(restore::patch(&archived, &now)),
        json!({"surname": "Smith"})
    );
    assert_eq!(
        profile(restore::patch_with_email(&archived, &now)),
        json!({"email": EMAIL, "surname": "Smith"})
    );
    let now = user(&json!({"profile": {"email": "b@example.com"}}));
    assert_eq!(
        profile(restore::patch_with_email(&archived, &now)),
        json!({"surname": "Smith"})
    );
}

#[test]
fn only_empty_fields_are_restored_with_the_newest_value() {
    let newest = json!({
        "profile": {"givenName": "Anna", "surname": "", "email": "a@b.example", "locale": 7},
        "metadata": {"tier": "gold", "gone": null},
    });
    let oldest = json!({
        "profile": {"givenName": "Ann", "surname": "Smith", "locale": "en"},
        "metadata": {"tier": "silver", "plan": "x", "gone": "y"},
    });
    let now =
        user(&json!({"profile": {"avatarUrl": "u", "givenName": ""}, "metadata": {"plan": "z"}}));
    let patch = restore::patch(&[newest, oldest], &now);
    let expected = json!({
        "profile": {"givenName": "Anna", "surname": "Smith", "locale": "en"},
        "metadata": {"tier": "gold", "gone": "y"},
    });
    assert_eq!(json!(patch), expected);
    let now = user(&json!({"profile": {"givenName": "Eve"}, "metadata": {"tier": null}}));
    let archived = json!({
        "profile": {"givenName": "Anna", "avatarUrl": "u"}, "metadata": {"tier": "gold"},
    });
    let expected = json!({"profile": {"avatarUrl": "u"}, "metadata": {"tier": "gold"}});
    assert_eq!(json!(restore::patch(&[archived], &now)), expected);
}

#[test]
fn every_state_that_ends_a_decision_is_one_of_the_record() {
    for (outcome, state, reason) in [
        (Outcome::Resolved, State::Resolved, None),
        (Outcome::NotAConflict, State::NotAConflict, None),
        (Outcome::Planned(Remedy::Merge, None), State::Planned, None),
        (
            Outcome::NeedsReview(Reason::OwnUser),
            State::NeedsReview,
            Some(Reason::OwnUser),
        ),
        (
            Outcome::Failed(Reason::ForbiddenUser),
            State::Failed,
            Some(Reason::ForbiddenUser),
        ),
    ] {
        assert_eq!(outcome.end(), (state, reason));
    }
}
