use serde_json::{Value, json};

use super::report::Report;
use super::transitions::MAX_ATTEMPTS;
use super::*;
use crate::conflicts::claim::Claim;
use crate::conflicts::id::Scope;
use crate::conflicts::lineage::Source;
use crate::identity::email::EmailKey;

const NOW: u64 = 1_700_000_000_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

fn scope() -> Scope {
    Scope {
        app_id: "app".parse().unwrap(),
        brand_id: None,
    }
}

fn claim(source: ClaimSource, claimant: &str, now: u64) -> Report {
    let claim = Claim::new(claimant, source, now);
    Report::over_email(&scope(), &EmailKey::from("a@example.com"), claim)
}

fn reported(claimant: &str, now: u64) -> Report {
    claim(ClaimSource::Report, claimant, now)
}

fn stated(previous: &str, current: &str, time: u64) -> Lineage {
    let source = Source::Claim { changed_at: None };
    Lineage::new(previous, current, source, time)
}

fn pending() -> Conflict {
    Conflict::open(&reported("a", NOW))
}

fn sent() -> Conflict {
    let mut conflict = pending();
    conflict.record_sent(Sent::new(Remedy::ReleaseEmail, "user", "manifest", NOW));
    conflict
}

fn withdrawal() -> Withdrawal {
    Withdrawal {
        user_id: "new".to_owned(),
        archive: "manifest".to_owned(),
        at: NOW,
    }
}

fn planned() -> Conflict {
    let mut conflict = pending();
    conflict.plan(Remedy::ReleaseEmail, None);
    conflict
}

fn ended(mut conflict: Conflict, state: State, reason: Option<Reason>) -> Conflict {
    conflict.version = 7;
    conflict.attempts = 3;
    conflict.end(state, reason, NOW);
    conflict
}

/// `before`, after a worker has taken it.
fn taken(before: &Conflict) -> Conflict {
    let mut conflict = before.clone();
    conflict.begin_attempt(NOW + MINUTE);
    conflict
}

fn people(conflict: &Conflict, now: u64) -> Vec<&str> {
    conflict.people(&[], now).into_iter().collect()
}

// ---- reports ----

#[test]
fn a_report_opens_a_record_that_is_due() {
    let conflict = pending();
    assert_eq!(conflict.id(), reported("a", NOW).conflict_id());
    assert_eq!((conflict.version(), conflict.state()), (1, State::Pending));
    assert_eq!((conflict.created_at(), conflict.due_at()), (NOW, Some(NOW)));
    assert_eq!(conflict.email(), Some("a@example.com"));
    assert_eq!((conflict.user_id(), conflict.attempts()), (None, 0));
    let claim = Claim::new("a", ClaimSource::Operator, NOW);
    let over_user = Conflict::open(&Report::over_user(&scope(), "u", claim));
    assert_eq!((over_user.email(), over_user.user_id()), (None, Some("u")));
    assert!(over_user.id() != conflict.id());
}

#[test]
fn a_conflict_that_is_over_opens_again_after_ten_minutes() {
    for state in [State::Resolved, State::NotAConflict] {
        let early = NOW + 10 * MINUTE - 1;
        let over = ended(sent(), state, None);
        assert!(over.reported_again(&reported("a", early), early).is_none());
        let late = early + 1;
        let again = over.reported_again(&reported("a", late), late).unwrap();
        assert!(again.state() == State::Pending && again.due_at() == Some(late));
        assert_eq!((again.version(), again.attempts()), (7, 0));
        assert!(again.sent().is_none() && again.ended_at().is_none());
        assert_eq!(
            (again.remedy(), again.reason(), again.user_id()),
            (None, None, None)
        );
        // The first report is that of the new episode.
        assert_eq!(
            (again.created_at(), again.first_report()),
            (late, Some(late))
        );
    }
}

#[test]
fn a_new_episode_begins_with_its_report_and_keeps_the_lineage() {
    let first = reported("a", NOW).with_lineages([stated("old", "a", NOW)]);
    let over = ended(Conflict::open(&first), State::Resolved, None);
    let (at, now) = (NOW + DAY, NOW + DAY + MINUTE);
    let again = over.reported_again(&reported("b", at), now).unwrap();
    assert_eq!((again.created_at(), again.due_at()), (at, Some(now)));
    assert!(again.lineages() == over.lineages());
}

