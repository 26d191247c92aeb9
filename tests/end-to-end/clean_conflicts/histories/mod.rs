//! Random histories of two to four people, two of whom share an email: visits, reports, changed and
//! reissued external ids, events in any order, agents in Zendesk Support, drains, operators,
//! outages and kills. In every history, no one loses an identity or a history unless the evidence
//! justifies it.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `HISTORIES_SECONDS` | how long it runs: 60 |
//! | `HISTORIES_SEED` | the seed of the first history: each prints its own |

mod functions;
mod promises;
mod support;
mod world;

use std::cell::RefCell;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use functions::Functions;
use harness::seed::{number, seed};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use tokio::runtime::Runtime;
use world::World;

/// One step. People and events are numbers, modulo their count.
#[derive(Clone, Debug)]
enum Step {
    /// A person visits the page, which reports a 409, and writes to support.
    Visit(usize),
    /// A person reports a conflict without having met one.
    Report(usize),
    /// A person gets a new external id.
    Rename { person: usize, proof: Proof },
    /// A person gets an external id that another one had before.
    Reissue { person: usize, of: usize },
    /// Zendesk delivers one of its events, and possibly again later.
    Deliver { event: usize, is_kept: bool },
    /// Zendesk's single sign-on gives the first person's Support user to the second one, because
    /// their emails match.
    RecycleAddress,
    /// An agent gives a person's Support user the email of another person.
    AgentSetsEmail { person: usize, of: usize },
    /// An agent merges the Support users of two people.
    AgentMerges { person: usize, with: usize },
    /// The schedule fires.
    Drain,
    /// The schedule fires, and the process is killed at a request.
    KilledDrain { nth: usize, is_handled: bool },
    /// An operator resolves a person's changed external id.
    Resolve(usize),
    /// An operator imports a person's changed external id.
    Import(usize),
    /// An operator approves one of the conflicts.
    Approve {
        conflict: usize,
        remedy: &'static str,
    },
    /// An operator looks again at everything that needs review.
    Recheck,
    /// An operator allows another remedy.
    Allow(&'static str),
    /// Sunshine Conversations fails, or works again.
    Outage(bool),
    /// An hour passes.
    Hour,
    /// A month passes.
    Month,
}

/// The proof by which a login shows that an external id changed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    None,
    Claim,
    ClaimWithTime,
    Event,
}

/// A deployment, and the people of its history.
#[derive(Clone, Debug)]
struct Setting {
    people: usize,
    remedy: &'static str,
    merge_call: &'static str,
    /// The wait before a release, in seconds.
    release_after: u64,
    is_trusted: bool,
    drop_merged_identities: bool,
    /// Whether everyone has visited the page once before the first step.
    have_visited: bool,
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Setting;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Setting> {
        let deployment = (
            prop::sample::select(vec!["plan", "release-email", "merge", "merge"]),
            prop::sample::select(vec!["sync", "appusers-merge"]),
            prop::sample::select(vec![0, 0, 1800]),
            any::<bool>(),
        );
        // The steps of a shorter history may need everyone.
        let people = (2_usize..=4).no_shrink();
        (people, deployment, any::<bool>(), any::<bool>())
            .prop_map(
                |(people, deployment, drop_merged_identities, have_visited)| {
                    let (remedy, merge_call, release_after, is_trusted) = deployment;
                    Setting {
                        people,
                        remedy,
                        merge_call,
                        release_after,
                        is_trusted,
                        drop_merged_identities,
                        have_visited,
                    }
                },
            )
            .boxed()
    }

