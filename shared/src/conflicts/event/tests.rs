use super::super::draft::memory::{Items, id, scope};
use super::super::lineage::{Lineage, Source};
use super::super::state::{Remedy, State};
use super::super::support_user::SupportUser;
use super::*;

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;
const NOW: u64 = 1000 * DAY;
const EMAIL: &str = "anna@example.com";

/// The external id became another, without an email.
fn became(previous: &str, current: &str) -> Change {
    Change::ExternalId {
        previous: ExternalId::try_from(previous.to_owned()).ok(),
        current: id(current),
        email: None,
    }
}

/// The same, with the user's email.
fn became_with_email(previous: &str, current: &str, email: &str) -> Change {
    Change::ExternalId {
        previous: ExternalId::try_from(previous.to_owned()).ok(),
        current: id(current),
        email: Some(email.into()),
    }
}

fn has_email(external_id: &str, email: &str) -> Change {
    Change::Email {
        external_id: id(external_id),
        email: email.into(),
    }
}

fn merged(with: &str) -> Change {
    Change::Merged {
        with: with.to_owned(),
    }
}

/// The table, in memory.
#[derive(Clone, Default, PartialEq)]
struct Recording {
    items: Items,
    events: u32,
}

impl Recording {
    /// Records a change of the Support user 77 with an event of its own.
    fn record_change(&mut self, time: u64, change: Change) -> Recorded {
        self.events += 1;
        let event = Event {
            id: format!("event-{}", self.events),
            time,
            zendesk_id: Some("77".to_owned()),
            change,
        };
        self.record(&event, NOW)
    }

    fn record(&mut self, event: &Event, now: u64) -> Recorded {
        self.items
            .transact(|draft| record(draft, &scope(), event, now))
    }

    /// The conflict over an email.
    fn conflict(&mut self, email: &str) -> Option<Conflict> {
        let conflict_id = scope().conflict_over_email(&email.into());
        self.items.get(&(conflict_key(&conflict_id), "conflict"))
    }

    /// The external ids that claim an email, with the sources of their claims.
    fn claims(&mut self, email: &str) -> Vec<(String, ClaimSource)> {
        let conflict = self.conflict(email);
        let claims = conflict.iter().flat_map(|it| it.claims().iter());
        claims
            .map(|it| (it.external_id.clone(), it.source))
            .collect()
    }

    /// Changes the conflict over `EMAIL`, as another writer does.
    fn change(&mut self, change: impl FnOnce(&Conflict) -> Conflict) {
        let conflict = change(&self.conflict(EMAIL).unwrap());
        self.items.transact(|draft| {
            let key = (conflict_key(conflict.id()), "conflict");
            draft.put_item(key, conflict_item(&conflict)?);
            Ok(())
        });
    }

    /// Adds a report of this external id to the conflict over `EMAIL`.
    fn report(&mut self, external_id: &str) {
        let claim = Claim::new(external_id, ClaimSource::Report, NOW);
        let report = Report::over_email(&scope(), &EMAIL.into(), claim);
        self.change(|conflict| conflict.reported_again(&report, NOW).unwrap());
    }

    fn between(&mut self, previous: &str, current: &str) -> IdChanges {
        self.items
            .transact(|draft| history::changes_between(draft, &scope(), previous, current))
    }

    fn support_user(&mut self, zendesk_id: &str) -> Option<SupportUser> {
        let hash = hash(&["zendesk-id", zendesk_id]);
        self.items.get(&(format!("zendesk-id#{hash}"), "user"))
    }

    /// The external id and the email that events state of a Support user.
    fn stated(&mut self, zendesk_id: &str) -> (Option<String>, Option<String>) {
        let user = self.support_user(zendesk_id).unwrap();
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        (owned(user.external_id()), owned(user.email()))
    }
}

fn by_events(external_ids: &[&str]) -> Vec<(String, ClaimSource)> {
    let claims = external_ids.iter();
    claims
        .map(|id| ((*id).to_owned(), ClaimSource::Event))
        .collect()
}

// ---- each event once ----

#[test]
fn an_event_is_recorded_once_within_a_day() {
    for change in [
        || became("A", "B"),
        || has_email("A", EMAIL),
        || merged("78"),
    ] {
        let event = |id: &str| Event {
            id: id.to_owned(),
            time: 10,
            zendesk_id: Some("77".to_owned()),
            change: change(),
        };
        let mut recording = Recording::default();
        assert_eq!(recording.record(&event("e"), NOW), Recorded::New);
        let before = recording.clone();
        for now in [NOW, NOW + DAY - 1] {
            assert_eq!(recording.record(&event("e"), now), Recorded::Replayed);
        }
        assert!(recording == before, "a replay writes nothing");
        assert_eq!(recording.record(&event("f"), NOW), Recorded::New);
        // DynamoDB may still have the item.
        assert_eq!(recording.record(&event("e"), NOW + DAY), Recorded::New);
        let later = NOW + 2 * DAY - 1;
        assert_eq!(recording.record(&event("e"), later), Recorded::Replayed);
    }
}

