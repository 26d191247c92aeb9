//! The properties of the fuzz targets, each in a short run, and over the kept inputs.
//! `PROPERTIES_SEED` draws the inputs of an earlier run again.

mod corpus;
mod strategies;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use properties::{lambda_event, path, token, unverified_token, webhook_event, webhook_signature};
use strategies::{claims, event, forwarded, hostile, signed, timestamp, zendesk_event};

/// Checks `cases` inputs. At least one in twenty must be accepted, and one refused.
fn hold<S: Strategy>(cases: u32, strategy: &S, check: impl Fn(S::Value) -> bool) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&harness::seed::seed("PROPERTIES_SEED").to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let let_in = Cell::new(0);
    TestRunner::new_with_rng(config, rng)
        .run(strategy, |input| {
            let_in.set(let_in.get() + u32::from(check(input)));
            Ok(())
        })
        .unwrap();
    let let_in = let_in.get();
    assert!(let_in * 20 >= cases, "{let_in} of {cases} let in");
    assert!(let_in < cases, "all of {cases} let in");
}

#[test]
fn a_url_has_exactly_the_intended_segments() {
    let bases = [
        "https://acme.zendesk.com/sc",
        "https://api.smooch.io/",
        "http://127.0.0.1:9000",
        "http://[::1]:1/a/b",
        "http://a.example",
        "https://a@b.example",
        "https://a.example/../b",
    ];
    let base = proptest::sample::select(bases.to_vec());
    let segments = proptest::collection::vec(hostile(), 0..5);
    hold(
        2000,
        &(base, segments, hostile()),
        |(base, segments, value)| {
            let segments: Vec<_> = segments.iter().map(String::as_str).collect();
            path::join(base, &segments, &value)
        },
    );
}

#[test]
fn an_id_is_kept_unchanged_and_stays_one_segment() {
    let digits = "[0-9a-f]{24}|[0-9]{1,21}|[A-Za-z0-9_-]{1,130}";
    hold(2000, &prop_oneof![hostile(), digits], |text| {
        path::ids(&text)
    });
}

#[test]
fn only_the_authorizer_determines_the_caller() {
    hold(1000, &event(), |event| {
        lambda_event::check(&event.to_string())
    });
}

#[test]
fn values_taken_from_a_webhook_occur_in_it() {
    hold(2000, &zendesk_event(), |event| {
        webhook_event::check(event.to_string().as_bytes())
    });
}

#[test]
fn a_webhook_is_accepted_only_as_it_was_signed() {
    let secret = "[ -~]{0,70}";
    let body = proptest::collection::vec(any::<u8>(), 0..80);
    let parts = (
        secret,
        "[a-c\0]{0,3}",
        "[A-Za-z0-9+/=]{0,44}",
        timestamp(),
        body,
    );
    hold(
        1000,
        &parts,
        |(secret, other, signature, timestamp, body)| {
            webhook_signature::holds(&secret, &other, &signature, &timestamp, &body)
        },
    );
}

#[test]
fn a_token_is_accepted_only_if_the_issuer_signed_it() {
    hold(1000, &signed(), |input| token::check(&input));
}

#[test]
fn a_forwarded_token_passes_only_if_it_is_the_callers() {
    hold(2000, &forwarded(claims()), |input| {
        unverified_token::check(&input)
    });
}
