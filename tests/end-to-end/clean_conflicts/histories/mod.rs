//! Random histories of two to four people, two of whom share an email: visits, reports, changed
//! external ids, events in any order, drains, operators, outages and kills. In every history, no
//! one loses an identity or a history unless the evidence justifies it.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `HISTORIES_SECONDS` | how long it runs: 60 |
//! | `HISTORIES_SEED` | the seed of the first history: each prints its own |

mod promises;
mod world;

use std::time::Instant;

use harness::seed::{number, seed};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
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
    /// Zendesk delivers one of its events, and possibly again later.
    Deliver { event: usize, is_kept: bool },
    /// Zendesk's single sign-on gives the first person's Support user to the second one, because
    /// their emails match.
    RecycleAddress,
    /// The schedule fires.
    Drain,
    /// The schedule fires, and the process is killed at a request.
    KilledDrain { nth: usize, is_handled: bool },
    /// An operator resolves a person's changed external id.
    Resolve(usize),
    /// Sunshine Conversations fails, or works again.
    Outage(bool),
    /// The records become a month older.
    Month,
}

/// The proof by which a login shows that an external id changed.
#[derive(Clone, Copy, Debug)]
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
    is_trusted: bool,
    drop_merged_identities: bool,
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Setting;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Setting> {
        let remedy = prop::sample::select(vec!["plan", "release-email", "merge", "merge"]);
        let merge_call = prop::sample::select(vec!["sync", "appusers-merge"]);
        (
            2_usize..=4,
            remedy,
            merge_call,
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(
                |(people, remedy, merge_call, is_trusted, drop_merged_identities)| Setting {
                    people,
                    remedy,
                    merge_call,
                    is_trusted,
                    drop_merged_identities,
                },
            )
            .boxed()
    }

    fn transitions(setting: &Setting) -> BoxedStrategy<Step> {
        let person = 0..setting.people;
        let proof = prop::sample::select(vec![
            Proof::None,
            Proof::Claim,
            Proof::ClaimWithTime,
            Proof::Event,
        ]);
        prop_oneof![
            6 => person.clone().prop_map(Step::Visit),
            2 => person.clone().prop_map(Step::Report),
            4 => (person.clone(), proof).prop_map(|(person, proof)| Step::Rename { person, proof }),
            4 => (0_usize..8, any::<bool>())
                .prop_map(|(event, is_kept)| Step::Deliver { event, is_kept }),
            1 => Just(Step::RecycleAddress),
            5 => Just(Step::Drain),
            2 => (1_usize..20, any::<bool>())
                .prop_map(|(nth, is_handled)| Step::KilledDrain { nth, is_handled }),
            1 => person.prop_map(Step::Resolve),
            1 => any::<bool>().prop_map(Step::Outage),
            1 => Just(Step::Month),
        ]
        .boxed()
    }

    fn apply(setting: Setting, _: &Step) -> Setting {
        setting
    }
}

/// A world, and its runtime.
struct Running {
    runtime: tokio::runtime::Runtime,
    world: World,
}

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = Running;
    type Reference = Reference;

    fn init_test(setting: &Setting) -> Running {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let world = runtime.block_on(World::start(setting));
        Running { runtime, world }
    }

    fn apply(mut running: Running, _: &Setting, step: Step) -> Running {
        running.runtime.block_on(running.world.take(&step));
        running
    }

    fn check_invariants(running: &Running, _: &Setting) {
        let _in_runtime = running.runtime.enter();
        running.world.assert_promises();
    }

    fn teardown(mut running: Running, _: Setting) {
        running.runtime.block_on(running.world.come_to_rest());
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
    let mut played = 0;
    while played == 0 || began.elapsed().as_secs() < seconds {
        let seed = first.wrapping_add(played);
        println!("HISTORIES_SEED={seed}");
        play(seed);
        played += 1;
    }
    println!(
        "{played} histories in {:.0} s",
        began.elapsed().as_secs_f64()
    );
}
