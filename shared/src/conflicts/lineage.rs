//! Lineage: proof that one external id became another.
//!
//! A recycled email (a new person got an old address) looks exactly like a changed external id.
//! Only lineage tells them apart, so nothing that touches a history goes without.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a lineage counts.
const VALID_FOR: Duration = Duration::from_hours(90 * 24);

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Source {
    /// A signed webhook of Zendesk.
    Webhook,
    /// A claim of the company's identity provider.
    Claim,
    /// An operator, of the user that was there to be seen.
    Operator {
        /// The user's id.
        user_id: String,
    },
}

/// That the external id `previous` became `current`. Has no printing `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The external id before.
    pub previous: String,
    /// The external id after.
    pub current: String,
    /// Who said it.
    pub source: Source,
    /// When it was said, in milliseconds since 1970.
    pub time: u64,
}

/// The user whose external id may have been changed.
pub struct Target<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The external id it has now.
    pub external_id: &'a str,
    /// When it signed up, in milliseconds since 1970, where that is known.
    pub signed_up_at: Option<u64>,
}

impl Lineage {
    /// Whether this proves that `target`'s external id became `caller`'s.
    ///
    /// An external id may be given to somebody new. So the target must have been there before the
    /// change was told: its new holder was not.
    pub fn proves(&self, target: &Target<'_>, caller: &str, now: u64) -> bool {
        let was_there = match &self.source {
            Source::Operator { user_id } => user_id == target.id,
            Source::Webhook | Source::Claim => target
                .signed_up_at
                .is_some_and(|signed_up| latest(signed_up) < self.time),
        };
        let age = Duration::from_millis(now.saturating_sub(self.time));
        !self.previous.is_empty()
            && !self.current.is_empty()
            && self.previous == target.external_id
            && self.current == caller
            && self.time <= now
            && age < VALID_FOR
            && was_there
    }
}

impl Lineage {
    /// Whether `other` says the same, whenever it does.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.previous == other.previous
            && self.current == other.current
            && self.source == other.source
    }

    /// Whether an operator said this of another user than `target`: a command that is given twice
    /// must not reach the new holder of an external id, whatever that one's sign-up time says.
    pub fn is_of_another(&self, target: &Target<'_>) -> bool {
        match &self.source {
            Source::Operator { user_id } => user_id != target.id,
            Source::Webhook | Source::Claim => false,
        }
    }
}

/// The latest that a time may mean: some are written in whole seconds.
fn latest(time: u64) -> u64 {
    if time.is_multiple_of(1000) {
        time + 999
    } else {
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;
    const NOW: u64 = 1000 * DAY;

    fn lineage() -> Lineage {
        Lineage {
            previous: "1234".to_owned(),
            current: "123456".to_owned(),
            source: Source::Claim,
            time: NOW - DAY,
        }
    }

    fn target() -> Target<'static> {
        Target {
            id: "a",
            external_id: "1234",
            signed_up_at: Some(NOW - 2 * DAY),
        }
    }

    #[test]
    fn a_lineage_proves_its_own_two_ids_only() {
        assert!(lineage().proves(&target(), "123456", NOW));
        assert!(!lineage().proves(&target(), "12345", NOW));
        let other = Target {
            external_id: "123",
            ..target()
        };
        assert!(!lineage().proves(&other, "123456", NOW));
    }

    #[test]
    fn an_empty_side_is_none() {
        let empty = Lineage {
            previous: String::new(),
            ..lineage()
        };
        let nobody = Target {
            external_id: "",
            ..target()
        };
        assert!(!empty.proves(&nobody, "123456", NOW));
    }

    #[test]
    fn who_signed_up_after_the_change_is_its_new_holder() {
        for signed_up_at in [None, Some(NOW - DAY), Some(NOW)] {
            let late = Target {
                signed_up_at,
                ..target()
            };
            assert!(!lineage().proves(&late, "123456", NOW), "{signed_up_at:?}");
        }
    }

    #[test]
    fn who_signed_up_in_the_second_of_the_change_may_be_its_new_holder() {
        let in_that_second = Target {
            signed_up_at: Some(NOW - DAY),
            ..target()
        };
        let a_second_before = Target {
            signed_up_at: Some(NOW - DAY - 1),
            ..target()
        };
        let change = Lineage {
            time: NOW - DAY + 999,
            ..lineage()
        };
        assert!(!change.proves(&in_that_second, "123456", NOW));
        assert!(change.proves(&a_second_before, "123456", NOW));
    }

    #[test]
    fn a_lineage_is_not_of_the_future_and_counts_for_90_days() {
        let at = |time| Lineage { time, ..lineage() };
        let early = Target {
            signed_up_at: Some(0),
            ..target()
        };
        assert!(at(NOW).proves(&early, "123456", NOW));
        assert!(!at(NOW + 1).proves(&early, "123456", NOW));
        assert!(at(NOW - 90 * DAY + 1).proves(&early, "123456", NOW));
        assert!(!at(NOW - 90 * DAY).proves(&early, "123456", NOW));
    }

    #[test]
    fn an_operator_speaks_of_the_user_that_was_there() {
        let said = |user_id: &str| Lineage {
            source: Source::Operator {
                user_id: user_id.to_owned(),
            },
            ..lineage()
        };
        let unknown = Target {
            signed_up_at: None,
            ..target()
        };
        for target in [unknown, target()] {
            assert!(said("b").is_of_another(&target) && !said("a").is_of_another(&target));
            assert!(said("a").proves(&target, "123456", NOW));
            assert!(!said("b").proves(&target, "123456", NOW));
        }
    }
}