#[test]
fn an_event_is_remembered_for_a_day() {
    let mut recording = Recording::default();
    recording.record_change(10, became("A", "B"));
    let key = (format!("event#{}", hash(&["event", "event-1"])), "seen");
    let seen: Seen = recording.items.get(&key).unwrap();
    assert_eq!((seen.time, seen.expires_at), (NOW, (NOW + DAY) / 1000));
}

#[test]
fn an_event_that_does_not_matter_writes_nothing() {
    let mut recording = Recording::default();
    recording.record_change(10, became("A", "B"));
    let mut before = recording.clone();
    assert_eq!(
        recording.record_change(20, Change::Other),
        Recorded::Ignored
    );
    before.events += 1;
    assert!(recording == before);
    // Nothing is known about this user, so there is nothing to forget.
    for zendesk_id in [None, Some("78".to_owned())] {
        let event = Event {
            id: "e".to_owned(),
            time: 20,
            zendesk_id,
            change: Change::Unknown,
        };
        assert_eq!(recording.record(&event, NOW), Recorded::Ignored);
        assert!(recording == before);
    }
}

// ---- the Support user ----

#[test]
fn an_event_states_the_external_id_and_the_email_of_its_support_user() {
    let mut recording = Recording::default();
    let owned = |text: &str| Some(text.to_owned());
    recording.record_change(10, became_with_email("A", "B", EMAIL));
    assert_eq!(recording.stated("77"), (owned("B"), owned(EMAIL)));
    recording.record_change(20, has_email("B", "work@example.com"));
    let work = owned("work@example.com");
    assert_eq!(recording.stated("77"), (owned("B"), work));
    recording.record_change(30, became("B", "C"));
    assert_eq!(recording.stated("77"), (owned("C"), None));
    recording.record_change(40, Change::Unknown);
    assert_eq!(recording.stated("77"), (None, None));
    // Forgetting it twice is no harm, so the event is not remembered.
    assert_eq!(
        recording.record_change(40, Change::Unknown),
        Recorded::Ignored
    );
}

#[test]
fn an_event_without_a_support_user_states_the_change_alone() {
    for change in [|| became("A", "B"), || became_with_email("A", "B", EMAIL)] {
        let event = Event {
            id: "e".to_owned(),
            time: 10,
            zendesk_id: None,
            change: change(),
        };
        let mut recording = Recording::default();
        assert_eq!(recording.record(&event, NOW), Recorded::New);
        assert!(matches!(recording.between("A", "B"), IdChanges::Became(_)));
    }
}

#[test]
fn both_users_of_a_merge_settle_and_their_external_ids_are_unknown() {
    let mut recording = Recording::default();
    recording.record_change(NOW - 10, became("A", "B"));
    recording.record_change(NOW, merged("78"));
    for zendesk_id in ["77", "78"] {
        let user = recording.support_user(zendesk_id).unwrap();
        assert!(user.is_settling(NOW), "{zendesk_id}");
        assert_eq!(user.external_id(), None, "{zendesk_id}");
    }
    assert!(recording.support_user("79").is_none());
}

// ---- the changes of external ids ----

#[test]
fn a_changed_external_id_is_a_change_in_the_histories() {
    let mut recording = Recording::default();
    recording.record_change(10, became("A", "B"));
    let expected = IdChanges::Became(Lineage::new("A", "B", Source::Webhook, 10));
    assert!(recording.between("A", "B") == expected);
    // The first external id of a user is assigned.
    recording.record_change(20, became("", "C"));
    let expected = IdChanges::Assigned(Lineage::new("", "C", Source::Webhook, 20));
    assert!(recording.between("C", "X") == expected);
    // An external id that stayed the same is no change.
    recording.record_change(30, became("D", "D"));
    assert!(recording.between("D", "X") == IdChanges::Nothing);
}

// ---- the check of an email ----

#[test]
fn an_event_with_an_email_asks_for_a_check_of_it() {
    for change in [
        has_email("B", " Anna@example.com"),
        became_with_email("A", "B", EMAIL),
        // The email may be new although the external id is not.
        became_with_email("B", "B", EMAIL),
    ] {
        let mut recording = Recording::default();
        recording.record_change(10, change);
        let conflict = recording.conflict(EMAIL).unwrap();
        assert_eq!(conflict.state(), State::Pending);
        assert_eq!((conflict.created_at(), conflict.due_at()), (NOW, Some(NOW)));
        let claims: Vec<_> = conflict.claims().iter().collect();
        assert!(claims == [&Claim::new("B", ClaimSource::Event, NOW)]);
    }
    let mut recording = Recording::default();
    recording.record_change(10, became("A", "B"));
    assert!(recording.conflict(EMAIL).is_none());
}