#[test]
fn a_new_episode_over_a_user_without_an_email_is_about_that_user() {
    let over_user = |now| {
        let claim = Claim::new("a", ClaimSource::Operator, now);
        Report::over_user(&scope(), "u", claim)
    };
    let over = ended(Conflict::open(&over_user(NOW)), State::NotAConflict, None);
    let again = over.reported_again(&over_user(NOW + DAY), NOW + DAY);
    assert_eq!(again.unwrap().user_id(), Some("u"));
}

#[test]
fn a_report_counts_in_its_episode() {
    let late = NOW + DAY;
    let over = ended(sent(), State::Resolved, None);
    assert!(over.is_reported_by("a", late) && !over.is_reported_by("b", late));
    let event = claim(ClaimSource::Event, "b", late);
    let by_event = over.reported_again(&event, late).unwrap();
    assert!(!by_event.is_reported_by("a", late));
    assert!(!by_event.is_reported_by("b", late), "an event is no report");
    let again = by_event.reported_again(&reported("a", late + 1), late + 1);
    assert!(again.unwrap().is_reported_by("a", late + 1));
    // The table gets it some time after it was made.
    let by_report = over.reported_again(&reported("a", late), late + 5).unwrap();
    assert_eq!(by_report.first_report(), Some(late));
    assert!(by_report.is_reported_by("a", late + 30 * DAY - 1));
    assert!(!by_report.is_reported_by("a", late + 30 * DAY));
    // Earlier versions recorded that time as the beginning.
    let mut of_earlier = by_report;
    of_earlier.created_at = late + MINUTE;
    assert!(of_earlier.is_reported_by("a", late));
    of_earlier.created_at += 1;
    assert!(!of_earlier.is_reported_by("a", late));
}

#[test]
fn a_conflict_that_needs_review_waits_for_a_person() {
    let late = NOW + 20 * 60 * MINUTE;
    let over = ended(pending(), State::NeedsReview, Some(Reason::OwnUser));
    assert!(over.reported_again(&reported("a", late), late).is_none());
    let two = over.reported_again(&reported("b", late), late).unwrap();
    assert_eq!(two.state(), State::NeedsReview);
    assert_eq!(people(&two, late), ["a", "b"]);
}

#[test]
fn a_conflict_that_failed_opens_again_after_a_day_if_nothing_was_sent() {
    let (early, late) = (NOW + DAY - 1, NOW + DAY);
    let failed = |conflict| ended(conflict, State::Failed, Some(Reason::TooManyAttempts));
    let again = failed(pending()).reported_again(&reported("b", early), early);
    assert_eq!(again.unwrap().state(), State::Failed);
    let again = failed(pending()).reported_again(&reported("a", late), late);
    let again = again.unwrap();
    assert_eq!((again.state(), again.attempts()), (State::Pending, 0));
    let again = failed(sent()).reported_again(&reported("a", late), late);
    assert_eq!(again.unwrap().state(), State::Failed);
}

#[test]
fn a_report_is_remembered_in_every_state() {
    let over = ended(pending(), State::NeedsReview, None);
    assert_eq!(over.expires_at(), (NOW + 90 * DAY) / 1000);
    let late = NOW + 80 * DAY;
    let again = over.reported_again(&reported("a", late), late).unwrap();
    assert_eq!(again.expires_at(), (late + 90 * DAY) / 1000);
    for unended in [pending(), planned(), sent()] {
        assert_eq!(unended.expires_at(), (NOW + 90 * DAY) / 1000);
    }
    let mut late_end = pending();
    late_end.end(State::NeedsReview, None, NOW + DAY);
    assert_eq!(late_end.expires_at(), (NOW + 91 * DAY) / 1000);
}

#[test]
fn a_claimant_stays_one_when_the_conflict_opens_again() {
    let late = NOW + 20 * MINUTE;
    let over = ended(sent(), State::Resolved, None);
    let again = over.reported_again(&reported("b", late), late).unwrap();
    assert_eq!(people(&again, late), ["a", "b"]);
}

