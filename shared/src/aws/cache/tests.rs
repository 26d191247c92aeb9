//! Time does not pass here: a span of zero is over at once, and an hour is never over.

use std::cell::Cell;

use futures_util::future::join_all;

use super::*;

const NONE: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_hours(1);

/// Fresh for long, kept for long, and fetched again at will.
const LASTING: Policy = Policy {
    ttl: HOUR,
    stale_for: HOUR,
    retry_stale: NONE,
    retry_empty: NONE,
    again_floor: NONE,
};
/// The same, but never fresh.
const STALE: Policy = Policy {
    ttl: NONE,
    ..LASTING
};

type Outcome = Result<u32, FetchError<&'static str>>;

const DOWN: Outcome = Err(FetchError::Unavailable("down"));
const GONE: Outcome = Err(FetchError::Refused("gone"));

/// A cache, and how often it fetched.
struct Fixture {
    cache: Cache<u32, &'static str>,
    fetches: Cell<u32>,
}

impl Fixture {
    fn new(policy: Policy) -> Self {
        Self {
            cache: Cache::new(policy),
            fetches: Cell::new(0),
        }
    }

    /// A fetch that takes a while, so that others come in the meantime.
    async fn fetch(&self, outcome: Outcome) -> Outcome {
        self.fetches.set(self.fetches.get() + 1);
        tokio::task::yield_now().await;
        outcome
    }

    async fn held(&self, outcome: Outcome) -> Result<Held<u32>, &'static str> {
        self.cache.get(async || self.fetch(outcome).await).await
    }

    async fn get(&self, outcome: Outcome) -> Result<u32, &'static str> {
        self.held(outcome).await.map(|held| *held.value)
    }

    async fn again(&self, seen: &Held<u32>, outcome: Outcome) -> Result<u32, &'static str> {
        let held = self
            .cache
            .fetch_again(seen, async || self.fetch(outcome).await);
        held.await.map(|held| *held.value)
    }
}

#[tokio::test]
async fn a_hundred_simultaneous_callers_fetch_once() {
    let it = Fixture::new(LASTING);
    let got = join_all((0..100).map(|n| it.get(Ok(n)))).await;
    assert_eq!(got, vec![Ok(0); 100]);
    assert_eq!(it.fetches.get(), 1);
}

#[tokio::test]
async fn waiting_callers_share_a_failure_and_later_ones_do_not() {
    let it = Fixture::new(LASTING);
    let got = join_all((0..100).map(|_| it.get(DOWN))).await;
    assert_eq!(got, vec![Err("down"); 100]);
    assert_eq!(it.fetches.get(), 1);
    assert_eq!(it.cache.failure(), Some("down"));

    assert_eq!(it.get(Ok(1)).await, Ok(1));
    assert_eq!(it.fetches.get(), 2);
    assert_eq!(it.cache.failure(), None);
}

#[tokio::test]
async fn waiting_callers_share_the_stale_value() {
    let it = Fixture::new(STALE);
    assert_eq!(it.get(Ok(1)).await, Ok(1));
    let got = join_all((0..100).map(|_| it.get(DOWN))).await;
    assert_eq!(got, vec![Ok(1); 100]);
    assert_eq!(it.fetches.get(), 2);
}

#[tokio::test]
async fn an_abandoned_fetch_blocks_no_one() {
    let it = Fixture::new(LASTING);
    let given_up = tokio::time::timeout(
        NONE,
        it.cache
            .get(async || std::future::pending::<Outcome>().await),
    );
    assert!(given_up.await.is_err());
    assert_eq!(it.get(Ok(1)).await, Ok(1));
}

#[tokio::test]
async fn a_fresh_value_is_not_fetched() {
    let it = Fixture::new(LASTING);
    assert_eq!(it.get(Ok(1)).await, Ok(1));
    assert_eq!(it.get(Ok(2)).await, Ok(1));
    assert!(!it.held(Ok(2)).await.unwrap().is_stale());
    assert_eq!(it.fetches.get(), 1);
}

