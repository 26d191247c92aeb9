//! Whatever a path contains, the result is either 400 or a call to exactly the intended path.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends if anything is not as expected"
)]

mod support;

use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use support::{call, event, function, puzzel, token};

/// Hostile ids: strings of the characters that parsers treat specially, and of any others.
fn hostile() -> impl Strategy<Value = String> {
    let special = [
        ".", "..", "%2e", "%2E%2e", "%252e", "/", "%2f", "\\", "%5c", "?", "#", "@", ";", "%",
        "%00", "\0", "\r", "\n", "\t", "%0d%0a", "route", "identity", "kø", "\u{4e16}", " ", "+",
    ];
    let part = prop_oneof![
        3 => proptest::sample::select(special.to_vec()).prop_map(ToOwned::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z0-9]{1,3}",
        1 => Just("x".repeat(127)),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

#[test]
fn no_request_leaves_its_path() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let puzzel = runtime.block_on(puzzel());
    let function = runtime.block_on(function(&puzzel.uri(), &puzzel.uri(), &[]));
    let seed = [4; 32];
    println!("seed {seed:?}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config {
        cases: 500,
        failure_persistence: None,
        ..Config::default()
    };
    let cases = (hostile(), hostile(), any::<bool>(), any::<bool>());
    let called = std::cell::Cell::new(0);
    TestRunner::new_with_rng(config, rng)
        .run(&cases, |(conversation, queue, plain, in_event)| {
            let conversation = if plain {
                "c-1".to_owned()
            } else {
                conversation
            };
            let path = format!("/puzzel/conversations/{conversation}/route/{queue}");
            let mut event = event("POST", &path, &token(), &Value::Null);
            let mut meant = [&conversation, &queue]
                .map(|it| percent_decode_str(it).decode_utf8().map(String::from).ok());
            if in_event {
                event["rawPath"] = "/puzzel/conversations/a/route/b".into();
                event["pathParameters"] =
                    json!({"conversationId": conversation, "queueKey": queue});
                meant = [Some(conversation), Some(queue)];
            }
            let (reply, requests) = runtime.block_on(async {
                let before = puzzel.received_requests().await.unwrap().len();
                let reply = call(&function, &event).await;
                let requests = puzzel.received_requests().await.unwrap();
                (reply, requests[before..].to_vec())
            });
            if reply.status() == 400 {
                prop_assert!(requests.is_empty());
                return Ok(());
            }
            prop_assert_eq!(reply.status(), 200);
            called.set(called.get() + 1);
            let path = requests[1].url.path();
            let segments: Vec<_> = path.split('/').collect();
            let is_meant = |segment: &str, meant: &Option<String>| {
                percent_decode_str(segment).decode_utf8().ok().as_deref() == meant.as_deref()
            };
            prop_assert_eq!(segments.len(), 6, "{}", path);
            prop_assert_eq!(
                [segments[1], segments[2], segments[4]],
                ["api", "conversation", "route"]
            );
            prop_assert!(
                is_meant(segments[3], &meant[0]) && is_meant(segments[5], &meant[1]),
                "{}",
                path
            );
            Ok(())
        })
        .unwrap();
    assert!(
        called.get() > 50,
        "only {} cases reached Puzzel",
        called.get()
    );
}
