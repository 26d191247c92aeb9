use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use serde_json::json;

use super::*;

const EMAIL: &str = "anna@example.com";

fn scope() -> Scope {
    Scope {
        app_id: "app".parse().unwrap(),
        brand_id: None,
    }
}

fn by_email() -> Person {
    Person::new(Subject::Email(EmailKey::from(EMAIL)), &scope())
}

fn by_id(id: &str) -> Person {
    Person::new(Subject::ExternalId(id.to_owned()), &scope())
}

fn verdict(person: &Person, item: &Value) -> Verdict {
    person.verdict(&to_item(item).unwrap())
}

fn edited(person: &Person, item: &Value) -> Value {
    match verdict(person, item) {
        Verdict::Edit(item) => from_item(item).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn conflict(claimants: &Value) -> Value {
    json!({
        "pk": "conflict#0123", "sk": "conflict", "conflictId": "0123", "dueShard": "0",
        "state": "pending", "version": 7, "email": EMAIL, "claimants": claimants,
        "lineages": [{"previous": "old", "current": "new", "source": {"kind": "claim"}, "time": 1}],
    })
}

#[test]
fn a_record_is_deleted_with_its_email() {
    assert_eq!(
        verdict(&by_email(), &conflict(&json!(["new"]))),
        Verdict::Delete
    );
    let other = conflict(&json!(["new"]));
    let other = json!({"pk": other["pk"], "sk": "conflict", "email": "bo@example.com"});
    assert_eq!(verdict(&by_email(), &other), Verdict::Keep);
}

#[test]
fn items_of_an_email_besides_its_record_are_deleted_too() {
    let id = scope().conflict_over_email(&EmailKey::from(EMAIL));
    for item in [
        json!({"pk": format!("conflict#{id}"), "sk": "conflict"}),
        json!({"pk": "external-id#1", "sk": "email", "conflictId": id.as_str()}),
        json!({"pk": "zendesk-id#1", "sk": "user", "email": EMAIL, "externalId": "1"}),
    ] {
        assert_eq!(verdict(&by_email(), &item), Verdict::Delete, "{item}");
    }
    // An item is not the person's because a field is missing.
    assert_eq!(
        verdict(&by_id("1"), &json!({"pk": "run", "sk": "lease"})),
        Verdict::Keep
    );
    assert_eq!(
        verdict(&by_email(), &json!({"pk": "run", "sk": "lease"})),
        Verdict::Keep
    );
}

#[test]
fn a_claim_is_removed_from_another_persons_record() {
    for claimants in [
        json!(["new", "x"]),
        json!([{"externalId": "new", "source": "report"}, {"externalId": "x", "source": "event"}]),
        json!({"new": {"time": 1}, "x": {"time": 2}}),
    ] {
        let item = conflict(&claimants);
        let mut expected = item.clone();
        let rest = &mut expected["claimants"];
        match rest {
            Value::Array(list) => drop(list.pop()),
            _ => drop(rest.as_object_mut().unwrap().remove("x")),
        }
        assert_eq!(edited(&by_id("x"), &item), expected);
    }
}

#[test]
fn a_record_without_another_claimant_is_deleted() {
    for claimants in [json!(["x"]), json!([{"externalId": "x"}]), json!({"x": {}})] {
        assert_eq!(verdict(&by_id("x"), &conflict(&claimants)), Verdict::Delete);
    }
}

#[test]
fn a_lineage_is_removed_and_the_record_stays() {
    let item = conflict(&json!(["new"]));
    let left = edited(&by_id("old"), &item);
    assert_eq!(
        (&left["lineages"], &left["claimants"]),
        (&json!([]), &json!(["new"]))
    );
}

#[test]
fn a_record_is_deleted_with_its_holder() {
    let mut item = conflict(&json!(["new"]));
    item["holder"] = json!({"userId": "67a1", "externalId": "old"});
    assert_eq!(verdict(&by_id("old"), &item), Verdict::Delete);
}

#[test]
fn statements_about_an_external_id_are_deleted() {
    let statement = |previous: &str| {
        json!({
            "pk": external_id_partition(&scope(), previous), "sk": "said", "version": 2,
            "lineages": [{"previous": previous, "current": "new"}],
        })
    };
    assert_eq!(verdict(&by_id("old"), &statement("old")), Verdict::Delete);
    // It is only about these two.
    assert_eq!(verdict(&by_id("new"), &statement("old")), Verdict::Delete);
    assert_eq!(verdict(&by_id("other"), &statement("old")), Verdict::Keep);
    let mut two = statement("old");
    two["lineages"]
        .as_array_mut()
        .unwrap()
        .push(json!({"previous": "old", "current": "other"}));
    assert_eq!(edited(&by_id("other"), &two), statement("old"));
}

#[test]
fn an_imported_pair_is_deleted_with_either_side() {
    let pair = json!({"pk": "pair#1", "sk": "pair", "previousExternalId": "old", "currentExternalId": "new"});
    for id in ["old", "new"] {
        assert_eq!(verdict(&by_id(id), &pair), Verdict::Delete);
    }
    assert_eq!(verdict(&by_id("ol"), &pair), Verdict::Keep);
}

#[test]
fn an_external_id_that_equals_something_else_finds_nothing_else() {
    let item = conflict(&json!(["new"]));
    for id in [
        "0",
        "7",
        "pending",
        "0123",
        "conflict",
        "claim",
        "claimants",
        EMAIL,
    ] {
        let expected = if id == EMAIL {
            Verdict::Delete
        } else {
            Verdict::Keep
        };
        assert_eq!(verdict(&by_id(id), &item), expected, "{id}");
    }
}

#[test]
fn an_archived_user_is_recognised_by_its_ids() {
    let user = json!({
        "id": "67a1", "externalId": "old", "profile": {"email": "Profile@Example.com"},
        "identities": [{"type": "email", "value": "Anna@example.com"}, {"type": "phoneNumber", "value": "1"}],
    });
    assert!(by_email().is_user(&user) && by_id("old").is_user(&user));
    assert!(!by_id("67a1").is_user(&user) && !by_id("1").is_user(&user));
    let profile = Person::new(
        Subject::Email(EmailKey::from("profile@example.com")),
        &scope(),
    );
    assert!(profile.is_user(&user));
    for other in [
        json!({}),
        json!(null),
        json!({"externalId": null, "identities": [{}]}),
    ] {
        assert!(!by_email().is_user(&other) && !by_id("old").is_user(&other));
    }
}
