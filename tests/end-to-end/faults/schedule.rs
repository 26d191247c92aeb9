//! Random faults at random times, from a seed.

use std::time::Duration;

use harness::fault_proxy::{Fault, When};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Maximum bytes of a response after which a fault strikes.
const WITHIN: usize = 700;

/// Faults for this share of the requests. The same seed gives the same faults in the same order;
/// which request a fault hits also depends on the order of arrival.
pub(crate) fn schedule(seed: u64, share: f64) -> impl FnMut() -> Option<Fault> + Send + 'static {
    let mut random = StdRng::seed_from_u64(seed);
    move || random.random_bool(share).then(|| fault(&mut random))
}

fn fault(random: &mut StdRng) -> Fault {
    let millis = |random: &mut StdRng, range| Duration::from_millis(random.random_range(range));
    match random.random_range(0..20) {
        0..6 => Fault::Latency(millis(random, 5..400)),
        6..9 => Fault::Trickle {
            bytes: random.random_range(1..60),
            pause: millis(random, 1..15),
        },
        9..12 => Fault::Reset(when(random)),
        12..15 => Fault::HalfClose(when(random)),
        15..18 => Fault::Truncate(when(random)),
        _ => Fault::BlackHole(when(random)),
    }
}

fn when(random: &mut StdRng) -> When {
    match random.random_range(0..3) {
        0 => When::AtOnce,
        1 => When::After(0),
        _ => When::After(random.random_range(1..WITHIN)),
    }
}
