//! The record after an attempt.

use shared::sunshine::Error;

use super::*;
use crate::decide::attempted::Attempted;
use crate::interrupted::Interrupted;
use crate::stop::StopReason;

/// The end of the worker's lease.
const LEASE: u64 = NOW + 60_000;

/// A reported conflict that was attempted this often.
fn attempted(times: u32) -> Conflict {
    let mut conflict = reported(Remedy::Merge).conflict;
    for _ in 0..times {
        conflict.begin_attempt(LEASE);
        conflict.retry(REPORTED);
    }
    conflict
}

/// The record after a worker took `before`, and its attempt had this result.
fn settled(before: &Conflict, attempted: &Attempted) -> Conflict {
    let mut conflict = before.clone();
    conflict.begin_attempt(LEASE);
    settle(&mut conflict, before, attempted, NOW);
    conflict
}

fn ended(attempted: &Attempted) -> (State, Option<Reason>) {
    let conflict = settled(&reported(Remedy::Merge).conflict, attempted);
    assert_eq!(conflict.due_at(), None);
    (conflict.state(), conflict.reason())
}

fn upstream(status: u16) -> Error {
    Error::Upstream {
        status,
        retry_after: None,
    }
}

// ---- the attempts ----

#[test]
fn a_conflict_is_given_up_after_eight_attempts() {
    for times in 0..8 {
        assert_eq!(give_up(&attempted(times)), None, "{times}");
    }
    for times in [8, 9] {
        let outcome = give_up(&attempted(times)).unwrap();
        assert_eq!(
            ended(&Ok(AttemptProgress::Done(outcome))),
            (State::Failed, Some(Reason::TooManyAttempts))
        );
    }
}

#[test]
fn a_call_whose_effect_was_not_seen_after_eight_attempts_needs_review() {
    for remedy in [Remedy::ReleaseEmail, Remedy::Merge, Remedy::Delete] {
        let with_sent = |times| {
            let mut conflict = attempted(times);
            conflict.record_sent(sent(remedy));
            give_up(&conflict)
        };
        assert_eq!(with_sent(7), None);
        let outcome = with_sent(8).unwrap();
        assert_eq!(
            ended(&Ok(AttemptProgress::Done(outcome))),
            (State::NeedsReview, Some(Reason::OutcomeUnknown))
        );
    }
}

// ---- what stops an attempt ----

#[test]
fn a_refused_merge_by_ids_needs_review() {
    let merge = |survivor| Call::Merge {
        survivor,
        external_id: NEW.to_owned(),
    };
    let merges = [merge(None), merge(Some(OWN_ID.parse().unwrap()))];
    let others = [
        Call::Release,
        Call::Sync(ZENDESK_ID.parse().unwrap()),
        Call::Delete,
    ];
    for refusal in [Error::Forbidden, Error::Unauthorized] {
        for call in &merges {
            let outcome = after_refusal(call, &refusal).unwrap();
            assert_eq!(
                ended(&Ok(AttemptProgress::Done(outcome))),
                (State::NeedsReview, Some(Reason::MergeForbidden))
            );
        }
        for call in &others {
            assert_eq!(after_refusal(call, &refusal), None);
        }
    }
    for error in [
        upstream(503),
        upstream(400),
        Error::NotFound,
        Error::RateLimited { retry_after: None },
    ] {
        for call in merges.iter().chain(&others) {
            assert_eq!(after_refusal(call, &error), None, "{error}");
        }
    }
}

#[test]
fn a_conflict_whose_user_is_forbidden_fails() {
    // Another call was answered, so the interruption stayed what it was.
    let forbidden = after_interruption(Error::Forbidden.into());
    assert_eq!(
        ended(&forbidden),
        (State::Failed, Some(Reason::ForbiddenUser))
    );
    for other in [
        Interrupted::Retry,
        Interrupted::CallFailed,
        Interrupted::Left,
        Interrupted::Unavailable(StopReason::SunshineUnavailable),
        Interrupted::RunOver(StopReason::Forbidden),
    ] {
        assert_eq!(after_interruption(other), Err(other));
    }
}

