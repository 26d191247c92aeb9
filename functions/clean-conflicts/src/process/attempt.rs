//! One attempt: read, decide, act, and again, until the conflict ends or has to wait.

use std::time::{Duration, Instant};

use shared::conflicts::{Conflict, Remedy};
use shared::lambda::clock::now_millis;
use shared::sunshine::User;

use crate::act;
use crate::context::{Action, Context, MergeTurn};
use crate::decide::{self, AttemptProgress, Decision};
use crate::evidence::Facts;
use crate::facts;
use crate::interrupted::Interrupted;
use crate::outcome::Outcome;
use crate::plan::{Call, Plan};

/// If copying new messages takes longer than this, the evidence is read again before a delete is
/// sent.
const EVIDENCE_IS_FRESH_FOR: Duration = Duration::from_secs(2);

/// Attempts a conflict whose record was taken.
pub async fn attempt<'a>(
    ctx: &'a Context<'_>,
    conflict: &mut Conflict,
    mut action: Option<Action<'a>>,
) -> Result<AttemptProgress, Interrupted> {
    let mut turn: Option<MergeTurn<'_>> = None;
    loop {
        let (facts, mut decision) = read_and_decide(ctx, conflict).await?;
        if let Decision::Restore(patch) = &decision {
            act::restore(ctx, conflict, patch).await?;
            decision = decide::next(conflict, &facts, &ctx.policy, now_millis());
        }
        let plan = match decision {
            Decision::Done(outcome) => {
                if let (Some(turn), Outcome::Resolved) = (&mut turn, outcome) {
                    turn.confirmed();
                }
                return Ok(AttemptProgress::Done(outcome));
            }
            Decision::AwaitEffect => return Ok(AttemptProgress::Waiting),
            Decision::Postpone { remedy, until } => {
                return Ok(AttemptProgress::Postponed(remedy, until));
            }
            Decision::Restore(_) => return Err(Interrupted::Retry),
            Decision::Apply(plan) => plan,
        };
        conflict.propose(plan.call.remedy());
        let Some(taken) = action.take().or_else(|| ctx.take_action()) else {
            return Err(Interrupted::Left);
        };
        if plan.call.remedy() == Remedy::Merge && turn.is_none() {
            turn = Some(ctx.merge_turn().await?);
        }
        let user = facts.holder().ok_or(Interrupted::Retry)?;
        if let Some(outcome) = apply(ctx, conflict, plan, user, taken, &mut turn).await? {
            return Ok(AttemptProgress::Done(outcome));
        }
    }
}

/// Reads the facts, notes the holder, and decides.
async fn read_and_decide(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
) -> Result<(Facts, Decision), Interrupted> {
    let now = now_millis();
    let facts = facts::read(ctx, conflict, now).await?;
    if conflict.email().is_some() {
        let holder = facts.holder();
        conflict.note_holder(
            holder.map(|user| user.id.to_string()),
            holder.and_then(|user| user.external_id.clone()),
        );
    }
    let decision = decide::next(conflict, &facts, &ctx.policy, now);
    Ok((facts, decision))
}

/// Archives the user, reads the evidence again, which must lead to the same plan, and sends the
/// call. Returns the outcome if the evidence has changed, or if the call was refused for good.
async fn apply(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
    mut plan: Plan,
    user: &User,
    action: Action<'_>,
    turn: &mut Option<MergeTurn<'_>>,
) -> Result<Option<Outcome>, Interrupted> {
    let remedy = plan.call.remedy();
    let mut archived = act::archive(ctx, conflict, user, remedy).await?;
    if let Call::Merge {
        survivor: survivor @ None,
        external_id,
    } = &mut plan.call
    {
        let made = act::make_survivor(ctx, external_id).await?;
        plan.own_user_id = Some(made.clone());
        *survivor = Some(made);
    }
    let mut user = match confirm(ctx, conflict, &plan).await? {
        Confirmed::Same(user) => user,
        Confirmed::Over(outcome) => return Ok(Some(outcome)),
    };
    if remedy == Remedy::Delete {
        let read_at = Instant::now();
        let has_grown = archived.catch_up(conflict, &user).await?;
        if has_grown || read_at.elapsed() > EVIDENCE_IS_FRESH_FOR {
            user = match confirm(ctx, conflict, &plan).await? {
                Confirmed::Same(user) => user,
                Confirmed::Over(outcome) => return Ok(Some(outcome)),
            };
        }
    }
    let sent = act::send(ctx, conflict, &plan, &user, archived.manifest()).await?;
    if let act::SendResult::NotExecuted(error) = sent {
        return match decide::after_refusal(&plan.call, &error) {
            Some(outcome) => Ok(Some(outcome)),
            None => Err(error.into()),
        };
    }
    action.spend();
    if let Some(turn) = turn {
        turn.sent();
    }
    Ok(None)
}

/// Whether the evidence still leads to the same plan.
enum Confirmed {
    Same(Box<User>),
    Over(Outcome),
}

async fn confirm(
    ctx: &Context<'_>,
    conflict: &mut Conflict,
    plan: &Plan,
) -> Result<Confirmed, Interrupted> {
    let (facts, decision) = read_and_decide(ctx, conflict).await?;
    match (decision, facts.holder()) {
        (Decision::Apply(again), Some(user)) if again == *plan => {
            Ok(Confirmed::Same(Box::new(user.clone())))
        }
        (Decision::Done(outcome), _) => Ok(Confirmed::Over(outcome)),
        _ => Err(Interrupted::Retry),
    }
}
