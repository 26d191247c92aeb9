//! Claims: the external ids that claim an email, with the grounds and the time of each claim.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An older claim is not a reason to act: the person has gone, or no longer has a conflict.
const FRESH_FOR: Duration = Duration::from_hours(30 * 24);
/// Minimum interval between records of the same report, so that a page that reports at each login
/// does not write each time.
const REFRESHED_EVERY: Duration = Duration::from_hours(24);
/// Milliseconds by which a report may be older than the opening of its episode: it came at the same
/// time as the report that opened it, or an earlier version recorded the opening late.
const EARLY: u64 = 60_000;
/// Maximum claimants of one email. Two are already too many, so more need not be distinguished.
const MAX_CLAIMANTS: usize = 20;

/// The grounds of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimSource {
    /// A report of the user, whose login verified the email.
    Report,
    /// A signed event of Zendesk. No login verified the email, so it asks for a check only.
    Event,
    /// An operator, or a list that an operator imported.
    Operator,
}

/// An external id that claims the email. Times are in milliseconds since 1970. It has no `Debug`,
/// so it is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The external id.
    pub external_id: String,
    /// The grounds.
    pub source: ClaimSource,
    /// The time at which it was first made; a report starts again with each episode.
    pub first_at: u64,
    /// The time at which it was last made.
    pub last_at: u64,
}

impl Claim {
    /// A claim that is made at `time`.
    pub fn new(external_id: impl Into<String>, source: ClaimSource, time: u64) -> Self {
        Self {
            external_id: external_id.into(),
            source,
            first_at: time,
            last_at: time,
        }
    }

    /// Whether the claim is recent enough to act on.
    pub fn is_fresh(&self, now: u64) -> bool {
        Duration::from_millis(now.saturating_sub(self.last_at)) < FRESH_FOR
    }

    /// Whether the user reported the conflict in the episode that was opened at `episode`.
    pub(super) fn is_report_in(&self, episode: u64) -> bool {
        self.source == ClaimSource::Report && self.first_at.saturating_add(EARLY) >= episode
    }

    /// Records that the same claim was made again at `time`.
    fn renew(&mut self, time: u64, episode: u64) {
        if self.source == ClaimSource::Report {
            let since = Duration::from_millis(time.saturating_sub(self.last_at));
            if !self.is_report_in(episode) {
                self.first_at = time;
            } else if since < REFRESHED_EVERY {
                return;
            }
        }
        self.last_at = self.last_at.max(time);
    }
}

/// The claims to one email: at most one for each external id and source. It has no `Debug`, so it
/// is never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(Vec<Claim>);

impl Claims {
    /// Adds a claim, or renews it. `episode` is the time at which the conflict opened: an earlier
    /// report was about an earlier conflict. Returns false if there is no room for another
    /// claimant.
    pub(super) fn add(&mut self, claim: &Claim, episode: u64) -> bool {
        let is_same = |known: &&mut Claim| {
            known.external_id == claim.external_id && known.source == claim.source
        };
        if let Some(known) = self.0.iter_mut().find(is_same) {
            known.renew(claim.last_at, episode);
            return true;
        }
        let ids = self.external_ids();
        let has_room = ids.contains(claim.external_id.as_str()) || ids.len() < MAX_CLAIMANTS;
        if has_room {
            self.0.push(claim.clone());
        }
        has_room
    }

    /// Replaces `from` by `to` in the claims of events. A person's own report stays: no event
    /// removes it.
    pub(super) fn rename_in_events(&mut self, from: &str, to: &str) {
        let is_renamed =
            |it: &Claim| it.source == ClaimSource::Event && it.external_id == from && from != to;
        let Some(at) = self.0.iter().position(is_renamed) else {
            return;
        };
        let mut claim = self.0.remove(at);
        to.clone_into(&mut claim.external_id);
        self.add(&claim, 0);
    }

    /// Every claim.
    pub fn iter(&self) -> impl Iterator<Item = &Claim> {
        self.0.iter()
    }

    /// The claims of one external id.
    pub fn of(&self, external_id: &str) -> impl Iterator<Item = &Claim> {
        self.0
            .iter()
            .filter(move |it| it.external_id == external_id)
    }

    /// The external ids.
    pub fn external_ids(&self) -> BTreeSet<&str> {
        self.0.iter().map(|it| it.external_id.as_str()).collect()
    }

    /// Whether one of them comes from a login with a verified email.
    pub fn are_reported(&self) -> bool {
        self.0.iter().any(|it| it.source == ClaimSource::Report)
    }

    /// The first report since `episode`.
    pub fn first_report(&self, episode: u64) -> Option<u64> {
        let reports = self.0.iter().filter(|it| it.is_report_in(episode));
        reports.map(|it| it.first_at).min()
    }

    /// The time at which a claim was last made.
    pub fn last_at(&self) -> Option<u64> {
        self.0.iter().map(|it| it.last_at).max()
    }
}

