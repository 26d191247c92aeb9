//! The checks at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use harness::lambda::Function;
use local_stack::standins::sunshine::{Conversation, User};
use serde_json::{Value, json};

use crate::people::{Kind, MESSAGES, Person};
use crate::work::{Promised, check_text};
use crate::world::{BUCKET, TABLE, World};

/// Maximum memory of a function: the template's smallest size.
const MEMORY: u64 = 256 << 20;

/// States in which nothing more happens.
const ENDED: [&str; 4] = ["resolved", "not_a_conflict", "needs_review", "failed"];

/// Checks that no lease is longer than the run that took it, which ended by `latest`, and lets all
/// of them expire.
pub(crate) fn expire(world: &World, latest: u64) {
    for mut item in world.aws.items(TABLE) {
        if item["sk"] == "lease" {
            assert!(item["leaseUntil"].as_u64().unwrap() <= latest, "{item}");
            item["leaseUntil"] = json!(0);
        } else if item["dueAt"].is_null() {
            continue;
        } else {
            // A wait may be longer, unless a worker has the record.
            let is_wait = item["state"] != "in_progress";
            assert!(
                is_wait || item["dueAt"].as_u64().unwrap() <= latest,
                "{item}"
            );
            item["dueAt"] = json!(0);
        }
        world.aws.put_item(TABLE, &item);
    }
}

/// Whether everything has ended.
pub(crate) fn has_ended(world: &World) -> bool {
    world
        .records()
        .iter()
        .all(|record| record["dueAt"].is_null())
}

/// Checks that every promised record exists, and ended as allowed.
pub(crate) async fn check(world: &World, people: &[Person], promised: &Promised) {
    let records: BTreeMap<String, Value> = world
        .records()
        .into_iter()
        .map(|record| (record["conflictId"].as_str().unwrap().to_owned(), record))
        .collect();
    let mut ends: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    for (number, person) in people.iter().enumerate() {
        let record = records.get(&person.conflict_id);
        let is_promised =
            promised.reported.contains(&number) || promised.recorded.contains(&number);
        assert!(record.is_some() || !is_promised, "lost: {number}");
        if promised.recorded.contains(&number) {
            check_lineage(world, person);
        }
        if let Some(record) = record {
            let end = check_end(person, record);
            *ends.entry((person.kind, end)).or_default() += 1;
        }
        check_history(world, person, record).await;
    }
    for ((kind, end), count) in &ends {
        println!("{:18} {end:40} {count:6}", format!("{kind:?}"));
    }
    // A function that does nothing would keep every promise, too.
    let all: usize = ends.values().sum();
    let good = ends
        .iter()
        .filter(|((_, end), _)| end.starts_with("resolved") || end == "not_a_conflict");
    let good: usize = good.map(|(_, count)| count).sum();
    assert!(good * 10 >= all * 8, "{good} of {all}: {ends:?}");
}

/// The state, with its reason, in which it ended.
fn check_end(person: &Person, record: &Value) -> String {
    let state = record["state"].as_str().unwrap();
    assert!(ENDED.contains(&state), "{record}");
    assert_eq!(record["claimants"], json!([person.new]), "{record}");
    let Some(reason) = record["reason"].as_str() else {
        assert!(matches!(state, "resolved" | "not_a_conflict"), "{record}");
        // After a sent remedy there was a conflict, and only for `Nobody` there was none.
        let is_none = state == "not_a_conflict";
        assert_eq!(is_none, person.kind == Kind::Nobody, "{record}");
        return state.to_owned();
    };
    // A report came before the event that names the Support user's external id.
    if (person.kind, state, reason) == (Kind::Merge, "resolved", "support_id_unknown") {
        return format!("{state} {reason}");
    }
    // It failed because of too many faults; or a remedy was sent and its effect never observed; or
    // it is an operator's work that a schedule may not finish.
    let designed = [
        "too_many_attempts",
        "outcome_unknown",
        "approval_interrupted",
    ];
    assert!(designed.contains(&reason), "{record}");
    format!("{state} {reason}")
}

fn check_lineage(world: &World, person: &Person) {
    let items = world.aws.items(TABLE);
    let changes = items.iter().filter(|item| item["sk"] == "changes");
    let recorded = changes.filter(|item| {
        let changes = item["changes"].as_array().unwrap();
        changes.iter().any(|change| {
            change["previous"] == person.old.as_str() && change["current"] == person.new.as_str()
        })
    });
    assert_eq!(
        recorded.count(),
        2,
        "both ids have the change: {}",
        person.old
    );
}