#[test]
fn a_plan_is_made_again_if_something_is_new() {
    let planned = planned();
    assert!(planned.reported_again(&reported("a", NOW), NOW).is_none());
    let proven = reported("a", NOW).with_lineages([stated("old", "a", NOW)]);
    for report in [
        reported("b", NOW),
        proven,
        claim(ClaimSource::Event, "a", NOW),
    ] {
        let again = planned.reported_again(&report, NOW).unwrap();
        assert!(again.state() == State::Pending && again.due_at() == Some(NOW));
        assert!(again.reported_again(&report, NOW).is_none());
    }
}

#[test]
fn a_repeated_plan_is_not_an_attempt() {
    let mut conflict = pending();
    conflict.approve("user".to_owned(), NOW);
    for _ in 0..2 * MAX_ATTEMPTS {
        conflict.begin_attempt(NOW + MINUTE);
        conflict.plan(Remedy::ReleaseEmail, None);
    }
    assert_eq!(
        (conflict.attempts(), conflict.approved_user_id()),
        (0, None)
    );
}

#[test]
fn an_event_renames_what_events_claim_and_makes_the_plan_again() {
    let mut conflict = Conflict::open(&claim(ClaimSource::Event, "a", NOW));
    conflict.plan(Remedy::ReleaseEmail, Some(Reason::NotClaimed));
    conflict.rename_in_events("x", "b", NOW + 1);
    assert_eq!(conflict.state(), State::Planned);
    conflict.rename_in_events("a", "b", NOW + 1);
    assert_eq!(people(&conflict, NOW), ["b"]);
    assert_eq!(
        (conflict.state(), conflict.due_at()),
        (State::Pending, Some(NOW + 1))
    );
    let mut reported = pending();
    reported.rename_in_events("a", "b", NOW);
    assert_eq!(people(&reported, NOW), ["a"]);
}

#[test]
fn lineage_makes_two_claimants_one_person() {
    let there = reported("b", NOW + 1).with_lineages([stated("a", "b", NOW + 1)]);
    let one = pending().reported_again(&there, NOW + 1).unwrap();
    assert_eq!(people(&one, NOW + 1), ["b"]);
    // The id changes back, and changes again.
    let back = reported("a", NOW + 2).with_lineages([stated("b", "a", NOW + 2)]);
    let one = one.reported_again(&back, NOW + 2).unwrap();
    assert_eq!(people(&one, NOW + 2), ["a"]);
    let there = reported("b", NOW + 3).with_lineages([stated("a", "b", NOW + 3)]);
    let one = one.reported_again(&there, NOW + 3).unwrap();
    assert_eq!(people(&one, NOW + 3), ["b"]);
    assert_eq!(one.lineages().len(), 2);
    // If it is repeated with nothing in between, nothing changes.
    let there = reported("b", NOW + 4).with_lineages([stated("a", "b", NOW + 4)]);
    assert!(one.reported_again(&there, NOW + 4).is_none());
}

#[test]
fn lineage_from_events_makes_two_claimants_one_person() {
    let two = pending().reported_again(&reported("b", NOW), NOW).unwrap();
    let events = [Lineage::new("a", "b", Source::Webhook, NOW)];
    assert_eq!(two.people(&events, NOW), BTreeSet::from(["b"]));
}

#[test]
fn an_event_alone_makes_no_caller() {
    let conflict = Conflict::open(&claim(ClaimSource::Event, "e", NOW));
    let conflict = conflict.reported_again(&reported("r", NOW), NOW).unwrap();
    let operator = claim(ClaimSource::Operator, "o", NOW);
    let conflict = conflict.reported_again(&operator, NOW).unwrap();
    assert_eq!(
        conflict.callers(&[], NOW, |_| false),
        BTreeSet::from(["o", "r"])
    );
    let proven = conflict.callers(&[], NOW, |id| id == "e");
    assert_eq!(proven, BTreeSet::from(["e", "o", "r"]));
    // With a report of the same external id it is one.
    let conflict = conflict.reported_again(&reported("e", NOW), NOW).unwrap();
    assert_eq!(conflict.callers(&[], NOW, |_| false).len(), 3);
}

#[test]
fn a_person_who_reported_under_an_earlier_external_id_stays_a_caller() {
    let conflict = Conflict::open(&reported("before", NOW));
    let event = claim(ClaimSource::Event, "after", NOW);
    let conflict = conflict.reported_again(&event, NOW).unwrap();
    let events = [Lineage::new("before", "after", Source::Webhook, NOW)];
    let callers = conflict.callers(&events, NOW, |_| false);
    assert_eq!(callers, BTreeSet::from(["after"]));
}

