use serde_json::json;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn error(event: &Value) -> String {
    let error = Event::try_from(event.clone()).err();
    let error = error.unwrap_or_else(|| panic!("{event} is taken"));
    assert_eq!(error.kind(), "InvalidRequest", "{event}");
    error.to_string()
}

#[test]
fn documented_events_are_taken() {
    for event in [
        json!({"action": "drain"}),
        json!({"version": "0", "detail-type": "Scheduled Event", "detail": {}}),
        json!({"action": "resolve", "previousExternalId": "1234", "currentExternalId": "123456", "by": "ada"}),
        json!({"action": "resolve", "previousExternalId": "a".repeat(1024), "currentExternalId": "b", "remedy": "delete", "dryRun": true}),
        json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2", "remedy": null, "by": "ada"}),
        json!({"action": "approve", "conflictId": ID, "version": 7, "remedy": "delete", "by": "ada"}),
        json!({"action": "list"}),
        json!({"action": "list", "state": "not_a_conflict", "limit": 100}),
        json!({"action": "list", "state": "needs_review", "reason": "several_callers", "limit": 1, "next": "abc"}),
        json!({"action": "count"}),
        json!({"action": "show", "conflictId": ID}),
        json!({"action": "show", "email": "anna@example.com"}),
        json!({"action": "show", "externalId": "1234"}),
        json!({"action": "recheck", "conflictId": ID}),
        json!({"action": "recheck", "state": "failed"}),
        json!({"action": "recheck", "state": "needs_review", "reason": "several_callers"}),
        json!({"action": "close", "conflictId": ID, "version": 7, "note": "called her", "by": "ada"}),
        json!({"action": "undo", "conflictId": ID, "version": 7, "by": "ada"}),
        json!({"action": "import", "batch": "2026-12", "notBefore": 1_795_348_800, "pairs": [["1", "a"], ["2", "b"], ["1", "a"]], "by": "ada"}),
        json!({"action": "import", "batch": "2026-12", "pairs": [["1", "a"]], "by": "ada"}),
        json!({"action": "progress", "batch": "2026-12"}),
        json!({"action": "progress", "batch": "2026-12", "state": "failed", "next": "abc"}),
        json!({"action": "check"}),
    ] {
        assert!(Event::try_from(event.clone()).is_ok(), "{event}");
    }
}