/// Checks that all data still exists, except for what a remedy may take, and that this is in the
/// archive.
async fn check_history(world: &World, person: &Person, record: Option<&Value>) {
    let Some(was) = &person.user else { return };
    let effects = effects(world, was);
    assert!(effects.values().all(|count| *count == 1), "{effects:?}");
    let archived = match record.and_then(|record| record["archive"].as_str()) {
        Some(manifest) => Some(archive(world, manifest).await),
        None => None,
    };
    if !effects.is_empty() {
        let archived = archived.as_ref().unwrap();
        let first = &archived["user"][0];
        assert_eq!(first["metadata"], json!(was.metadata), "it is unchanged");
        assert_eq!(first["identities"][0]["value"], person.email.as_str());
        assert_eq!(archived["clients"].len(), 1);
    }
    let now = world.sunshine.user(&was.id);
    let merged = world.sunshine.user_by_external_id(&person.new);
    let Some(user) = now.or(merged) else {
        // Only a delete may take a history, once it was archived.
        assert_eq!(person.kind, Kind::Delete);
        assert!(effects.keys().any(|what| what == "DELETE"), "{effects:?}");
        assert_eq!(archived.unwrap()["messages"].len(), MESSAGES);
        return;
    };
    let conversations = world.sunshine.conversations(&user.id);
    let messages = conversations.iter().map(Conversation::message_count);
    assert_eq!(messages.sum::<usize>(), MESSAGES);
    assert_eq!(world.sunshine.clients(&user.id).len(), 1);
    if record.is_some_and(|record| record["state"] == "resolved") {
        let is_callers = user.external_id.as_ref() == Some(&person.new);
        assert!(is_callers || !user.has_email(&person.email));
        for (name, value) in &was.metadata {
            assert_eq!(user.metadata.get(name), Some(value), "{record:?}");
        }
        let name = (user.profile.get("givenName"), was.profile.get("givenName"));
        assert_eq!(name.0, name.1, "{record:?}");
    }
}

/// The number of times that each destructive request for this user took effect.
fn effects(world: &World, was: &User) -> BTreeMap<String, usize> {
    let mut effects = BTreeMap::new();
    for call in world.sunshine.changing_calls() {
        let below = call.path.split_once("/users/").map(|(_, below)| below);
        let what = match (call.method.as_str(), below) {
            (method, Some(below)) if below.starts_with(&was.id) => {
                format!("{method}{}", &below[was.id.len()..])
            }
            (method, Some(below)) if was.zendesk_id.is_some() => {
                let id = was.zendesk_id.as_deref().unwrap_or_default();
                if below != format!("{id}/sync") {
                    continue;
                }
                format!("{method}/sync")
            }
            _ => continue,
        };
        // Restoring twice does no harm.
        if call.handled && !what.starts_with("PATCH") {
            *effects.entry(what).or_default() += 1;
        }
    }
    effects
}

/// The lines of an archive by the kind of object, each object checked against the manifest.
async fn archive(world: &World, key: &str) -> BTreeMap<String, Vec<Value>> {
    let manifest = world.aws.object(BUCKET, key).await.unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for listed in manifest["objects"].as_array().unwrap() {
        let key = listed["key"].as_str().unwrap();
        let object = world.aws.object(BUCKET, key).await.unwrap();
        let sum = digest(&SHA256, &object);
        let sum = sum.as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        assert_eq!(listed["sha256"], sum, "{key}");
        let kind = key
            .rsplit('/')
            .next()
            .and_then(|name| name.split('-').next());
        let text = String::from_utf8(object.to_vec()).unwrap();
        let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .entry(kind.unwrap().to_owned())
            .or_default()
            .extend(parsed);
    }
    lines
}

/// Checks that no request went to a forbidden path, nothing leaked, and no process grew.
pub(crate) async fn check_the_rest(world: &World, functions: &[(&'static str, &Function)]) {
    assert_eq!(world.sunshine.strays(), [""; 0]);
    assert!(!world.sunshine.app_deleted());
    assert_eq!(world.puzzel.strays(), [""; 0]);
    for (name, function) in functions {
        let peak = function.peak_memory();
        println!("{name:18} peak memory {:>33} kB", peak / 1024);
        assert!(peak < MEMORY, "{name}: {peak}");
        let lines = function.output().lines();
        // A drain that always finds another one running logs nothing.
        assert!(*name == "clean-conflicts" || !lines.is_empty(), "{name}");
        for line in lines {
            check_text(name, &line);
        }
    }
    for key in world.aws.objects(BUCKET).await {
        check_text("a name in the archive", &key);
    }
}