#[test]
fn there_are_at_most_50_lineages_and_none_of_a_reporter_who_is_not_a_claimant() {
    let mut conflict = pending();
    for number in 0..60 {
        let report = reported("a", NOW).with_lineages([stated(&number.to_string(), "a", NOW)]);
        conflict = conflict.reported_again(&report, NOW).unwrap_or(conflict);
    }
    assert_eq!(conflict.lineages().len(), 50);

    let mut conflict = pending();
    for number in 1..30 {
        let id = number.to_string();
        let report = reported(&id, NOW).with_lineages([stated("x", &id, NOW)]);
        conflict = conflict.reported_again(&report, NOW).unwrap_or(conflict);
    }
    assert_eq!(conflict.claims().external_ids().len(), 20);
    assert_eq!(conflict.lineages().len(), 19);
}

#[test]
fn people_are_served_before_events() {
    let event = Conflict::open(&claim(ClaimSource::Event, "a", NOW));
    let operator = Conflict::open(&claim(ClaimSource::Operator, "a", NOW));
    assert!(!event.is_urgent() && !operator.is_urgent());
    assert!(
        event
            .reported_again(&reported("b", NOW), NOW)
            .unwrap()
            .is_urgent()
    );
    let mut sent = event;
    sent.record_sent(Sent::new(Remedy::Merge, "user", "manifest", NOW));
    assert!(sent.is_urgent());
}

#[test]
fn reports_that_came_while_a_worker_had_the_record_are_added() {
    let mut newer = pending();
    newer.version = 9;
    let mut working = taken(&pending());
    assert!(!working.take_in_reports(&newer));
    let report = reported("b", NOW).with_lineages([stated("x", "b", NOW)]);
    let newer = newer.reported_again(&report, NOW).unwrap();
    assert!(working.take_in_reports(&newer));
    assert_eq!((working.version(), working.lineages().len()), (9, 1));
    assert_eq!(people(&working, NOW), ["a", "b"]);
    assert_eq!(working.state(), State::InProgress);
}

// ---- workers ----

#[test]
fn a_worker_counts_the_attempt_and_takes_a_lease() {
    let conflict = taken(&pending());
    assert_eq!(
        (conflict.state(), conflict.attempts()),
        (State::InProgress, 1)
    );
    assert_eq!(conflict.due_at(), Some(NOW + MINUTE));
    assert_eq!(taken(&sent()).state(), State::Confirming);
}

#[test]
fn a_run_that_is_over_leaves_the_record_as_it_was() {
    let mut before_sent = sent();
    before_sent.await_effect(&sent(), NOW);
    for before in [pending(), planned(), before_sent] {
        let mut conflict = taken(&before);
        if let Some(sent) = &mut conflict.sent {
            sent.checks += 1;
        }
        conflict.leave(&before, NOW + 1);
        assert!(conflict == before);
    }
}

#[test]
fn a_remedy_that_was_sent_at_the_end_of_a_run_is_checked_by_the_next() {
    for before in [pending(), planned(), sent()] {
        let mut conflict = taken(&before);
        conflict.record_sent(Sent::new(Remedy::Delete, "user", "manifest", NOW + 5));
        conflict.leave(&before, NOW + 9);
        assert_eq!(conflict.state(), State::Confirming);
        assert_eq!(
            (conflict.due_at(), conflict.attempts()),
            (Some(NOW + 9), before.attempts())
        );
        assert_eq!(conflict.remedy(), Some(Remedy::Delete));
    }
}

#[test]
fn an_outage_is_not_an_attempt_and_the_wait_grows_to_an_hour() {
    let mut conflict = pending();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let before = conflict.clone();
        conflict = taken(&before);
        conflict.leave_after_outage(&before, NOW);
        assert_eq!((conflict.state(), conflict.attempts()), (State::Pending, 0));
        waits.push(conflict.due_at().unwrap() - NOW);
    }
    let hour = 60 * MINUTE;
    let expected = [
        0, 1000, 4000, 16_000, 64_000, 256_000, 1_024_000, hour, hour,
    ];
    assert_eq!(waits, expected);
    // After the outage, the wait starts small again.
    let before = conflict.clone();
    let mut well = taken(&before);
    well.retry(NOW);
    assert_eq!(well.outages, 0);

    let before = planned();
    let mut conflict = taken(&before);
    conflict.leave_after_outage(&before, NOW);
    conflict.leave_after_outage(&conflict.clone(), NOW);
    assert_eq!(
        (conflict.state(), conflict.due_at()),
        (State::Planned, None)
    );
}