    fn transitions(setting: &Setting) -> BoxedStrategy<Step> {
        // The first two share an email, so they meet most often.
        let person = || prop_oneof![2 => 0_usize..2, 1 => 0..setting.people];
        let proof = prop::sample::select(vec![
            Proof::None,
            Proof::Claim,
            Proof::ClaimWithTime,
            Proof::Event,
            Proof::Event,
        ]);
        let remedy = || prop::sample::select(vec!["release-email", "merge"]);
        prop_oneof![
            12 => person().prop_map(Step::Visit),
            4 => person().prop_map(Step::Report),
            8 => (person(), proof).prop_map(|(person, proof)| Step::Rename { person, proof }),
            2 => (person(), person()).prop_map(|(person, of)| Step::Reissue { person, of }),
            8 => (0_usize..8, any::<bool>())
                .prop_map(|(event, is_kept)| Step::Deliver { event, is_kept }),
            2 => Just(Step::RecycleAddress),
            3 => (person(), person())
                .prop_map(|(person, of)| Step::AgentSetsEmail { person, of }),
            1 => (person(), person())
                .prop_map(|(person, with)| Step::AgentMerges { person, with }),
            10 => Just(Step::Drain),
            4 => (1_usize..20, any::<bool>())
                .prop_map(|(nth, is_handled)| Step::KilledDrain { nth, is_handled }),
            2 => person().prop_map(Step::Resolve),
            1 => person().prop_map(Step::Import),
            2 => (0_usize..4, remedy())
                .prop_map(|(conflict, remedy)| Step::Approve { conflict, remedy }),
            1 => Just(Step::Recheck),
            1 => remedy().prop_map(Step::Allow),
            2 => any::<bool>().prop_map(Step::Outage),
            2 => Just(Step::Hour),
            2 => Just(Step::Month),
        ]
        .boxed()
    }

    fn apply(setting: Setting, _: &Step) -> Setting {
        setting
    }
}

/// A world, and its runtime.
struct Running {
    runtime: Runtime,
    world: World,
}

thread_local! {
    /// The functions of the history before. Those of one that failed are not used again.
    static FUNCTIONS: RefCell<Option<(Runtime, Functions)>> = const { RefCell::new(None) };
}

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = Running;
    type Reference = Reference;

    fn init_test(setting: &Setting) -> Running {
        let (runtime, functions) = FUNCTIONS.take().unwrap_or_else(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let functions = runtime.block_on(Functions::start());
            (runtime, functions)
        });
        let world = runtime.block_on(World::begin(functions, setting));
        Running { runtime, world }
    }

    fn apply(mut running: Running, _: &Setting, step: Step) -> Running {
        running.runtime.block_on(running.world.take(&step));
        running
    }

    fn check_invariants(running: &Running, _: &Setting) {
        running.world.assert_promises();
    }

    fn teardown(running: Running, _: Setting) {
        let Running { runtime, mut world } = running;
        runtime.block_on(world.come_to_rest());
        FUNCTIONS.set(Some((runtime, world.functions)));
    }
}

/// One history. On failure proptest makes it as short as it can.
fn play(seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config.clone(), random);
    let histories = Reference::sequential_strategy(8..40);
    let played = runner.run(&histories, |(setting, steps, seen)| {
        Histories::test_sequential(config.clone(), setting, steps, seen);
        Ok(())
    });
    match played {
        Ok(()) => {}
        Err(TestError::Abort(why)) => panic!("seed {seed}: {why}"),
        Err(TestError::Fail(why, (setting, steps, _))) => {
            panic!("seed {seed}: {why}\n{setting:?}\n{steps:#?}")
        }
    }
}

#[test]
fn no_one_loses_anything_without_evidence() {
    let (began, seconds) = (Instant::now(), number("HISTORIES_SECONDS").unwrap_or(60));
    let first = seed("HISTORIES_SEED");
    let played = AtomicU64::new(0);
    let play_on = || {
        loop {
            let number = played.fetch_add(1, Ordering::Relaxed);
            let seed = first.wrapping_add(number);
            println!("HISTORIES_SEED={seed}");
            play(seed);
            if began.elapsed().as_secs() >= seconds {
                break;
            }
        }
    };
    thread::scope(|threads| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            threads.spawn(play_on);
        }
    });
    println!(
        "{} histories in {:.0} s",
        played.into_inner(),
        began.elapsed().as_secs_f64()
    );
}
