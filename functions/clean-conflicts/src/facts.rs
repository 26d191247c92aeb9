//! Reads everything that a decision needs, and decides nothing.

use serde_json::Value;
use shared::conflicts::{Conflict, IdChanges, Proof, Remedy, Sent};
use shared::sunshine::{Error, LookupExternalId, User, UserId};

use crate::archive::archived_user;
use crate::context::Context;
use crate::evidence::{Facts, LastSeen, emails, is_restorable};
use crate::interrupted::Interrupted;

/// Maximum claimants between whom lineage is read. More claimants are certainly not one person.
const MAX_COMPARED: usize = 4;

/// Reads the facts about a conflict as they are now.
pub async fn read(ctx: &Context<'_>, conflict: &Conflict, now: u64) -> Result<Facts, Interrupted> {
    let mut facts = Facts {
        holders: holders(ctx, conflict).await?,
        ..Facts::default()
    };
    read_changes(ctx, conflict, &mut facts).await?;
    let is_held = facts.is_held_by(&facts.people(conflict, now));
    if let Some(user) = facts.holder().cloned().filter(|_| !is_held) {
        read_evidence(ctx, conflict, &user, &mut facts, now).await?;
    }
    if let Some(sent) = conflict.sent() {
        read_effect(ctx, conflict, sent, &mut facts, now).await?;
    }
    Ok(facts)
}

/// The users that hold the email; or the user of the conflict, if it still exists.
async fn holders(ctx: &Context<'_>, conflict: &Conflict) -> Result<Vec<User>, Interrupted> {
    if let Some(email) = conflict.email() {
        let listed = ctx.sunshine.list_users_by_email(email, ctx.deadlines.calls);
        return Ok(listed.await?);
    }
    let user = match conflict.user_id().and_then(|id| id.parse().ok()) {
        Some(id) => user(ctx, &id).await?,
        None => None,
    };
    Ok(user.into_iter().collect())
}

/// The lineage between claimants that trusted events state.
async fn read_changes(
    ctx: &Context<'_>,
    conflict: &Conflict,
    facts: &mut Facts,
) -> Result<(), Interrupted> {
    let ids = conflict.claims().external_ids();
    if !ctx.policy.trusts_events || !(2..=MAX_COMPARED).contains(&ids.len()) {
        return Ok(());
    }
    for previous in &ids {
        for current in ids.iter().filter(|id| id != &previous) {
            let changes = ctx
                .table
                .changes_between(ctx.scope, previous, current)
                .await?;
            if let IdChanges::Became(lineage) = changes {
                facts.changes.push(lineage);
            }
        }
    }
    Ok(())
}

/// The evidence about the one user that holds the email.
async fn read_evidence(
    ctx: &Context<'_>,
    conflict: &Conflict,
    user: &User,
    facts: &mut Facts,
    now: u64,
) -> Result<(), Interrupted> {
    if let Some(external_id) = &user.external_id {
        for claimant in conflict.claims().external_ids() {
            let changes = ctx
                .table
                .changes_between(ctx.scope, external_id, claimant)
                .await?;
            facts.id_changes.insert(claimant.to_owned(), changes);
        }
    }
    let callers: Vec<String> = facts
        .callers(conflict, &ctx.policy, now)
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    let names_release = ctx.policy.named == Some(Remedy::ReleaseEmail);
    if callers.len() != 1 && !names_release {
        // The decision needs no more: there is a dispute, or no claim.
        return Ok(());
    }
    read_own(ctx, &callers, facts).await?;
    read_support(ctx, user, facts, now).await?;
    let is_proven = callers.iter().any(|caller| {
        let proof = facts.proof(conflict, &ctx.policy, caller, now);
        matches!(proof, Proof::Given | Proof::Contradicted)
    });
    let is_due = now >= Facts::waits_until(conflict, &ctx.policy);
    if !is_proven && is_due && !names_release {
        facts.last_seen = last_seen(ctx, &user.id).await?;
    }
    Ok(())
}

/// Reads the state of the Support users behind the holder and the callers, from events.
async fn read_support(
    ctx: &Context<'_>,
    holder: &User,
    facts: &mut Facts,
    now: u64,
) -> Result<(), Interrupted> {
    let own = facts.own.values().filter_map(|own| own.zendesk_id.clone());
    let mut linked: Vec<_> = own.collect();
    linked.extend(holder.zendesk_id.clone());
    for id in linked {
        let Some(support_user) = ctx.table.support_user(id.as_str()).await? else {
            continue;
        };
        facts.is_settling |= support_user.is_settling(now);
        if holder.zendesk_id.as_ref() == Some(&id) {
            facts.support_external_id = support_user.external_id().map(ToOwned::to_owned);
            facts.support_email = support_user.email().map(ToOwned::to_owned);
        }
    }
    read_holders_of_support_email(ctx, holder, facts).await
}