#[test]
fn another_action_is_an_error_that_lists_those_that_are_taken() {
    for event in [
        json!(null),
        json!([]),
        json!({}),
        json!({"action": "delete"}),
        json!({"action": ["drain"]}),
    ] {
        let error = error(&event);
        assert!(
            error.starts_with("action must be drain, resolve"),
            "{error}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_mistake_names_the_field_and_what_it_may_hold() {
    for (event, expected) in [
        (
            json!({"action": "drain", "remedy": "delete"}),
            "unknown field `remedy`",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "1234"}),
            "missing field `currentExternalId`",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "1", "by": "ada"}),
            "currentExternalId must be an external_id that is not",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "..", "currentExternalId": "1"}),
            "previousExternalId: it must be 1 to 1024",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "a".repeat(1025), "currentExternalId": "1"}),
            "previousExternalId: ",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2", "remedy": "plan"}),
            "remedy: must be release-email, merge or delete",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2", "remedy": "all"}),
            "remedy: unknown value",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2", "force": true}),
            "unknown field `force`",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2"}),
            "by must be",
        ),
        (
            json!({"action": "resolve", "previousExternalId": "1", "currentExternalId": "2", "by": " "}),
            "by: must be 1 to 200",
        ),
        (
            json!({"action": "list", "limit": 0}),
            "limit: must be 1 to 100, got 0",
        ),
        (
            json!({"action": "list", "limit": 101}),
            "limit: must be 1 to 100, got 101",
        ),
        (
            json!({"action": "list", "limit": "10"}),
            "limit: invalid type",
        ),
        (
            json!({"action": "list", "state": "gone"}),
            "state: unknown value, expected one of `pending`",
        ),
        (
            json!({"action": "list", "reason": "gone"}),
            "reason: unknown value",
        ),
        (
            json!({"action": "approve", "conflictId": "../..", "version": 7, "remedy": "delete", "by": "ada"}),
            "conflictId: a conflict id has 32 hex digits",
        ),
        (
            json!({"action": "approve", "conflictId": ID, "remedy": "delete", "by": "ada"}),
            "missing field `version`",
        ),
        (
            json!({"action": "approve", "conflictId": ID, "version": 7, "remedy": "plan", "by": "ada"}),
            "remedy: must be",
        ),
        (
            json!({"action": "approve", "conflictId": ID, "version": 7, "remedy": "delete"}),
            "missing field `by`",
        ),
        (
            json!({"action": "count", "state": "failed"}),
            "unknown field `state`",
        ),
        (
            json!({"action": "show"}),
            "conflictId, email or externalId must be present",
        ),
        (
            json!({"action": "show", "email": "a@b", "externalId": "1"}),
            "only one of them",
        ),
        (
            json!({"action": "show", "email": ""}),
            "email: must not be empty",
        ),
        (
            json!({"action": "recheck"}),
            "conflictId or state must be present",
        ),
        (
            json!({"action": "recheck", "conflictId": ID, "state": "failed"}),
            "not both",
        ),
        (
            json!({"action": "recheck", "reason": "several_callers"}),
            "a reason goes with a state",
        ),
        (
            json!({"action": "close", "conflictId": ID, "version": 7, "by": "ada"}),
            "missing field `note`",
        ),
        (
            json!({"action": "close", "conflictId": ID, "version": 7, "note": "a\nb", "by": "ada"}),
            "note: must be 1 to 200",
        ),
        (
            json!({"action": "undo", "conflictId": ID, "version": "7", "by": "ada"}),
            "version: invalid type",
        ),
        (
            json!({"action": "import", "batch": "", "pairs": [["1", "2"]], "by": "ada"}),
            "batch: must be 1 to 200",
        ),
        (
            json!({"action": "import", "batch": "b", "pairs": [], "by": "ada"}),
            "pairs: must be 1 to 1000 pairs, got 0",
        ),
        (
            json!({"action": "import", "batch": "b", "pairs": [["1", "2"]]}),
            "missing field `by`",
        ),
        (
            json!({"action": "import", "batch": "b", "notBefore": -1, "pairs": [["1", "2"]], "by": "ada"}),
            "notBefore: invalid value",
        ),
        (json!({"action": "progress"}), "missing field `batch`"),
        (
            json!({"action": "check", "deep": true}),
            "unknown field `deep`",
        ),
    ] {
        let error = error(&event);
        assert!(error.contains(expected), "{event}: {error}");
    }
}

#[test]
fn an_import_is_refused_whole_for_one_bad_pair_and_names_it() {
    let good = || json!(["1", "a"]);
    for (bad, expected) in [
        (json!(["", "a"]), "pairs[2][0] must be an external id"),
        (json!(["2", ""]), "pairs[2][1] must be an external id"),
        (json!(["2", "a\u{0}"]), "pairs[2][1] must be an external id"),
        (json!(["..", "a"]), "pairs[2][0] must be an external id"),
        (
            json!(["a".repeat(1025), "a"]),
            "pairs[2][0] must be an external id",
        ),
        (
            json!(["2", "a".repeat(256)]),
            "pairs[2][1] must be an external id",
        ),
        (json!(["2", "2"]), "pairs[2] must be two different"),
        (json!(["1", "b"]), "pairs[2][0] must have one current"),
        (json!(["2"]), "pairs[2]: invalid length"),
        (json!([2, "a"]), "pairs[2][0]: invalid type"),
        (json!("2,a"), "pairs[2]: invalid type"),
    ] {
        let pairs = json!([good(), good(), bad, good()]);
        let event = json!({"action": "import", "batch": "b", "pairs": pairs, "by": "ada"});
        let error = error(&event);
        assert!(error.contains(expected), "{event}: {error}");
    }
    let pairs: Vec<_> = (0..=MAX_PAIRS)
        .map(|it| json!([it.to_string(), "a"]))
        .collect();
    let event = json!({"action": "import", "batch": "b", "pairs": pairs, "by": "ada"});
    assert!(error(&event).contains("got 1001"));
}