#[test]
fn a_record_with_a_sent_remedy_is_never_pending_and_never_not_a_conflict() {
    let before = pending();
    let sent_now = || {
        let mut conflict = taken(&before);
        conflict.record_sent(Sent::new(Remedy::ReleaseEmail, "user", "manifest", NOW));
        conflict
    };
    let steps: [fn(&mut Conflict, &Conflict); 4] = [
        |it, _| it.retry(NOW),
        |it, before| it.await_effect(before, NOW),
        |it, before| it.leave(before, NOW),
        |it, before| it.leave_after_outage(before, NOW),
    ];
    for step in steps {
        let mut conflict = sent_now();
        step(&mut conflict, &before);
        assert_eq!(conflict.state(), State::Confirming);
        assert!(conflict.due_at().is_some());
    }
    let mut conflict = sent_now();
    conflict.end(State::NotAConflict, None, NOW);
    assert_eq!(
        (conflict.state(), conflict.due_at()),
        (State::Resolved, None)
    );
    let mut conflict = pending();
    conflict.end(State::NotAConflict, None, NOW);
    assert_eq!(conflict.state(), State::NotAConflict);
}

#[test]
fn a_resolved_conflict_keeps_why_it_was_not_merged() {
    let mut conflict = pending();
    conflict.record_sent(Sent {
        instead_because: Some(Reason::NoZendeskId),
        ..Sent::new(Remedy::ReleaseEmail, "user", "manifest", NOW)
    });
    let mut reviewed = conflict.clone();
    conflict.end(State::Resolved, None, NOW);
    assert_eq!(conflict.reason(), Some(Reason::NoZendeskId));
    reviewed.end(State::NeedsReview, Some(Reason::EmailStillHeld), NOW);
    assert_eq!(reviewed.reason(), Some(Reason::EmailStillHeld));
}

#[test]
fn each_attempt_waits_longer() {
    let mut conflict = pending();
    let mut waits = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        conflict.begin_attempt(NOW + MINUTE);
        conflict.retry(NOW);
        assert_eq!(conflict.state(), State::Pending);
        waits.push((conflict.due_at().unwrap() - NOW) / 1000);
    }
    assert_eq!(waits, [1, 4, 16, 64, 256, 1024, 3600, 3600]);
}

#[test]
fn each_check_waits_longer() {
    let wait_after = |since: u64| {
        let mut conflict = taken(&sent());
        conflict.await_effect(&sent(), NOW + since);
        conflict.due_at().unwrap() - NOW - since
    };
    assert_eq!(wait_after(0), 0);
    assert_eq!(wait_after(1999), 0);
    assert_eq!(wait_after(2000), 1000);
    assert_eq!(wait_after(20 * MINUTE - 2), 10 * MINUTE - 1);
    assert_eq!(wait_after(60 * MINUTE), 10 * MINUTE);
}

#[test]
fn waiting_for_the_effect_of_an_accepted_call_is_not_an_attempt() {
    let before = sent();
    let mut conflict = taken(&before);
    conflict.await_effect(&before, NOW);
    assert_eq!(
        (conflict.attempts(), conflict.sent().unwrap().checks),
        (1, 1)
    );
    let mut before = sent();
    before.note_accepted();
    let mut conflict = taken(&before);
    conflict.await_effect(&before, NOW);
    assert_eq!(
        (conflict.attempts(), conflict.sent().unwrap().checks),
        (0, 1)
    );
}

#[test]
fn waiting_for_the_holder_to_be_quiet_is_not_an_attempt() {
    let before = pending();
    let mut conflict = taken(&before);
    conflict.postpone(Remedy::Merge, NOW + DAY, &before);
    assert_eq!((conflict.state(), conflict.attempts()), (State::Pending, 0));
    assert_eq!(
        (conflict.due_at(), conflict.remedy()),
        (Some(NOW + DAY), Some(Remedy::Merge))
    );
}