#[test]
fn a_merge_that_changed_another_user_ends_the_run() {
    let ends = |case: &Case| match case.next() {
        Decision::Done(outcome) => ends_the_run(&Ok(AttemptProgress::Done(outcome))),
        decision => panic!("{}", shown(&decision)),
    };
    let mut case = after(sent(Remedy::Merge));
    case.facts.target = Some(user(&json!({"externalId": "9001"})));
    assert_eq!(case.decision(), review(Reason::OtherUserChanged));
    assert!(ends(&case));
    // Other reviews, and other ends, do not.
    let case = after(Sent {
        checks: 1,
        ..sent(Remedy::Merge)
    });
    assert_eq!(case.decision(), review(Reason::EmailStillHeld));
    assert!(!ends(&case));
    let mut case = reported(Remedy::Merge);
    case.facts.holders.clear();
    assert!(!ends(&case));
    for attempted in [
        Ok(AttemptProgress::Waiting),
        Ok(AttemptProgress::Postponed(Remedy::Merge, NOW)),
        Err(Interrupted::Retry),
        Err(Interrupted::RunOver(StopReason::UpstreamError)),
    ] {
        assert!(!ends_the_run(&attempted), "{attempted:?}");
    }
}

// ---- the record afterwards ----

#[test]
fn each_decision_that_ends_the_work_is_written_into_the_record() {
    let mut free = reported(Remedy::Merge);
    free.facts.holders.clear();
    let mut released = after(sent(Remedy::ReleaseEmail));
    released.facts.holders.clear();
    let mut several = reported(Remedy::Merge);
    several.report(report(ClaimSource::Report, "7", REPORTED));
    for (case, state, reason) in [
        (free, State::NotAConflict, None),
        (released, State::Resolved, None),
        (proven(Remedy::Plan), State::Planned, None),
        (event_alone(), State::Planned, Some(Reason::NotClaimed)),
        (several, State::NeedsReview, Some(Reason::SeveralCallers)),
    ] {
        let Decision::Done(outcome) = case.next() else {
            panic!("{}", case.decision())
        };
        let done = Ok(AttemptProgress::Done(outcome));
        let conflict = settled(&case.conflict, &done);
        let written = (conflict.state(), conflict.reason(), conflict.due_at());
        assert_eq!(written, (state, reason, None));
        let ended_at = (state != State::Planned).then_some(NOW);
        assert_eq!(conflict.ended_at(), ended_at, "{state:?}");
    }
    let planned = settled(
        &attempted(0),
        &Ok(AttemptProgress::Done(Outcome::Planned(Remedy::Merge, None))),
    );
    assert_eq!(planned.remedy(), Some(Remedy::Merge));
}

#[test]
fn an_attempt_that_did_not_end_leaves_the_record_due() {
    let until = NOW + DAY;
    let unavailable = Interrupted::Unavailable(StopReason::ArchiveUnavailable);
    let before = attempted(2);
    let due_before = before.due_at().unwrap();
    for (result, due_at, attempts) in [
        // Waiting is not an attempt, and neither is what is not about this conflict.
        (
            Ok(AttemptProgress::Postponed(Remedy::ReleaseEmail, until)),
            until,
            2,
        ),
        (Err(unavailable), due_before, 2),
        (Err(Interrupted::Left), due_before, 2),
        (
            Err(Interrupted::RunOver(StopReason::OutOfTime)),
            due_before,
            2,
        ),
        // The third attempt waits 16 seconds.
        (Err(Interrupted::Retry), NOW + 16_000, 3),
        (Err(Interrupted::CallFailed), NOW + 16_000, 3),
    ] {
        let conflict = settled(&before, &result);
        assert_eq!(conflict.state(), State::Pending, "{result:?}");
        assert_eq!(conflict.due_at(), Some(due_at), "{result:?}");
        assert_eq!(conflict.attempts(), attempts, "{result:?}");
        let error = result.err().map(|error| error.to_string());
        assert_eq!(conflict.last_error().map(ToOwned::to_owned), error);
    }
    let postponed = Ok(AttemptProgress::Postponed(Remedy::ReleaseEmail, until));
    let again = settled(&settled(&before, &Err(Interrupted::Retry)), &postponed);
    assert_eq!(again.remedy(), Some(Remedy::ReleaseEmail));
    assert_eq!(again.last_error(), None);
    // After a second outage the record waits.
    let twice = settled(&settled(&before, &Err(unavailable)), &Err(unavailable));
    assert_eq!(twice.due_at(), Some(NOW + 1000));
}

