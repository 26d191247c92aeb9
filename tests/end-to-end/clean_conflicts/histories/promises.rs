//! The promises that hold after every step.

use std::collections::BTreeMap;

use super::world::World;
use crate::cleanup::contract::assert_valid;
use crate::fixture::*;

/// The state before the cleanup ran.
pub(super) struct Before {
    pub(super) users: Vec<User>,
    /// The opening time of the conflict over each email.
    opened_at: BTreeMap<String, u64>,
}

impl World {
    /// Checks and forgets the traffic so far, and notes the state.
    pub(super) fn before(&self) -> Before {
        let services = &self.functions.services;
        services.sunshine.traffic().clear();
        let records = services.records().into_iter().filter_map(|record| {
            let email = record["email"].as_str()?.to_owned();
            Some((email, record["createdAt"].as_u64()?))
        });
        Before {
            users: services.sunshine.users(),
            opened_at: records.collect(),
        }
    }

    /// The messages that a user sees, each by its author.
    fn seen_by(&self, user: &User) -> Vec<usize> {
        let conversations = self.functions.services.sunshine.conversations(&user.id);
        let messages = conversations.iter().flat_map(|conversation| {
            (0..conversation.message_count()).map(|at| conversation.message(at).unwrap())
        });
        messages
            .map(|message| {
                let text = message.content["text"].as_str().unwrap().to_owned();
                text.trim_start_matches("from ").parse().unwrap()
            })
            .collect()
    }

    /// Notes which emails that agents set were written into users since `before`, when no user of
    /// another person had them.
    fn note_synced(&mut self, before: &[User]) {
        for (owner, email) in &self.set_by_agents {
            let has_it = |user: &User| user.emails().any(|it| it == email);
            let is_owners = |user: &User| {
                let id = user.external_id.as_ref();
                id.is_some_and(|id| self.owners[id] == *owner)
            };
            let users = self.functions.services.sunshine.users();
            let is_written = users.iter().any(|user| is_owners(user) && has_it(user));
            let was_anothers = before.iter().any(|user| !is_owners(user) && has_it(user));
            if is_written && !was_anothers {
                self.synced.insert((*owner, email.clone()));
            }
        }
    }

    /// Checks that no history is lost or shown to another person, and that no one has the email of
    /// another person, unless an agent gave it to them while no one else had it.
    pub(super) fn assert_promises(&self) {
        let sunshine = &self.functions.services.sunshine;
        let mut found = vec![0; self.people.len()];
        for user in sunshine.users() {
            let owner = user.external_id.as_ref().map(|id| self.owners[id]);
            for author in self.seen_by(&user) {
                found[author] += 1;
                if let Some(owner) = owner {
                    assert_eq!(owner, author, "{user:?} sees a history of {author}");
                }
            }
            if let Some(owner) = owner {
                let email = &self.people[owner].email;
                let is_anothers =
                    |it: &str| it != email && !self.synced.contains(&(owner, it.to_owned()));
                let has_others = user.emails().any(is_anothers);
                assert!(!has_others, "{user:?} of {owner} has the email of another");
            }
        }
        for (number, person) in self.people.iter().enumerate() {
            assert_eq!(
                found[number], person.written,
                "a history of {number} is lost"
            );
        }
        assert_eq!(sunshine.strays(), [""; 0]);
    }

    /// Checks that evidence justifies every identity that is gone since `before`: it was left over
    /// from the claimant, or belonged to someone who neither reported nor was seen since the first
    /// report. Checks that nothing was done twice, and that the official document describes every
    /// request. Notes what a sync wrote, for `assert_promises`.
    pub(super) fn assert_justified(&mut self, before: &Before) {
        self.note_synced(&before.users);
        let sunshine = &self.functions.services.sunshine;
        let after = sunshine.users();
        for user in &before.users {
            let Some(external_id) = &user.external_id else {
                continue;
            };
            let owner = self.owners[external_id];
            for email in user.emails() {
                // After a sync by the user's own external id, another user belongs to the person.
                let is_persons = |it: &User| it.id == user.id || it.external_id == user.external_id;
                let is_kept = |it: &User| is_persons(it) && it.has_email(email);
                // A merge by a user's own external id may move the email to it, or drop it.
                let is_merged = after.iter().all(|it| it.id != user.id);
                let given_away = (user.id.clone(), email.to_owned());
                if after.iter().any(is_kept)
                    || is_merged && self.is_left(owner, external_id)
                    || self.given_away.contains(&given_away)
                {
                    continue;
                }
                self.assert_given_away(before, owner, external_id, email);
            }
        }
        self.assert_once(before);
        let app_id = SunshineConfig::default().app_id;
        for exchange in sunshine.traffic().all() {
            if exchange.path.contains("/apps/") {
                assert_valid(&exchange, &app_id);
            }
        }
        sunshine.traffic().clear();
    }