#[test]
fn a_call_that_is_sent_again_keeps_the_archives_of_the_same_user() {
    let mut conflict = sent();
    conflict.note_accepted();
    conflict.note_archive_progress(Some("{}".to_owned()));
    conflict.record_sent(Sent::new(Remedy::ReleaseEmail, "user", "second", NOW + 1));
    let sent = conflict.sent().unwrap();
    assert_eq!(sent.archives, ["second", "manifest"]);
    assert_eq!(sent.archive(), Some("second"));
    assert!(!sent.restored && !sent.accepted && sent.checks == 0);
    assert_eq!(conflict.archive_progress(), None);
    conflict.record_sent(Sent::new(Remedy::ReleaseEmail, "other", "third", NOW + 2));
    assert_eq!(conflict.sent().unwrap().archives, ["third"]);
    assert_eq!(conflict.user_id(), Some("other"));
}

#[test]
fn an_archive_that_was_restored_or_is_a_day_old_is_not_restored_after_another_call() {
    let again = |conflict: &mut Conflict, at| {
        conflict.record_sent(Sent::new(Remedy::ReleaseEmail, "user", "second", at));
        conflict.sent().unwrap().archives.clone()
    };
    let sent_at = sent().sent().unwrap().at;
    assert_eq!(
        again(&mut sent(), sent_at + DAY - 1),
        ["second", "manifest"]
    );
    assert_eq!(again(&mut sent(), sent_at + DAY), ["second"]);
    let mut restored = sent();
    restored.note_restored();
    assert_eq!(again(&mut restored, sent_at + 1), ["second"]);
}

#[test]
fn a_call_that_was_not_executed_was_never_sent() {
    let before = taken(&pending());
    let mut conflict = before.clone();
    conflict.record_sent(Sent::new(Remedy::Merge, "user", "manifest", NOW));
    conflict.version = 12;
    conflict.undo_send(&before);
    assert_eq!(conflict.version(), 12);
    assert!(conflict.sent().is_none() && conflict.state() == State::InProgress);
}

#[test]
fn an_interrupted_approval_keeps_its_archive_and_no_other_end_does() {
    for (reason, is_kept) in [
        (Reason::ApprovalInterrupted, true),
        (Reason::NoLineage, false),
    ] {
        let mut conflict = pending();
        conflict.approve("user".to_owned(), NOW);
        assert_eq!(conflict.approved_user_id(), Some("user"));
        conflict.note_archive_progress(Some("{}".to_owned()));
        conflict.end(State::NeedsReview, Some(reason), NOW);
        assert_eq!(conflict.archive_progress().is_some(), is_kept);
        assert_eq!(conflict.approved_user_id(), None);
    }
}

// ---- operators ----

#[test]
fn an_operator_never_takes_back_a_remedy_that_was_sent() {
    let mut before = sent();
    before.note_accepted();
    let mut reviewed = ended(before, State::NeedsReview, Some(Reason::EmailStillHeld));
    reviewed.reopen(NOW);
    assert_eq!(
        (reviewed.state(), reviewed.due_at()),
        (State::Confirming, Some(NOW))
    );
    assert_eq!(
        (reviewed.reason(), reviewed.ended_at(), reviewed.attempts()),
        (None, None, 0)
    );
    // The next check is the second one of a call without a response.
    let sent = reviewed.sent().unwrap();
    assert!(!sent.accepted && sent.checks == 1);
    let mut unsent = ended(pending(), State::Failed, None);
    unsent.reopen(NOW);
    assert_eq!((unsent.state(), unsent.attempts()), (State::Pending, 0));
}

#[test]
fn an_operators_command_opens_a_conflict_whatever_its_state() {
    let command =
        claim(ClaimSource::Operator, "b", NOW + 1).with_lineages([stated("a", "b", NOW + 1)]);
    for state in [State::Resolved, State::NotAConflict] {
        let before = reported("a", NOW).with_lineages([stated("x", "a", NOW)]);
        let over = ended(Conflict::open(&before), state, None);
        let again = over.reopened_by(&command, NOW + 1);
        assert_eq!((again.state(), again.version()), (State::Pending, 7));
        // It is only about the operator's external ids.
        assert_eq!(people(&again, NOW + 1), ["b"]);
        assert_eq!(again.lineages().len(), 2);
    }
    let review = ended(pending(), State::NeedsReview, None);
    let failed = ended(pending(), State::Failed, None);
    for before in [review, failed, planned(), pending()] {
        let again = before.reopened_by(&command, NOW + 1);
        assert_eq!(again.state(), State::Pending);
        assert!(again.due_at().is_some() && again.attempts() == 0);
        assert_eq!(people(&again, NOW + 1), ["b"]);
    }
    let again = sent().reopened_by(&command, NOW + 1);
    assert!(again.state() == State::Confirming && again.sent() == sent().sent());
}