#[test]
fn an_attempt_that_waits_for_an_effect_is_counted_if_the_call_was_not_accepted() {
    for (is_accepted, attempts) in [(true, 2), (false, 3)] {
        let mut before = attempted(2);
        before.record_sent(Sent {
            accepted: is_accepted,
            ..sent(Remedy::Merge)
        });
        let conflict = settled(&before, &Ok(AttemptProgress::Waiting));
        assert_eq!(conflict.state(), State::Confirming);
        assert_eq!(conflict.sent().unwrap().checks, 1);
        assert_eq!(conflict.attempts(), attempts);
    }
}

#[test]
fn a_dry_run_shows_what_would_be_done() {
    let mut free = reported(Remedy::Merge);
    free.facts.holders.clear();
    let mut unlinked = proven(Remedy::Merge);
    unlinked.holder(&json!({"zendeskId": null}));
    let mut waiting = reported(Remedy::ReleaseEmail);
    waiting.policy.release_after = Duration::from_hours(49);
    let until = REPORTED + 49 * 60 * 60 * 1000;
    let (release, merge) = (Some(Remedy::ReleaseEmail), Some(Remedy::Merge));
    for (case, state, reason, remedy, due_at) in [
        (reported(Remedy::Merge), State::Planned, None, release, None),
        (proven(Remedy::Merge), State::Planned, None, merge, None),
        (
            unlinked,
            State::Planned,
            Some(Reason::NoZendeskId),
            release,
            None,
        ),
        (
            event_alone(),
            State::Planned,
            Some(Reason::NotClaimed),
            release,
            None,
        ),
        (free, State::NotAConflict, None, None, None),
        (waiting, State::Pending, None, release, Some(until)),
    ] {
        let mut conflict = case.conflict.clone();
        foresee(&mut conflict, &case.next(), NOW);
        let shown = (conflict.state(), conflict.reason(), conflict.remedy());
        assert_eq!(shown, (state, reason, remedy), "{}", case.decision());
        assert_eq!(conflict.due_at(), due_at, "{}", case.decision());
    }
    // A call that was sent stays what it was.
    let mut released = after(Sent {
        restored: false,
        ..sent(Remedy::ReleaseEmail)
    });
    released.facts.archived = vec![json!({"profile": {"givenName": "Anna"}})];
    let merged = after(sent(Remedy::Merge));
    assert_eq!(merged.decision(), "AwaitEffect");
    assert!(released.decision().starts_with("Restore"));
    for case in [merged, released] {
        let mut conflict = case.conflict.clone();
        foresee(&mut conflict, &case.next(), NOW);
        assert!(conflict == case.conflict);
    }
}

// ---- reports that come during an attempt ----

/// The record that a worker has, whose attempt had this result, after it took in a report that came
/// in the meantime.
fn after_a_report(before: &Conflict, attempted: &Attempted, report: &Report) -> Conflict {
    let mut conflict = settled(before, attempted);
    let mut taken = before.clone();
    taken.begin_attempt(LEASE);
    let newer = taken.reported_again(report, NOW).unwrap_or(taken);
    take_in_reports(&mut conflict, before, &newer, NOW);
    assert!(conflict.claims() == newer.claims());
    conflict
}