#[tokio::test]
async fn a_value_is_fresh_for_nine_tenths_of_the_ttl_at_least() {
    for _ in 0..100 {
        let held = Fixture::new(LASTING).held(Ok(1)).await.unwrap();
        let fresh_for = held.fresh_until.duration_since(held.fetched_at).unwrap();
        assert!((HOUR * 9 / 10..=HOUR).contains(&fresh_for), "{fresh_for:?}");
    }
}

#[tokio::test]
async fn a_stale_value_serves_while_none_can_be_fetched_and_no_longer_than_allowed() {
    let it = Fixture::new(STALE);
    assert_eq!(it.get(Ok(1)).await, Ok(1));
    let stale = it.held(DOWN).await.unwrap();
    assert_eq!((*stale.value, stale.is_stale()), (1, true));
    assert_eq!(it.get(Ok(2)).await, Ok(2), "back again");

    let it = Fixture::new(Policy {
        stale_for: NONE,
        ..STALE
    });
    assert_eq!(it.get(Ok(1)).await, Ok(1));
    assert_eq!(it.get(DOWN).await, Err("down"));
}

#[tokio::test]
async fn a_refused_value_is_never_served_again() {
    let it = Fixture::new(STALE);
    assert_eq!(it.get(Ok(1)).await, Ok(1));
    assert_eq!(it.get(GONE).await, Err("gone"));
    assert_eq!(it.get(DOWN).await, Err("down"));

    let it = Fixture::new(LASTING);
    let seen = it.held(Ok(1)).await.unwrap();
    assert_eq!(it.again(&seen, GONE).await, Err("gone"));
    assert_eq!(it.get(DOWN).await, Err("down"));
}

#[tokio::test]
async fn after_a_failure_the_next_fetch_waits() {
    let it = Fixture::new(Policy {
        retry_empty: HOUR,
        ..STALE
    });
    assert_eq!(it.get(DOWN).await, Err("down"));
    assert_eq!(it.get(Ok(1)).await, Err("down"));
    assert_eq!(it.fetches.get(), 1);

    let it = Fixture::new(Policy {
        retry_stale: HOUR,
        ..STALE
    });
    assert_eq!(it.get(Ok(1)).await, Ok(1));
    assert_eq!(it.get(DOWN).await, Ok(1));
    assert_eq!(it.get(Ok(2)).await, Ok(1));
    assert_eq!(it.fetches.get(), 2);
}

#[tokio::test]
async fn a_useless_value_is_fetched_again_once() {
    let it = Fixture::new(LASTING);
    let seen = it.held(Ok(1)).await.unwrap();
    let got = join_all((2..102).map(|n| it.again(&seen, Ok(n)))).await;
    assert_eq!(got, vec![Ok(2); 100]);
    assert_eq!(it.fetches.get(), 2);
    assert_eq!(it.get(Ok(3)).await, Ok(2), "it is cached now");
}

#[tokio::test]
async fn fetching_again_has_a_floor_which_a_failure_sets_too() {
    let floor = Policy {
        again_floor: HOUR,
        ..LASTING
    };
    let it = Fixture::new(floor);
    let first = it.held(Ok(1)).await.unwrap();
    assert_eq!(it.again(&first, Ok(2)).await, Ok(2), "a fetch is no floor");
    let second = it.held(DOWN).await.unwrap();
    assert_eq!(it.again(&second, Ok(3)).await, Ok(2));
    assert_eq!(it.fetches.get(), 2);

    let it = Fixture::new(floor);
    let seen = it.held(Ok(1)).await.unwrap();
    assert_eq!(
        it.again(&seen, DOWN).await,
        Ok(1),
        "the cached value is still used"
    );
    assert_eq!(it.again(&seen, Ok(2)).await, Ok(1));
    assert_eq!(it.fetches.get(), 2);

    let it = Fixture::new(Policy { ttl: NONE, ..floor });
    let seen = it.held(Ok(1)).await.unwrap();
    assert_eq!(it.get(DOWN).await, Ok(1));
    assert_eq!(it.again(&seen, Ok(2)).await, Ok(1));
    assert_eq!(it.fetches.get(), 2);
}