    fn is_left(&self, owner: usize, external_id: &str) -> bool {
        self.people[owner].id() != external_id
    }

    fn assert_given_away(&self, before: &Before, owner: usize, external_id: &str, email: &str) {
        let holder = &self.people[owner];
        let is_own = self.is_left(owner, external_id) && holder.email == email;
        let opened_at = before.opened_at.get(email).copied().unwrap_or_default();
        let by_others = self.reports.iter().filter(|it| {
            it.person != owner && self.people[it.person].email == email && it.at >= opened_at
        });
        let first = by_others.clone().map(|it| it.at).min();
        let is_fresh = by_others.map(|it| it.at).max() > Some(now() - 30 * DAY);
        let is_left_over = first
            .is_some_and(|first| holder.seen_at <= first && now() >= first + self.release_after);
        assert!(
            is_own || is_left_over && is_fresh && !self.is_known_to_claim(owner),
            "{external_id} lost {email} without evidence: opened {opened_at}, seen {}, reports {:?}",
            holder.seen_at,
            self.reports
        );
    }

    /// Checks that each change was made once, to a user that it changed.
    fn assert_once(&self, before: &Before) {
        let mut done: Vec<String> = Vec::new();
        // A merge may create the user that survives, and the next one may discard that user.
        let mut survivors: Vec<Value> = Vec::new();
        for call in self.functions.services.sunshine.changing_calls() {
            if !call.handled || call.method == "PATCH" {
                continue;
            }
            let segments: Vec<_> = call.path.split('/').collect();
            let body = call.body.clone().unwrap_or_default();
            let is_of = |user: &&User| match segments.as_slice() {
                [.., id, "personalinformation"] => user.id == *id && !user.identities.is_empty(),
                [.., id, "sync"] => {
                    let external_id = user.external_id.as_deref().unwrap_or_default();
                    user.zendesk_id.as_deref() == Some(*id)
                        && self.is_left(self.owners[external_id], external_id)
                }
                [.., "merge"] => body["discarded"]["_id"] == user.id,
                _ => false,
            };
            let is_new = matches!(segments.as_slice(), [.., "users"])
                || survivors.contains(&body["discarded"]["_id"]);
            let has_changed = is_new || before.users.iter().any(|it| is_of(&it));
            let what = format!("{} {:?}", call.path, call.body);
            assert!(has_changed, "{what} changes nothing: {:?}", before.users);
            assert!(!done.contains(&what), "{what} was done twice");
            done.push(what);
            survivors.extend(body["surviving"].get("_id").cloned());
        }
    }

    /// Checks that every conflict has ended, or waits for a reason that has a name.
    pub(super) fn assert_at_rest(&self) {
        for record in self.functions.services.records() {
            let state = record["state"].as_str().unwrap();
            let has = |field: &str| record[field].is_string();
            let is_settled = match state {
                "resolved" | "not_a_conflict" => true,
                "planned" => has("remedy") || has("reason"),
                "needs_review" | "failed" => has("reason"),
                "confirming" => record["dueAt"].is_u64(),
                _ => false,
            };
            assert!(is_settled, "{record}");
            assert!(record["expiresAt"].is_u64(), "{record}");
            let text = |field: &str| record[field].as_str().unwrap_or("-").to_owned();
            println!("  {state} {} {}", text("remedy"), text("reason"));
        }
    }
}

/// Checks that a dry run and the command agree.
pub(super) fn assert_agree(promised: &Value, done: &Value) {
    let is_interrupted = |report: &Value| report["stoppedBecause"].is_string();
    if is_interrupted(promised) || is_interrupted(done) {
        return;
    }
    let first = |report: &Value| {
        let listed = &report["conflicts"][0];
        ["state", "remedy", "reason"].map(|field| listed[field].as_str().map(str::to_owned))
    };
    let ([state, remedy, reason], [did, by, because]) = (first(promised), first(done));
    match (state.as_deref(), did.as_deref()) {
        (Some("planned"), Some("planned" | "resolved" | "confirming" | "pending")) => {
            assert_eq!(remedy, by, "{promised} {done}");
        }
        // The remedy was applied, and its effect needs a person.
        (Some("planned"), Some("needs_review")) => {
            let because = because.unwrap_or_default();
            let is_of_effect = ["email_still_held", "other_user_changed", "merge_forbidden"];
            assert!(
                is_of_effect.contains(&because.as_str()),
                "{promised} {done}"
            );
        }
        (promised_state, did) => {
            assert_eq!(
                (promised_state, reason),
                (did, because),
                "{promised} {done}"
            );
        }
    }
}