#[test]
fn the_claimant_is_what_the_external_id_became_since() {
    let mut recording = Recording::default();
    recording.record_change(20, became("A", "B"));
    recording.record_change(10, has_email("A", EMAIL));
    assert_eq!(recording.claims(EMAIL), by_events(&["B"]));
    // After the change, the id may be a new holder's.
    let mut recording = Recording::default();
    recording.record_change(20, became("A", "B"));
    recording.record_change(20, has_email("A", EMAIL));
    assert_eq!(recording.claims(EMAIL), by_events(&["A"]));
}

#[test]
fn an_email_that_was_replaced_by_a_later_event_is_not_checked() {
    let other = "work@example.com";
    for (first, second, is_checked) in [
        ((20, other), (10, EMAIL), false),
        ((20, EMAIL), (10, EMAIL), true),
        // Which of two emails of one moment is the last is unknown.
        ((10, other), (10, EMAIL), true),
        ((10, other), (20, EMAIL), true),
    ] {
        let mut recording = Recording::default();
        for (time, email) in [first, second] {
            let recorded = recording.record_change(time, has_email("A", email));
            assert_eq!(recorded, Recorded::New);
        }
        let claims = recording.claims(EMAIL);
        assert_eq!(!claims.is_empty(), is_checked, "{first:?} {second:?}");
    }
    // An older event does not turn the time of the latest back.
    let mut recording = Recording::default();
    for (time, email) in [(30, other), (10, EMAIL), (20, EMAIL)] {
        recording.record_change(time, has_email("A", email));
    }
    assert!(recording.conflict(EMAIL).is_none());
    // The email is the one of the id that became this one, too.
    let mut recording = Recording::default();
    recording.record_change(20, became_with_email("A", "B", other));
    recording.record_change(10, has_email("A", EMAIL));
    assert!(recording.conflict(EMAIL).is_none());
}

#[test]
fn the_last_email_is_kept_for_90_days() {
    for (time, from) in [(NOW - DAY, NOW), (NOW + DAY, NOW + DAY)] {
        let mut recording = Recording::default();
        recording.record_change(time, has_email("A", EMAIL));
        let email: Email = recording
            .items
            .get(&(partition(&scope(), "A"), "email"))
            .unwrap();
        assert_eq!(email.time, time);
        assert_eq!(email.expires_at, (from + 90 * DAY) / 1000);
        assert!(email.conflict_id == scope().conflict_over_email(&EMAIL.into()));
    }
}

#[test]
fn a_known_conflict_gets_the_claim() {
    let mut recording = Recording::default();
    recording.record_change(10, has_email("A", EMAIL));
    recording.change(|conflict| {
        let mut planned = conflict.clone();
        planned.plan(Remedy::ReleaseEmail, None);
        planned
    });
    let before = recording.conflict(EMAIL).unwrap();
    recording.record_change(10, has_email("C", EMAIL));
    let conflict = recording.conflict(EMAIL).unwrap();
    assert_eq!(recording.claims(EMAIL), by_events(&["A", "C"]));
    // The plan was made without it.
    assert_eq!(conflict.state(), State::Pending);
    assert_eq!(conflict.due_at(), Some(NOW));
    // A worker that has the record must see that it changed.
    assert_eq!(conflict.version(), before.version() + 1);
    // The same claim again is no change.
    recording.record_change(20, has_email("C", EMAIL));
    assert!(recording.conflict(EMAIL).unwrap() == conflict);
}

#[test]
fn earlier_ids_of_the_same_user_are_one_claimant() {
    let mut recording = Recording::default();
    recording.record_change(10, has_email("A", EMAIL));
    recording.record_change(10, has_email("C", EMAIL));
    recording.report("A");
    recording.record_change(20, became_with_email("A", "B", EMAIL));
    // A report stays, and so does the claim of an id that is not an earlier one.
    let report = ("A".to_owned(), ClaimSource::Report);
    let mut expected = by_events(&["B", "C"]);
    expected.push(report);
    let mut claims = recording.claims(EMAIL);
    claims.sort_by_key(|(id, source)| (*source == ClaimSource::Report, id.clone()));
    assert_eq!(claims, expected);
}

/// The later event states another email, but that the two ids are one person is true all the same.
#[test]
fn an_outdated_email_makes_earlier_ids_one_claimant_and_claims_nothing() {
    let mut recording = Recording::default();
    recording.record_change(10, has_email("A", EMAIL));
    recording.record_change(20, became("A", "B"));
    recording.record_change(30, has_email("B", "work@example.com"));
    recording.record_change(25, has_email("B", EMAIL));
    assert_eq!(recording.claims(EMAIL), by_events(&["B"]));
    // Without an earlier claim, no claim is recorded.
    recording.record_change(30, has_email("D", "work@example.com"));
    recording.record_change(25, has_email("D", EMAIL));
    assert_eq!(recording.claims(EMAIL), by_events(&["B"]));
}