/// The decisions that a report in the meantime may make outdated.
fn decided() -> [Attempted; 4] {
    let planned = Outcome::Planned(Remedy::ReleaseEmail, None);
    let outcomes = [
        planned,
        Outcome::NotAConflict,
        Outcome::NeedsReview(Reason::HolderActive),
        Outcome::Failed(Reason::ForbiddenUser),
    ];
    outcomes.map(|outcome| Ok(AttemptProgress::Done(outcome)))
}

#[test]
fn a_second_caller_in_the_meantime_makes_a_dispute() {
    let before = reported(Remedy::Merge).conflict;
    for source in [ClaimSource::Report, ClaimSource::Operator] {
        for attempted in decided() {
            let conflict = after_a_report(&before, &attempted, &report(source, "7", NOW));
            let written = (conflict.state(), conflict.reason(), conflict.due_at());
            let dispute = (State::NeedsReview, Some(Reason::SeveralCallers), None);
            assert_eq!(written, dispute, "{attempted:?}");
            assert_eq!(conflict.ended_at(), Some(NOW));
        }
    }
    // A third caller makes it a dispute again.
    let two = report(ClaimSource::Report, "7", REPORTED);
    let before = before.reported_again(&two, REPORTED).unwrap();
    let third = report(ClaimSource::Report, "8", NOW);
    let conflict = after_a_report(&before, &decided()[1], &third);
    assert_eq!(conflict.reason(), Some(Reason::SeveralCallers));
}

#[test]
fn another_claim_in_the_meantime_makes_the_decision_outdated() {
    let before = reported(Remedy::Merge).conflict;
    let two = report(ClaimSource::Report, "7", REPORTED);
    let of_two = before.reported_again(&two, REPORTED).unwrap();
    let of_an_event = event_alone().conflict;
    let same_person = Lineage::new("7", NEW, Source::Claim { changed_at: None }, NOW);
    for (before, another) in [
        // An event is not a caller.
        (&before, report(ClaimSource::Event, "7", NOW)),
        (&of_two, report(ClaimSource::Event, "8", NOW)),
        // This is the first claim of another person.
        (&of_an_event, report(ClaimSource::Report, "7", NOW)),
        // Lineage makes the two external ids one person.
        (
            &before,
            report(ClaimSource::Report, "7", NOW).with_lineages([same_person]),
        ),
    ] {
        for attempted in decided() {
            let conflict = after_a_report(before, &attempted, &another);
            let written = (conflict.state(), conflict.reason(), conflict.due_at());
            assert_eq!(written, (State::Pending, None, Some(NOW)), "{attempted:?}");
            assert_eq!((conflict.attempts(), conflict.ended_at()), (0, None));
        }
    }
}

#[test]
fn a_report_in_the_meantime_changes_nothing_else() {
    let before = reported(Remedy::Merge).conflict;
    let same_caller = [
        report(ClaimSource::Report, NEW, NOW),
        report(ClaimSource::Event, NEW, NOW),
    ];
    for attempted in decided() {
        for again in &same_caller {
            let conflict = after_a_report(&before, &attempted, again);
            let unchanged = settled(&before, &attempted);
            assert_eq!(conflict.state(), unchanged.state());
            assert_eq!(conflict.reason(), unchanged.reason());
            assert_eq!(conflict.due_at(), None);
        }
    }
    // The work goes on in any case, and reads the new claim.
    let second_caller = report(ClaimSource::Report, "7", NOW);
    let retried = Err(Interrupted::Retry);
    let conflict = after_a_report(&before, &retried, &second_caller);
    let unchanged = settled(&before, &retried);
    assert_eq!(conflict.state(), State::Pending);
    assert_eq!(conflict.due_at(), unchanged.due_at());
    assert_eq!(conflict.attempts(), 1);
    // A call that was sent stays recorded as sent.
    let mut before = before;
    before.record_sent(sent(Remedy::ReleaseEmail));
    for outcome in [
        Outcome::Resolved,
        Outcome::NeedsReview(Reason::EmailStillHeld),
    ] {
        let done = Ok(AttemptProgress::Done(outcome));
        let conflict = after_a_report(&before, &done, &second_caller);
        assert_eq!((conflict.state(), conflict.reason()), outcome.end());
    }
}
