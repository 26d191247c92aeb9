//! Finds the data of a person in an item of the table.
//!
//! Items are searched as DynamoDB stores them, and not as records: an item of an earlier version,
//! or one that no code can read any more, is still personal data. External ids are short and may
//! equal anything (`0`, `pending`), so only the fields that contain one are compared.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use shared::conflicts::{ConflictId, Scope, external_id_partition};
use shared::identity::email::EmailKey;

use crate::request::Subject;

/// An item of the table.
pub type Item = HashMap<String, AttributeValue>;

/// The fields that hold an external id or an email.
const FIELDS: [&str; 11] = [
    "claimants",
    "current",
    "currentExternalId",
    "email",
    "externalId",
    "holderExternalId",
    "previous",
    "previousExternalId",
    "sentToExternalId",
    "subject",
    "value",
];

/// The verdict on an item.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It contains no data of the person.
    Keep,
    /// It is about the person.
    Delete,
    /// It belongs to someone else: the same item without the person.
    Edit(Item),
}

/// The person of the request.
pub struct Person {
    subject: Subject,
    /// The id of the conflict over the person's email.
    conflict: Option<ConflictId>,
    /// The partition of the items under a hash of the external id.
    partition: Option<String>,
}

/// A value without the person.
enum Left {
    Same,
    Changed(AttributeValue),
    Nothing,
}

impl Person {
    /// The person, in the app and brand of `scope`.
    pub fn new(subject: Subject, scope: &Scope) -> Self {
        let (conflict, partition) = match &subject {
            Subject::Email(email) => (Some(scope.conflict_over_email(email)), None),
            Subject::ExternalId(id) => (None, Some(external_id_partition(scope, id))),
        };
        Self {
            subject,
            conflict,
            partition,
        }
    }

    /// The folder of the archives of the conflict over the person's email.
    pub fn folder(&self) -> Option<String> {
        let id = self.conflict.as_ref()?;
        Some(format!("conflicts/{id}/"))
    }

    /// The verdict on an item.
    pub fn verdict(&self, item: &Item) -> Verdict {
        if self.is_its_key(item) {
            return Verdict::Delete;
        }
        let mut edited = item.clone();
        let mut is_edited = false;
        for (field, value) in item {
            match self.left_of(field, value) {
                Left::Same => {}
                Left::Nothing => return Verdict::Delete,
                Left::Changed(value) if is_empty(&value) && goes_when_empty(item, field) => {
                    return Verdict::Delete;
                }
                Left::Changed(value) => {
                    is_edited = true;
                    // DynamoDB stores no empty set.
                    if matches!(&value, AttributeValue::Ss(rest) if rest.is_empty()) {
                        edited.remove(field);
                    } else {
                        edited.insert(field.clone(), value);
                    }
                }
            }
        }
        if is_edited {
            Verdict::Edit(edited)
        } else {
            Verdict::Keep
        }
    }

    /// Whether a page of an archive, as the API returned it, belongs to this person: by its
    /// external id, or by an email among its identities or in its profile.
    pub fn is_user(&self, user: &Value) -> bool {
        match &self.subject {
            Subject::ExternalId(id) => user.get("externalId").and_then(Value::as_str) == Some(id),
            Subject::Email(email) => {
                let identities = user.get("identities").and_then(Value::as_array);
                let identities = identities.into_iter().flatten();
                let profile = user.pointer("/profile/email");
                identities
                    .filter_map(|identity| identity.get("value"))
                    .chain(profile)
                    .filter_map(Value::as_str)
                    .any(|value| EmailKey::from(value) == *email)
            }
        }
    }

    fn is_its_key(&self, item: &Item) -> bool {
        let text = |field| text(item.get(field));
        let partition = text("pk");
        let conflict = self.conflict.as_ref().map(ConflictId::as_str);
        let is_conflict = conflict.is_some()
            && (text("conflictId") == conflict
                || partition.and_then(|key| key.strip_prefix("conflict#")) == conflict);
        is_conflict || (partition.is_some() && partition == self.partition.as_deref())
    }

    fn identifies(&self, text: &str) -> bool {
        match &self.subject {
            Subject::Email(email) => EmailKey::from(text) == *email,
            Subject::ExternalId(id) => text == id,
        }
    }

    fn left_of(&self, field: &str, value: &AttributeValue) -> Left {
        let is_named = FIELDS.contains(&field);
        match value {
            AttributeValue::S(text) if is_named && self.identifies(text) => Left::Nothing,
            AttributeValue::Ss(texts) if is_named => {
                let rest = texts.iter().filter(|text| !self.identifies(text)).cloned();
                let rest: Vec<_> = rest.collect();
                if rest.len() == texts.len() {
                    Left::Same
                } else {
                    Left::Changed(AttributeValue::Ss(rest))
                }
            }
            AttributeValue::L(items) => {
                let left = items.iter().map(|item| (item, self.left_of(field, item)));
                let (rest, is_changed) = rest(left);
                changed(is_changed, || AttributeValue::L(rest))
            }
            AttributeValue::M(fields) => {
                let mut is_changed = false;
                let mut rest = HashMap::new();
                for (name, value) in fields {
                    // The names in a map of claimants may be external ids.
                    if is_named && self.identifies(name) {
                        is_changed = true;
                        continue;
                    }
                    let value = match self.left_of(name, value) {
                        Left::Same => value.clone(),
                        Left::Nothing => return Left::Nothing,
                        Left::Changed(value) => {
                            is_changed = true;
                            value
                        }
                    };
                    rest.insert(name.clone(), value);
                }
                changed(is_changed, || AttributeValue::M(rest))
            }
            _ => Left::Same,
        }
    }
}

/// The rest of a list, and whether it is shorter than before.
fn rest<'a>(
    items: impl Iterator<Item = (&'a AttributeValue, Left)>,
) -> (Vec<AttributeValue>, bool) {
    let mut rest = Vec::new();
    let mut is_changed = false;
    for (item, left) in items {
        match left {
            Left::Same => rest.push(item.clone()),
            Left::Nothing => is_changed = true,
            Left::Changed(item) => {
                is_changed = true;
                rest.push(item);
            }
        }
    }
    (rest, is_changed)
}

fn changed(is_changed: bool, value: impl FnOnce() -> AttributeValue) -> Left {
    if is_changed {
        Left::Changed(value())
    } else {
        Left::Same
    }
}

fn is_empty(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::Ss(items) => items.is_empty(),
        AttributeValue::L(items) => items.is_empty(),
        AttributeValue::M(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether an item must go once this field is empty, because it is useless and its email is no one
/// else's: a conflict without a claimant, or statements about an external id without any statement.
fn goes_when_empty(item: &Item, field: &str) -> bool {
    text(item.get("sk")) != Some("conflict") || matches!(field, "claimants" | "claims")
}

fn text(value: Option<&AttributeValue>) -> Option<&str> {
    value?.as_s().ok().map(String::as_str)
}

#[cfg(test)]
mod tests;