#[test]
fn an_operator_closes_a_conflict_with_a_note() {
    let mut closed = pending();
    closed.close("ada", "a test account", NOW + 1);
    assert_eq!(closed.state(), State::NotAConflict);
    assert_eq!(
        (closed.by(), closed.note()),
        (Some("ada"), Some("a test account"))
    );
    assert_eq!((closed.ended_at(), closed.due_at()), (Some(NOW + 1), None));
    // A remedy that may have been sent is not forgotten.
    let mut closed = sent();
    closed.close("ada", "seen by hand", NOW + 1);
    assert!(closed.state() == State::Resolved && closed.sent().is_some());
    // A note belongs to the command that it came with.
    closed.note_operator(None);
    assert_eq!(
        (closed.by(), closed.note()),
        (Some("ada"), Some("seen by hand"))
    );
    closed.note_operator(Some("ben"));
    assert_eq!((closed.by(), closed.note()), (Some("ben"), None));
}

#[test]
fn a_release_that_was_taken_back_is_over_and_not_sent() {
    let mut undone = sent();
    undone.record_withdrawal(withdrawal());
    undone.note_undone("ada", NOW + 1);
    assert!(undone.withdrawal().is_none());
    assert_eq!(undone.state(), State::NotAConflict);
    assert!(undone.sent().is_none());
    assert_eq!(
        (undone.by(), undone.ended_at()),
        (Some("ada"), Some(NOW + 1))
    );
    assert_eq!(undone.note(), Some("the release was taken back"));
}

#[test]
fn what_a_withdrawal_took_is_restored_within_a_day() {
    assert!(withdrawal().is_restorable(NOW));
    assert!(withdrawal().is_restorable(NOW + DAY - 1));
    assert!(!withdrawal().is_restorable(NOW + DAY));
}

#[test]
fn an_attempt_notes_the_holder_and_the_remedy_that_is_next() {
    let mut conflict = taken(&pending());
    conflict.note_holder(Some("user".to_owned()), Some("old".to_owned()));
    conflict.propose(Remedy::Merge);
    assert_eq!(
        (conflict.user_id(), conflict.holder_external_id()),
        (Some("user"), Some("old"))
    );
    assert_eq!(conflict.remedy(), Some(Remedy::Merge));
    conflict.limit_to(Some("user".to_owned()));
    assert_eq!(conflict.approved_user_id(), Some("user"));
    conflict.limit_to(None);
    assert_eq!(conflict.approved_user_id(), None);
}

#[test]
fn the_last_error_is_that_of_the_last_attempt() {
    let mut conflict = pending();
    conflict.note_error(Some("it timed out".to_owned()));
    assert_eq!(conflict.last_error(), Some("it timed out"));
    conflict.note_error(None);
    assert_eq!(conflict.last_error(), None);
}

#[test]
fn the_pair_that_asked_last_follows_the_conflict() {
    let pair = |key: &str| PairRef {
        key: key.to_owned(),
        list: "list".to_owned(),
    };
    let mut conflict = pending();
    assert!(conflict.pair().is_none());
    conflict.link_pair(Some(pair("first")));
    conflict.link_pair(Some(pair("second")));
    conflict.link_pair(None);
    assert!(conflict.pair() == Some(&pair("second")));
}

// ---- the stored form ----