impl FromIterator<Claim> for Claims {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        Self(claims.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;
    const NOW: u64 = 1000 * DAY;

    fn report(external_id: &str, time: u64) -> Claim {
        Claim::new(external_id, ClaimSource::Report, time)
    }

    fn event(external_id: &str, time: u64) -> Claim {
        Claim::new(external_id, ClaimSource::Event, time)
    }

    fn times(claims: &Claims, external_id: &str) -> Vec<(u64, u64)> {
        claims
            .of(external_id)
            .map(|it| (it.first_at, it.last_at))
            .collect()
    }

    #[test]
    fn a_claim_is_fresh_for_30_days() {
        assert!(report("a", NOW - 30 * DAY + 1).is_fresh(NOW));
        assert!(!report("a", NOW - 30 * DAY).is_fresh(NOW));
        assert!(report("a", NOW + 1).is_fresh(NOW));
    }

    #[test]
    fn a_report_is_renewed_at_most_once_a_day() {
        let mut claims = Claims::from_iter([report("a", NOW)]);
        assert!(claims.add(&report("a", NOW + DAY - 1), NOW));
        assert_eq!(times(&claims, "a"), [(NOW, NOW)]);
        assert!(claims.add(&report("a", NOW + DAY), NOW));
        assert_eq!(times(&claims, "a"), [(NOW, NOW + DAY)]);
        // A late delivery does not turn the clock back.
        assert!(claims.add(&report("a", NOW - DAY), NOW));
        assert_eq!(times(&claims, "a"), [(NOW, NOW + DAY)]);
    }

    #[test]
    fn a_report_of_an_earlier_episode_begins_again() {
        let mut claims = Claims::from_iter([report("a", NOW - DAY), event("a", NOW - DAY)]);
        claims.add(&report("a", NOW + 1), NOW);
        claims.add(&event("a", NOW + 1), NOW);
        assert_eq!(
            times(&claims, "a"),
            [(NOW + 1, NOW + 1), (NOW - DAY, NOW + 1)]
        );
        assert_eq!(claims.first_report(NOW), Some(NOW + 1));
    }

    #[test]
    fn an_event_is_renewed_each_time() {
        let mut claims = Claims::from_iter([event("a", NOW)]);
        claims.add(&event("a", NOW + 1), NOW);
        assert_eq!(times(&claims, "a"), [(NOW, NOW + 1)]);
        claims.add(&event("a", NOW - 1), NOW);
        assert_eq!(times(&claims, "a"), [(NOW, NOW + 1)]);
    }

    #[test]
    fn only_reports_of_this_episode_are_its_first() {
        let before = report("a", NOW - 60_001);
        let mut claims = Claims::from_iter([
            before.clone(),
            event("b", NOW),
            report("c", NOW + 2),
            report("d", NOW + 1),
        ]);
        assert_eq!(claims.first_report(NOW), Some(NOW + 1));
        assert_eq!(claims.first_report(NOW + 60_001), Some(NOW + 1));
        assert_eq!(claims.first_report(NOW + 60_003), None);
        assert_eq!(claims.last_at(), Some(NOW + 2));
        assert!(claims.are_reported());
        assert!(!Claims::from_iter([event("b", NOW)]).are_reported());
        // A report that came at the same time as the one that opened it, and was written later.
        let beside = NOW - 60_000;
        claims.add(&report("e", beside), NOW);
        assert_eq!(claims.first_report(NOW), Some(beside));
        claims.add(&report("e", NOW + 5), NOW);
        assert_eq!(times(&claims, "e"), [(beside, beside)]);
        // An event does not count as a report, even if it is recent.
        assert!(!event("b", NOW).is_report_in(NOW) && !before.is_report_in(NOW));
    }

    #[test]
    fn there_are_at_most_20_claimants() {
        let mut claims = Claims::default();
        for number in 0..20 {
            assert!(claims.add(&report(&number.to_string(), NOW), 0));
        }
        assert!(!claims.add(&report("20", NOW), 0));
        // The same external id with other grounds is the same claimant.
        assert!(claims.add(&event("7", NOW), 0));
        assert_eq!(claims.external_ids().len(), 20);
        assert_eq!(claims.of("7").count(), 2);
    }

    #[test]
    fn events_are_renamed_and_reports_are_not() {
        let mut claims =
            Claims::from_iter([report("a", NOW), event("a", NOW), event("c", NOW - 1)]);
        claims.rename_in_events("a", "b");
        assert_eq!(times(&claims, "a"), [(NOW, NOW)]);
        assert_eq!(times(&claims, "b"), [(NOW, NOW)]);
        claims.rename_in_events("b", "c");
        assert_eq!(times(&claims, "c"), [(NOW - 1, NOW)]);
        claims.rename_in_events("c", "c");
        claims.rename_in_events("x", "c");
        assert_eq!(claims.iter().count(), 2);
    }
}
