//! The measurements: the programs take turns, so that other load on the machine affects all of
//! them.

use std::time::Duration;

use super::function::{Failure, Function};
use super::process::Program;
use super::programs::Measured;
use super::statistics::Samples;
use super::work::Work;
use super::world::World;

/// Uncounted invocations at the start: they open connections, fill caches, and let a just-in-time
/// compiler see the handler. Never more than the counted ones.
const WARM_UP: usize = 500;
/// Invocations of one program in a row.
const BLOCK: usize = 500;

/// The time for a process to settle: to notice a closed connection, and to become idle again.
const SETTLE: Duration = Duration::from_millis(10);
/// Invocations before a request on a new connection is measured, and new connections before one
/// counts: the first ones of a process still load code.
const INVOCATIONS_BEFORE: usize = 20;
const CONNECTIONS_BEFORE: usize = 2;

/// The number of measurements.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Cold starts of each program.
    pub cold: usize,
    /// Warm invocations of each program.
    pub warm: usize,
}

/// The measurements of one program.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The times from the process's start to its first `next`.
    pub init: Samples,
    /// The times from the process's start to its first response.
    pub cold: Samples,
    /// The times from the delivery of an event to its response.
    pub warm: Samples,
    /// Bytes, after all invocations.
    pub peak_memory: u64,
    /// User and system time of one invocation, averaged over all.
    pub processor_time: Duration,
    /// Set if a request of the function needs an upstream.
    pub first_request: Option<FirstRequest>,
}

/// The first request after init and later ones, from delivery to response.
#[derive(Clone, Debug)]
pub struct FirstRequest {
    /// The first request.
    pub first: Samples,
    /// A warm request that opens a new connection.
    pub reconnected: Samples,
    /// A warm request on a kept connection.
    pub kept: Samples,
}

/// A program with its workload in one world.
struct Case<'a> {
    program: &'a Program,
    environment: Vec<(String, String)>,
    work: Work,
    calls_upstream: bool,
}

impl Case<'_> {
    fn start(&self) -> Result<Function, Failure> {
        Function::start(self.program, &self.environment)
    }

    /// Checks that the response to the event is right.
    fn check(&self, function: &mut Function, response: &[u8]) -> Result<(), Failure> {
        (self.work.check)(response).map_err(|why| function.failed(why))
    }
}

/// Measures all programs against one world: first cold, then warm. Each program's response is
/// checked before the measurements, and so is every first and last response of them.
pub fn measure(
    world: &World,
    programs: &[Measured],
    amount: Amount,
) -> Result<Vec<Figures>, Failure> {
    let mut cases: Vec<Case<'_>> = programs
        .iter()
        .map(|measured| {
            let work = measured.kind.work(world);
            let mut environment = world.environment(measured.transport);
            let own = work.variables.iter();
            environment.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            Case {
                program: &measured.program,
                environment,
                work,
                calls_upstream: measured.kind.calls_upstream(),
            }
        })
        .collect();
    // Uncounted: checks the program, and reads its files into the page cache.
    for case in &mut cases {
        cold_start(case)?;
    }
    let cold = cold(&mut cases, amount.cold)?;
    let first_requests = first_requests(world, &mut cases, amount.cold)?;
    let mut figures = warm(&mut cases, amount.warm)?;
    let starts = cold.into_iter().zip(first_requests);
    for (figures, (starts, first_request)) in figures.iter_mut().zip(starts) {
        figures.init = starts.iter().map(|(init, _)| *init).collect();
        figures.cold = starts.iter().map(|(_, cold)| *cold).collect();
        figures.first_request = first_request;
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

fn first_requests(
    world: &World,
    cases: &mut [Case<'_>],
    rounds: usize,
) -> Result<Vec<Option<FirstRequest>>, Failure> {
    let mut times = vec![Vec::new(); cases.len()];
    for round in 0..rounds {
        for index in turns(cases.len(), round) {
            if cases[index].calls_upstream {
                times[index].push(first_request(world, &mut cases[index])?);
            }
        }
    }
    let samples = |times: &[[Duration; 3]], of: usize| times.iter().map(|it| it[of]).collect();
    Ok(times
        .iter()
        .map(|times| {
            (!times.is_empty()).then(|| FirstRequest {
                first: samples(times, 0),
                reconnected: samples(times, 1),
                kept: samples(times, 2),
            })
        })
        .collect())
}

/// The first request of a process, a warm one on a new connection, and one on a kept connection.
fn first_request(world: &World, case: &mut Case<'_>) -> Result<[Duration; 3], Failure> {
    let mut function = case.start()?;
    let mut invoke = |function: &mut Function| {
        let responded = function.invoke(&(case.work.event)())?;
        (case.work.check)(&responded.body).map_err(|why| function.failed(why))?;
        Ok(responded.responded - responded.began)
    };
    std::thread::sleep(SETTLE);
    let first = invoke(&mut function)?;
    for _ in 0..INVOCATIONS_BEFORE {
        invoke(&mut function)?;
    }
    let mut reconnected = Duration::ZERO;
    for _ in 0..=CONNECTIONS_BEFORE {
        world.close_connections();
        std::thread::sleep(SETTLE);
        let opened = world.connections();
        reconnected = invoke(&mut function)?;
        if world.connections() == opened {
            return Err(function.failed("it did not open a new connection".to_owned()));
        }
    }
    let kept = invoke(&mut function)?;
    Ok([first, reconnected, kept])
}

/// The sum of the blocks of one program.
#[derive(Default)]
struct Total {
    latencies: Vec<Duration>,
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
        let responded = function.invoke(&event)?;
        total.latencies.push(responded.responded - responded.began);
        last = responded.body;
    }
    total.processor_time += function.processor_time()?.saturating_sub(before);
    if count == 0 {
        return Ok(());
    }
    case.check(function, &last)
}

/// The order of one round: each round starts with another program.
fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_turn_in_each_round_and_is_first_once() {
        let rounds: Vec<Vec<usize>> = (0..3).map(|round| turns(3, round).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}
