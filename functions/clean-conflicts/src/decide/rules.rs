//! The evidence, rule by rule: all of it must hold before anything is sent.

use std::collections::BTreeSet;

use shared::conflicts::{Conflict, Proof, Reason, Remedy, SETTLES_WITHIN};
use shared::identity::email::EmailKey;
use shared::lambda::clock::millis;
use shared::sunshine::User;

use super::decision::Decision;
use crate::evidence::{Facts, LastSeen, MergeCall, Policy, emails, first_report};
use crate::outcome::Outcome;
use crate::plan::{Call, Plan};

type Judged<T> = Result<T, Outcome>;

fn review<T>(reason: Reason) -> Judged<T> {
    Err(Outcome::NeedsReview(reason))
}

/// Weighs the evidence, and decides.
pub fn judge(conflict: &Conflict, facts: &Facts, policy: &Policy, now: u64) -> Decision {
    Case {
        conflict,
        facts,
        policy,
        now,
    }
    .judge()
    .unwrap_or_else(Decision::Done)
}

struct Case<'a> {
    conflict: &'a Conflict,
    facts: &'a Facts,
    policy: &'a Policy,
    now: u64,
}

impl Case<'_> {
    fn judge(&self) -> Judged<Decision> {
        let people = self.facts.people(self.conflict, self.now);
        let callers = self.facts.callers(self.conflict, self.policy, self.now);
        self.undisputed(&people, &callers)?;
        if self.facts.holders.is_empty() || self.facts.is_held_by(&people) {
            return Err(Outcome::NotAConflict);
        }
        if callers.is_empty() {
            return self.unclaimed(&people);
        }
        if !self.has_fresh_claim(&callers) {
            return Err(Outcome::NotAConflict);
        }
        let user = self.holder()?;
        for caller in &callers {
            self.may_be_touched(user, caller)?;
        }
        if self.facts.is_settling && self.policy.named.is_none() {
            return Ok(Decision::Postpone {
                remedy: Remedy::ReleaseEmail,
                until: self.now + millis(SETTLES_WITHIN),
            });
        }
        let only_caller = callers.first().copied().filter(|_| callers.len() == 1);
        let proof = only_caller.map_or(Proof::Missing, |caller| {
            self.facts
                .proof(self.conflict, self.policy, caller, self.now)
        });
        match self.policy.named {
            Some(remedy) => self.named(user, only_caller, remedy, proof),
            None => self.choose(user, &callers, only_caller, proof),
        }
    }

    /// Two people who claim the email are a dispute, however old their claims are, and so is a
    /// holder who claims it too. A release that an operator names needs no single claimant:
    /// it only takes the email off the holder.
    fn undisputed(&self, people: &BTreeSet<&str>, callers: &BTreeSet<&str>) -> Judged<()> {
        let holder = self.facts.holder().and_then(|it| it.external_id.as_deref());
        let another_calls = callers.iter().any(|caller| Some(*caller) != holder);
        let is_disputed = callers.len() > 1 || (self.facts.is_held_by(people) && another_calls);
        if is_disputed && self.policy.named != Some(Remedy::ReleaseEmail) {
            return review(Reason::SeveralCallers);
        }
        Ok(())
    }

    /// The decision when only events claim the email, without lineage: the remedy is planned until
    /// someone reports the conflict.
    fn unclaimed(&self, people: &BTreeSet<&str>) -> Judged<Decision> {
        if !self.has_fresh_claim(people) {
            return Err(Outcome::NotAConflict);
        }
        let is_contradicted = |id: &&str| {
            let proof = self.facts.proof(self.conflict, self.policy, id, self.now);
            proof == Proof::Contradicted
        };
        if self.policy.trusts_events && people.iter().any(is_contradicted) {
            return review(Reason::ContradictedLineage);
        }
        if self.policy.named == Some(Remedy::ReleaseEmail) {
            let user = self.holder()?;
            for claimant in people {
                self.may_be_touched(user, claimant)?;
            }
            return self.apply_or_plan(user, None, Call::Release, None, None);
        }
        Err(Outcome::Planned(
            Remedy::ReleaseEmail,
            Some(Reason::NotClaimed),
        ))
    }

    fn has_fresh_claim(&self, people: &BTreeSet<&str>) -> bool {
        let mut claims = people.iter().flat_map(|id| self.conflict.claims().of(id));
        claims.any(|claim| claim.is_fresh(self.now))
    }

    /// The only user for whom a remedy is possible.
    fn holder(&self) -> Judged<&User> {
        let Some(user) = self.facts.holder() else {
            return review(Reason::SeveralUsers);
        };
        let emails = emails(user);
        match self.conflict.email() {
            // Check the upstream's filter before it decides which user is changed.
            Some(email) if !emails.contains(email) => review(Reason::EmailNotAnIdentity),
            None if !emails.is_empty() => review(Reason::SeveralEmails),
            _ => Ok(user),
        }
    }

    /// Checks that a remedy may be applied to `user` for `caller` at all.
    fn may_be_touched(&self, user: &User, caller: &str) -> Judged<()> {
        let Some(external_id) = user.external_id.as_deref().filter(|id| !id.is_empty()) else {
            return review(Reason::NoExternalId);
        };
        // Zendesk does not document whether external ids are case-sensitive.
        if external_id.to_lowercase() == caller.to_lowercase() {
            return review(Reason::CaseDifference);
        }
        if self
            .facts
            .own
            .get(caller)
            .is_some_and(|own| own.id == user.id)
        {
            return review(Reason::OwnUser);
        }
        let brand = self.policy.brand.as_ref();
        if brand.is_some_and(|brand| user.brand_id.as_ref() != Some(brand)) {
            return review(Reason::OtherBrand);
        }
        let approved = self.conflict.approved_user_id();
        if approved.is_some_and(|approved| approved != user.id.as_str()) {
            return review(Reason::HolderChanged);
        }
        Ok(())
    }

    /// Decides about the remedy that an operator named.
    fn named(
        &self,
        user: &User,
        caller: Option<&str>,
        remedy: Remedy,
        proof: Proof,
    ) -> Judged<Decision> {
        if remedy <= Remedy::ReleaseEmail {
            if self.conflict.email().is_none() {
                return review(Reason::NoEmail);
            }
            return self.apply_or_plan(user, caller, Call::Release, None, None);
        }
        match proof {
            Proof::Contradicted => return review(Reason::ContradictedLineage),
            Proof::Missing => return review(Reason::NoLineage),
            Proof::OnceQuiet if self.quiet_since()?.is_some() => return review(Reason::NoLineage),
            Proof::OnceQuiet | Proof::Given => {}
        }
        let call = match caller {
            // A merge without exactly one caller is refused before, as a dispute or without a claim.
            Some(caller) if remedy == Remedy::Merge => self.merge(user, caller).or_else(review)?,
            _ if user.to_be_retained => return review(Reason::ToBeRetained),
            _ => Call::Delete,
        };
        self.apply_or_plan(user, caller, call, None, None)
    }

    /// Chooses the remedy that no operator named: a merge if lineage proves that the history is the
    /// caller's own and `REMEDY` allows it, else a release. Never a delete.
    fn choose(
        &self,
        user: &User,
        callers: &BTreeSet<&str>,
        caller: Option<&str>,
        proof: Proof,
    ) -> Judged<Decision> {
        let not_before = match proof {
            Proof::Contradicted => return review(Reason::ContradictedLineage),
            Proof::Given => None,
            Proof::OnceQuiet => self.quiet_since()?,
            Proof::Missing => {
                let is_reported = |id: &&str| self.conflict.is_reported_by(id, self.now);
                if !callers.iter().any(is_reported) {
                    return Err(Outcome::Planned(
                        Remedy::ReleaseEmail,
                        Some(Reason::NotClaimed),
                    ));
                }
                let not_before = self.quiet_since()?;
                return self.release(user, caller, None, not_before);
            }
        };
        let may_merge = self.policy.allowed >= Remedy::Merge;
        let because = match caller.map(|caller| self.merge(user, caller)) {
            Some(Ok(call)) if may_merge || self.policy.allowed == Remedy::Plan => {
                return self.apply_or_plan(user, caller, call, None, not_before);
            }
            Some(Err(reason)) if may_merge => Some(reason),
            _ => None,
        };
        self.release(user, caller, because, not_before)
    }

    /// Decides on a release that no operator named.
    fn release(
        &self,
        user: &User,
        caller: Option<&str>,
        instead_because: Option<Reason>,
        not_before: Option<u64>,
    ) -> Judged<Decision> {
        let Some(email) = self.conflict.email() else {
            return review(Reason::NoEmail);
        };
        let is_other = |kind: &str, value: &str| {
            let is_disputed = kind == "email" && EmailKey::from(value).as_str() == email;
            !(is_disputed || kind.is_empty() && value.is_empty())
        };
        // A release removes every identity.
        if user
            .identities
            .iter()
            .any(|it| is_other(&it.kind, &it.value))
        {
            return review(Reason::OtherIdentities);
        }
        self.apply_or_plan(user, caller, Call::Release, instead_because, not_before)
    }

    /// Checks that the holder has shown no activity since the first report. Returns the time at
    /// which to check again, if the wait is not over.
    fn quiet_since(&self) -> Judged<Option<u64>> {
        let until = Facts::waits_until(self.conflict, self.policy);
        if self.now < until {
            return Ok(Some(until));
        }
        match self.facts.last_seen {
            LastSeen::Never => Ok(None),
            LastSeen::At(time) if time <= first_report(self.conflict) => Ok(None),
            LastSeen::At(_) | LastSeen::Unknown | LastSeen::NotRead => review(Reason::HolderActive),
        }
    }

    /// The call that merges `user` into the caller's, or the reason why that is not possible.
    fn merge(&self, user: &User, caller: &str) -> Result<Call, Reason> {
        let own = self.facts.own.get(caller);
        let is_callers = |own: &User| own.external_id.as_deref() == Some(caller);
        let another_came_back = own.is_some_and(|own| !is_callers(own));
        match self.policy.merge_call {
            MergeCall::Sync => {
                let id = user.zendesk_id.clone().ok_or(Reason::NoZendeskId)?;
                let support = self.facts.support_external_id.as_deref();
                let is_callers = self.policy.trusts_events && support == Some(caller);
                if !is_callers || self.facts.support_email_is_anothers {
                    return Err(Reason::SupportIdUnknown);
                }
                // A sync would strip identifiers from a linked user. If the lookup returned another
                // user for the caller's external id, assume that the caller's user is linked.
                if another_came_back || own.is_some_and(|own| own.is_linked) {
                    return Err(Reason::CallerLinked);
                }
                Ok(Call::Sync(id))
            }
            MergeCall::AppusersMerge if another_came_back => Err(Reason::CallerLinked),
            MergeCall::AppusersMerge => Ok(Call::Merge {
                survivor: own.map(|own| own.id.clone()),
                external_id: caller.to_owned(),
            }),
        }
    }

    /// Decides to apply the call, not before `not_before`; with `REMEDY=plan`, to plan it.
    fn apply_or_plan(
        &self,
        user: &User,
        caller: Option<&str>,
        call: Call,
        instead_because: Option<Reason>,
        not_before: Option<u64>,
    ) -> Judged<Decision> {
        let remedy = call.remedy();
        if self.policy.allowed == Remedy::Plan {
            return Err(Outcome::Planned(remedy, instead_because));
        }
        if let Some(until) = not_before {
            return Ok(Decision::Postpone { remedy, until });
        }
        let own = caller.and_then(|caller| {
            let own = self.facts.own.get(caller);
            own.filter(|own| own.external_id.as_deref() == Some(caller))
        });
        let both = own.into_iter().chain([user]).flat_map(emails);
        let known = both.chain(self.facts.support_email.clone());
        Ok(Decision::Apply(Plan {
            user: user.id.clone(),
            call,
            own_user_id: own.map(|own| own.id.clone()),
            emails: known.collect::<BTreeSet<_>>().len(),
            instead_because,
        }))
    }
}
