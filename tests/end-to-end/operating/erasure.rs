//! `erase-person`.

use serde_json::{Value, json};

use crate::cleanup::*;

/// Anna and Bo, each with a changed external id, and a dispute between them.
async fn two_people(stack: &Stack) {
    for (name, email) in [("anna", EMAIL), ("bo", "bo@example.com")] {
        stack
            .sunshine
            .add_user(old_user(&format!("{name}-old"), email));
        let resolve = json!({"action": "resolve", "previousExternalId": format!("{name}-old"),
                             "currentExternalId": format!("{name}-new"), "by": "ada"});
        assert_eq!(stack.invoke(resolve).await["resolved"], 1);
        let pairs = [[format!("{name}-older"), format!("{name}-new")]];
        stack
            .invoke(json!({"action": "import", "batch": "b", "pairs": pairs, "by": "ada"}))
            .await;
    }
    stack.drain().await;
    stack
        .sunshine
        .add_user(old_user("cy-old", "cy@example.com"));
    stack.report("cy-new", "cy@example.com").await;
    stack.report("anna-new", "cy@example.com").await;
}

/// Everything that is stored, without the fields that change with each write.
async fn stored(stack: &Stack) -> (Vec<Value>, Vec<(String, Vec<u8>)>) {
    let mut items = stack.aws.items(TABLE);
    items.retain(|item| item["sk"] != "lease");
    for item in &mut items {
        for count in ["version", "writeId"] {
            item.as_object_mut().unwrap().remove(count);
        }
    }
    items.sort_by_key(Value::to_string);
    let mut objects = Vec::new();
    for key in stack.aws.objects(BUCKET).await {
        let object = stack.aws.object(BUCKET, &key).await.unwrap();
        objects.push((key, object.to_vec()));
    }
    (items, objects)
}

fn mentions(stored: &(Vec<Value>, Vec<(String, Vec<u8>)>), text: &str) -> bool {
    let (items, objects) = stored;
    let of_objects = objects
        .iter()
        .map(|(_, object)| String::from_utf8_lossy(object).into_owned());
    items
        .iter()
        .map(Value::to_string)
        .chain(of_objects)
        .any(|it| it.contains(text))
}

#[tokio::test]
async fn a_person_is_erased_and_no_one_else() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    two_people(&stack).await;
    let erase = stack.launch("erase-person", &[]).await;
    let before = stored(&stack).await;
    let whom = |dry_run: bool| {
        let mut events = vec![json!({"email": " Anna@Example.com "})];
        events.extend(["anna-old", "anna-new", "anna-older"].map(|id| json!({"externalId": id})));
        for event in &mut events {
            event["dryRun"] = json!(dry_run);
            event["by"] = json!("ada");
        }
        events
    };
    let mut found = 0;
    for event in whom(true) {
        let dry = response(&erase, &event).await;
        assert_eq!(dry["dryRun"], true);
        assert!(dry.get("erased").is_none());
        found += dry["table"].as_array().unwrap().len();
    }
    assert!(found > 4, "{found}");
    assert_eq!(stored(&stack).await, before, "a dry run changes nothing");

    for event in whom(false) {
        let erased = response(&erase, &event).await;
        assert_eq!(erased["dryRun"], false);
        let remains = erased["remains"].to_string();
        assert!(remains.contains("point-in-time"), "{remains}");
    }
    let after = stored(&stack).await;
    for gone in [EMAIL, "anna-old", "anna-new", "anna-older"] {
        assert!(!mentions(&after, gone), "{gone}");
    }
    for event in whom(false) {
        let again = response(&erase, &event).await;
        assert_eq!(
            again["erased"],
            json!({"items": 0, "edited": 0, "versions": 0}),
            "{event}"
        );
    }

    // The data of the others is unchanged, except for the claim that was removed.
    let of_others = |stored: &(Vec<Value>, Vec<(String, Vec<u8>)>), name: &str| {
        let items = stored
            .0
            .iter()
            .filter(|item| item.to_string().contains(name));
        let items: Vec<_> = items.cloned().collect();
        let objects = stored
            .1
            .iter()
            .filter(|(_, object)| String::from_utf8_lossy(object).contains(name));
        (items, objects.cloned().collect::<Vec<_>>())
    };
    assert_eq!(of_others(&after, "bo-"), of_others(&before, "bo-"));
    let (mut cy_before, cy_after) = (of_others(&before, "cy-").0, of_others(&after, "cy-").0);
    assert_eq!(cy_before.len(), cy_after.len());
    for record in &mut cy_before {
        for field in ["claimants", "claims"] {
            let Some(list) = record[field].as_array_mut() else {
                continue;
            };
            list.retain(|it| !it.to_string().contains("anna-new"));
        }
    }
    assert_eq!(cy_after, cy_before);
    // The record is still readable.
    let count = stack.invoke(json!({"action": "count"})).await;
    assert!(count["states"]["pending"]["none"] == 1, "{count}");
}

#[tokio::test]
async fn every_version_of_an_object_is_erased() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    two_people(&stack).await;
    let erase = stack.launch("erase-person", &[]).await;
    let dry = response(&erase, &json!({"externalId": "anna-old"})).await;
    let copies = dry["archive"].as_array().unwrap();
    assert_eq!(copies.len(), 1, "{dry}");
    assert_eq!(copies[0]["users"][0]["externalId"], "anna-old");
    let versions = copies[0]["objects"].as_array().unwrap().len();
    let event = json!({"externalId": "anna-old", "dryRun": false, "by": "ada"});
    let erased = response(&erase, &event).await;
    assert_eq!(erased["erased"]["versions"], versions, "{erased}");
    let folder = copies[0]["folder"].as_str().unwrap();
    let left = stack.aws.objects(BUCKET).await;
    assert!(left.iter().all(|key| !key.starts_with(folder)), "{left:?}");
    assert!(!left.is_empty(), "Bo's copy stays");
}

#[tokio::test]
async fn an_erasure_is_logged_with_who_asked_and_with_no_one_else() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    two_people(&stack).await;
    let erase = stack.launch("erase-person", &[]).await;
    response(
        &erase,
        &json!({"email": EMAIL, "dryRun": false, "by": "ada"}),
    )
    .await;
    let (kind, _) = refusal(&erase, &json!({"email": EMAIL, "dryRun": false})).await;
    assert_eq!(kind, "InvalidRequest");
    let log = erase.output().lines().join("\n");
    assert!(
        log.contains("erased a person") && log.contains("ada"),
        "{log}"
    );
    assert!(!log.contains(EMAIL) && !log.contains("anna-"), "{log}");
}
