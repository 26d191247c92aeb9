//! The measurements: every program in turn, so that whatever else the machine does hits all.

use std::time::Duration;

use super::function::{Failure, Function};
use super::process::Program;
use super::programs::Measured;
use super::statistics::Samples;
use super::work::Work;
use super::world::World;

/// Invocations before anything is counted: connections are made, caches filled, and a
/// just-in-time compiler has seen the handler. Never more than are counted.
const WARM_UP: usize = 500;
/// Invocations of one program in a row.
const BLOCK: usize = 500;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Cold starts of each program.
    pub cold: usize,
    /// Warm invocations of each program.
    pub warm: usize,
}

/// What was measured of one program.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From the process's start to its first `next`.
    pub init: Samples,
    /// From the process's start to its first answer.
    pub cold: Samples,
    /// From an event's hand-over to its answer.
    pub warm: Samples,
    /// Invocations a second, one after the other.
    pub rate: f64,
    /// Bytes, after all invocations.
    pub peak_memory: u64,
    /// For one invocation, user and system, averaged over all.
    pub processor_time: Duration,
}

/// A program with its work in one world.
struct Case<'a> {
    program: &'a Program,
    environment: Vec<(String, String)>,
    work: Work,
}

impl Case<'_> {
    fn start(&self) -> Result<Function, Failure> {
        Function::start(self.program, &self.environment)
    }

    /// The event's answer must be right.
    fn check(&self, function: &mut Function, answer: &[u8]) -> Result<(), Failure> {
        (self.work.check)(answer).map_err(|why| function.failed(why))
    }
}

/// Measures all programs against one world: first cold, then warm. Each one's answer is checked
/// beforehand, and every first and last answer of what is measured too.
pub fn measure(
    world: &World,
    programs: &[Measured],
    amount: Amount,
) -> Result<Vec<Figures>, Failure> {
    let mut cases: Vec<Case<'_>> = programs
        .iter()
        .map(|Measured { program, kind, .. }| {
            let work = kind.work(world);
            let mut environment = world.environment();
            let own = work.variables.iter();
            environment.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            Case {
                program,
                environment,
                work,
            }
        })
        .collect();
    // Uncounted: it is checked, and its files are read into the page cache.
    for case in &mut cases {
        cold_start(case)?;
    }
    let cold = cold(&mut cases, amount.cold)?;
    let mut figures = warm(&mut cases, amount.warm)?;
    for (figures, starts) in figures.iter_mut().zip(cold) {
        figures.init = starts.iter().map(|(init, _)| *init).collect();
        figures.cold = starts.iter().map(|(_, cold)| *cold).collect();
    }
    Ok(figures)
}

fn cold(cases: &mut [Case<'_>], rounds: usize) -> Result<Vec<Vec<(Duration, Duration)>>, Failure> {
    let mut starts = vec![Vec::new(); cases.len()];
    for round in 0..rounds {
        for index in turns(cases.len(), round) {
            starts[index].push(cold_start(&mut cases[index])?);
        }
    }
    Ok(starts)
}

/// Init and the whole cold start.
fn cold_start(case: &mut Case<'_>) -> Result<(Duration, Duration), Failure> {
    let event = (case.work.event)();
    let mut function = case.start()?;
    let first = function.invoke(&event)?;
    case.check(&mut function, &first.body)?;
    Ok((function.init(), function.cold_start(&first)))
}

/// What the blocks of one program add up to.
#[derive(Default)]
struct Total {
    latencies: Vec<Duration>,
    /// From hand-over to the next `next`, of all invocations.
    busy: Duration,
    processor_time: Duration,
}

fn warm(cases: &mut [Case<'_>], invocations: usize) -> Result<Vec<Figures>, Failure> {
    let mut functions = Vec::new();
    let mut totals: Vec<Total> = Vec::new();
    for case in &mut *cases {
        let mut function = case.start()?;
        let uncounted = WARM_UP.min(invocations);
        block(case, &mut function, &mut Total::default(), uncounted)?;
        functions.push(function);
        totals.push(Total::default());
    }
    let mut left = invocations;
    for round in 0.. {
        let count = left.min(BLOCK);
        if count == 0 {
            break;
        }
        left -= count;
        for index in turns(cases.len(), round) {
            let (case, function) = (&mut cases[index], &mut functions[index]);
            block(case, function, &mut totals[index], count)?;
        }
    }
    let figures = functions.iter_mut().zip(totals);
    figures
        .map(|(function, total)| {
            let count = u32::try_from(invocations).unwrap_or(u32::MAX);
            Ok(Figures {
                warm: total.latencies.into_iter().collect(),
                rate: f64::from(count) / total.busy.as_secs_f64().max(f64::EPSILON),
                peak_memory: function.peak_memory()?,
                processor_time: total.processor_time / count.max(1),
                ..Figures::default()
            })
        })
        .collect()
}

fn block(
    case: &mut Case<'_>,
    function: &mut Function,
    total: &mut Total,
    count: usize,
) -> Result<(), Failure> {
    let before = function.processor_time()?;
    let mut last = Vec::new();
    for _ in 0..count {
        let event = (case.work.event)();
        let answered = function.invoke(&event)?;
        total.latencies.push(answered.answered - answered.began);
        total.busy += answered.ready - answered.began;
        last = answered.body;
    }
    total.processor_time += function.processor_time()?.saturating_sub(before);
    if count == 0 {
        return Ok(());
    }
    case.check(function, &last)
}

/// The order of one round: each time another one is first.
fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_turn_in_every_round_and_each_is_first_once() {
        let rounds: Vec<Vec<usize>> = (0..3).map(|round| turns(3, round).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}
