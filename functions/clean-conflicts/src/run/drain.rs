//! A drain: works on everything that is due, and on plans that are allowed now. Conflicts that
//! people reported come before those of events and operators, and the pairs of imports come last.

use std::cell::{Cell, RefCell};

use futures_util::StreamExt;
use futures_util::stream;
use shared::conflicts::{Conflict, Position, Queue, Reason, Remedy, State, TableError};
use shared::lambda::clock::now_millis;

use super::Run;

/// Maximum records of one page of an index.
const PAGE: i32 = 100;

/// The records that one pass works on.
#[derive(Clone, Copy)]
enum Pass {
    /// The due records of a queue.
    Due(Queue),
    /// The planned records of a queue.
    Planned(Queue),
}

impl Pass {
    fn includes(self, conflict: &Conflict) -> bool {
        match self {
            Self::Due(_) => true,
            // A conflict that no one claims would be planned again.
            Self::Planned(queue) => {
                conflict.is_urgent() == (queue == Queue::Urgent)
                    && conflict.reason() != Some(Reason::NotClaimed)
            }
        }
    }
}

impl Run<'_> {
    /// Works on everything, `at_once` conflicts in parallel.
    pub async fn drain(&self, at_once: usize) -> Result<(), TableError> {
        let mut has_background = false;
        self.work_through(Pass::Due(Queue::Urgent), at_once).await?;
        if self.ctx.policy.allowed > Remedy::Plan {
            let pass = Pass::Planned(Queue::Urgent);
            has_background = self.work_through(pass, at_once).await?;
        }
        self.work_through(Pass::Due(Queue::Background), at_once)
            .await?;
        if has_background {
            let pass = Pass::Planned(Queue::Background);
            self.work_through(pass, at_once).await?;
        }
        self.work_off_imports(at_once).await
    }

    /// Processes the pairs of imports that are due. They come last: no one waits for them.
    async fn work_off_imports(&self, at_once: usize) -> Result<(), TableError> {
        let (until, mut start) = (now_millis(), None);
        while !self.ctx.must_stop() {
            let (pairs, next) = self.ctx.table.due_pairs(until, PAGE, start).await?;
            stream::iter(pairs)
                .for_each_concurrent(at_once, |pair| self.work_on_pair(pair))
                .await;
            match next {
                Some(next) => start = Some(next),
                None => break,
            }
        }
        Ok(())
    }

    /// Works on the records of a pass. Returns whether it skipped records that the pass does not
    /// include.
    async fn work_through(&self, pass: Pass, at_once: usize) -> Result<bool, TableError> {
        let failure = RefCell::new(None);
        let has_others = Cell::new(false);
        stream::unfold(Some(None), |position: Option<Option<Position>>| {
            let (failure, has_others) = (&failure, &has_others);
            async move {
                let position = position?;
                if self.ctx.must_stop() {
                    return None;
                }
                match self.page(pass, position).await {
                    Ok((mut conflicts, next)) => {
                        let read = conflicts.len();
                        conflicts.retain(|conflict| pass.includes(conflict));
                        has_others.set(has_others.get() || conflicts.len() < read);
                        // Shuffle, so that conflicts that always fail cannot starve the others.
                        fastrand::shuffle(&mut conflicts);
                        Some((stream::iter(conflicts), next.map(Some)))
                    }
                    Err(error) => {
                        failure.replace(Some(error));
                        None
                    }
                }
            }
        })
        .flatten()
        .for_each_concurrent(at_once, |conflict| self.take_up(conflict))
        .await;
        failure.into_inner().map_or(Ok(has_others.get()), Err)
    }

    async fn page(
        &self,
        pass: Pass,
        position: Option<Position>,
    ) -> Result<(Vec<Conflict>, Option<Position>), TableError> {
        let table = self.ctx.table;
        match pass {
            Pass::Due(queue) => table.due(queue, now_millis(), PAGE, position).await,
            Pass::Planned(_) => table.in_state(State::Planned, PAGE, position).await,
        }
    }

    /// Works on a conflict. Skips a planned one if no action is left for it.
    async fn take_up(&self, conflict: Conflict) {
        if conflict.state() != State::Planned {
            return self.work_on(conflict, None).await;
        }
        let may_begin = !self.ctx.must_stop();
        match may_begin.then(|| self.ctx.take_action()).flatten() {
            Some(action) => self.work_on(conflict, Some(action)).await,
            None => self.report.borrow_mut().deferred += 1,
        }
    }
}