/// Reads whether a third user has the email that a sync would write.
async fn read_holders_of_support_email(
    ctx: &Context<'_>,
    holder: &User,
    facts: &mut Facts,
) -> Result<(), Interrupted> {
    let Some(email) = &facts.support_email else {
        return Ok(());
    };
    let both = || facts.own.values().chain([holder]);
    if both().any(|user| emails(user).contains(email)) {
        return Ok(());
    }
    let holders = ctx
        .sunshine
        .list_users_by_email(email, ctx.deadlines.calls)
        .await?;
    let is_third = |user: &User| both().all(|it| it.id != user.id);
    facts.support_email_is_anothers = holders.iter().any(is_third);
    Ok(())
}

/// The user under each caller's external id. The path also accepts user ids, so it may be the user
/// with that id.
async fn read_own(
    ctx: &Context<'_>,
    callers: &[String],
    facts: &mut Facts,
) -> Result<(), Interrupted> {
    for caller in callers {
        let Ok(lookup) = LookupExternalId::try_from(caller.clone()) else {
            continue;
        };
        let read = ctx
            .sunshine
            .user_by_external_id(&lookup, ctx.deadlines.calls);
        if let Some(own) = if_found(read.await)? {
            facts.own.insert(caller.clone(), own);
        }
    }
    Ok(())
}

/// The last activity on any of the user's clients.
async fn last_seen(ctx: &Context<'_>, id: &UserId) -> Result<LastSeen, Interrupted> {
    let (mut seen, mut after) = (LastSeen::Never, None);
    loop {
        let page = ctx
            .sunshine
            .clients(id, after.as_ref(), ctx.deadlines.calls);
        let page = page.await?;
        for client in &page.items {
            seen = seen.later(LastSeen::of_client(client.last_seen.as_deref()));
        }
        after = page.next;
        if after.is_none() {
            return Ok(seen);
        }
    }
}

/// Reads the effect of a remedy that may have been sent.
async fn read_effect(
    ctx: &Context<'_>,
    conflict: &Conflict,
    sent: &Sent,
    facts: &mut Facts,
    now: u64,
) -> Result<(), Interrupted> {
    if let Ok(id) = sent.to.parse() {
        let is_needed = sent.remedy != Remedy::Delete || conflict.email().is_none();
        facts.target = if is_needed {
            user(ctx, &id).await?
        } else {
            None
        };
    }
    match sent.remedy {
        Remedy::ReleaseEmail => {
            if is_restorable(sent, now) && facts.target.is_some() {
                facts.archived = archived(ctx, sent).await?;
            }
        }
        Remedy::Merge => {
            let people: Vec<String> = facts
                .people(conflict, now)
                .into_iter()
                .map(ToOwned::to_owned)
                .collect();
            read_own(ctx, &people, facts).await?;
            if let Some(id) = sent.own_user_id.as_deref().and_then(|id| id.parse().ok()) {
                facts.own_before = user(ctx, &id).await?;
            }
        }
        Remedy::Plan | Remedy::Delete => {}
    }
    Ok(())
}

/// The versions of the user in its archives, the newest first.
async fn archived(ctx: &Context<'_>, sent: &Sent) -> Result<Vec<Value>, Interrupted> {
    let mut archived = Vec::new();
    let Some(archive) = ctx.archive else {
        return Ok(archived);
    };
    for manifest in &sent.archives {
        archived.push(archived_user(archive, manifest).await?);
    }
    Ok(archived)
}

/// The user with this id; `None` if it does not exist, or was merged into another user.
async fn user(ctx: &Context<'_>, id: &UserId) -> Result<Option<User>, Interrupted> {
    match ctx.sunshine.user(id, ctx.deadlines.calls).await {
        Err(Error::AnotherUser) => Ok(None),
        read => if_found(read),
    }
}

/// Turns a 404 into `None`.
fn if_found(read: Result<User, Error>) -> Result<Option<User>, Interrupted> {
    match read {
        Ok(user) => Ok(Some(user)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