#[test]
fn a_record_is_stored_and_read_back() {
    let mut full = sent();
    full.record_sent(Sent {
        external_id: Some("old".to_owned()),
        own_user_id: Some("own".to_owned()),
        instead_because: Some(Reason::CallerLinked),
        restored: true,
        checks: 2,
        accepted: true,
        ..Sent::new(Remedy::ReleaseEmail, "user", "second", NOW)
    });
    full.archive_progress = Some("{}".to_owned());
    full.outages = 3;
    full.record_withdrawal(withdrawal());
    full.limit_to(Some("user".to_owned()));
    let report = reported("b", NOW).with_lineages([stated("a", "b", NOW)]);
    let full = full.reported_again(&report, NOW).unwrap();
    assert_eq!(full.holder_external_id(), Some("old"));
    let over = ended(full.clone(), State::NeedsReview, Some(Reason::OwnUser));
    for conflict in [pending(), planned(), full, over] {
        let stored = serde_json::to_string(&conflict).unwrap();
        let read: Conflict = serde_json::from_str(&stored).unwrap();
        assert!(read == conflict, "{stored}");
    }
}

/// The fields by which the version before this one reads a record.
#[test]
fn an_earlier_version_finds_its_fields() {
    let report = reported("b", NOW).with_lineages([stated("a", "b", NOW)]);
    let conflict = sent().reported_again(&report, NOW).unwrap();
    let stored = serde_json::to_value(&conflict).unwrap();
    let expected = json!({
        "version": 1, "state": "confirming", "email": "a@example.com", "claimants": ["b"],
        "attempts": 0, "createdAt": NOW, "updatedAt": NOW, "dueAt": NOW, "userId": "user",
        "remedy": "release-email", "archive": "manifest", "sentAt": NOW, "sentTo": "user",
        "answered": false, "looks": 0, "expiresAt": (NOW + 90 * DAY) / 1000,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&stored[field], value, "{field}");
    }
    assert_eq!(stored["lineages"][0]["source"], json!({"kind": "claim"}));
}

fn of_an_earlier_version() -> Value {
    json!({
        "pk": "conflict#0123456789abcdef0123456789abcdef", "sk": "conflict",
        "conflictId": "0123456789abcdef0123456789abcdef", "version": 4, "state": "confirming",
        "email": "a@example.com", "claimants": ["b"], "attempts": 2, "createdAt": NOW,
        "lineages": [{"previous": "a", "current": "b", "source": {"kind": "webhook"}, "time": 5}],
        "updatedAt": NOW + 1, "dueAt": NOW + 2, "remedy": "merge", "userId": "user",
        "ownUserId": "own", "archive": "manifest", "sentAt": NOW + 3, "sentTo": "user",
        "answered": true, "looks": 1, "dueShard": "0",
    })
}

#[test]
fn a_record_of_an_earlier_version_is_read() {
    let conflict: Conflict = serde_json::from_value(of_an_earlier_version()).unwrap();
    assert_eq!(
        (conflict.version(), conflict.state()),
        (4, State::Confirming)
    );
    assert_eq!((conflict.attempts(), conflict.updated_at()), (2, NOW + 1));
    let claim = conflict.claims().iter().next().unwrap();
    assert!(*claim == Claim::new("b", ClaimSource::Report, NOW));
    let expected = Sent {
        own_user_id: Some("own".to_owned()),
        accepted: true,
        checks: 1,
        ..Sent::new(Remedy::Merge, "user", "manifest", NOW + 3)
    };
    assert!(conflict.sent() == Some(&expected));
    assert_eq!(conflict.lineages().len(), 1);

    let mut unsent = of_an_earlier_version();
    for field in [
        "sentAt", "sentTo", "remedy", "lineages", "answered", "looks", "email",
    ] {
        unsent.as_object_mut().unwrap().remove(field);
    }
    let unsent: Conflict = serde_json::from_value(unsent).unwrap();
    assert!(unsent.sent().is_none() && unsent.remedy().is_none() && unsent.email().is_none());
}

#[test]
fn a_record_whose_fields_do_not_fit_together_is_malformed() {
    for field in ["remedy", "sentTo", "claimants", "state"] {
        let mut broken = of_an_earlier_version();
        broken.as_object_mut().unwrap().remove(field);
        assert!(
            serde_json::from_value::<Conflict>(broken).is_err(),
            "{field}"
        );
    }
}

#[test]
fn a_write_is_counted_and_the_count_is_reverted_if_it_failed() {
    let mut conflict = pending();
    assert_eq!(conflict.count_write(NOW + 5), 1);
    assert_eq!((conflict.version(), conflict.updated_at()), (2, NOW + 5));
    conflict.uncount_write(1);
    assert_eq!(conflict.version(), 1);
}
