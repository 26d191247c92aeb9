//! 10,000 random bodies, signed and unsigned, through the real process: no panic, no 5xx.
//! `WEBHOOK_SEED` repeats the bodies of an earlier run.

use harness::seed::seed;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::*;

/// Any JSON, with the names and words of events in it.
fn value(random: &mut StdRng, depth: u32) -> Value {
    const WORDS: [&str; 12] = [
        "zen:event-type:user.external_id_changed",
        "zen:event-type/user.identity_changed",
        "zen:event-type:user.merged",
        "end-user",
        "2026-01-01T00:00:00Z",
        "9999999-99-99T99:99:99Z",
        "email",
        "a@example.com",
        "..",
        "\u{0}\n",
        "",
        "1234",
    ];
    match random.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!(random.random::<i64>()),
        3 => json!(random.random::<f64>()),
        4 | 5 => json!(WORDS[random.random_range(0..WORDS.len())]),
        6 => (0..random.random_range(0..4))
            .map(|_| value(random, depth - 1))
            .collect(),
        _ => object(random, depth),
    }
}

fn object(random: &mut StdRng, depth: u32) -> Value {
    const NAMES: [&str; 14] = [
        "type",
        "id",
        "time",
        "detail",
        "event",
        "current",
        "previous",
        "email",
        "external_id",
        "role",
        "user",
        "value",
        "primary",
        "else",
    ];
    let mut object = json!({});
    for _ in 0..random.random_range(0..8) {
        let name = NAMES[random.random_range(0..NAMES.len())];
        object[name] = value(random, depth.saturating_sub(1));
    }
    object
}

/// Random bytes, JSON, an event with something random in it, that cut short, or a whole event.
fn body(random: &mut StdRng) -> Vec<u8> {
    let kind = random.random_range(0..5);
    if kind == 0 {
        let mut bytes = vec![0; random.random_range(0..300)];
        random.fill_bytes(&mut bytes);
        return bytes;
    }
    let mut json = value(random, 4);
    if kind > 1 {
        json = changed("e", "1234", "123456");
        let places = ["type", "id", "time", "detail", "event"];
        json["id"] = json!(random.random::<u64>());
        if kind == 4 {
            return json.to_string().into_bytes();
        }
        json[places[random.random_range(0..places.len())]] = value(random, 3);
        let places = ["email", "role", "external_id"];
        if json["detail"].is_object() {
            json["detail"][places[random.random_range(0..places.len())]] = value(random, 2);
        }
        if json["event"].is_object() {
            json["event"]["current"] = value(random, 2);
        }
    }
    let mut bytes = json.to_string().into_bytes();
    if kind == 3 {
        bytes.truncate(random.random_range(0..=bytes.len()));
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_causes_a_panic_or_a_5xx() {
    let mut random = StdRng::seed_from_u64(seed("WEBHOOK_SEED"));
    let stack = Stack::start(&[]).await;
    let mut responses = std::collections::BTreeMap::<_, usize>::new();
    for number in 0..10_000 {
        let body = body(&mut random);
        let now = seconds_from_now(0);
        let is_signed = number % 4 != 0;
        let secret = if is_signed { SECRET } else { "another" };
        let signature = webhook::signature(secret, &now, &body);
        let event = with_signature(&now, &signature).base64_body(&body);
        let response = stack.function.http(&event).await;
        let text = String::from_utf8_lossy(&body);
        let status = response
            .unwrap_or_else(|error| panic!("{number}: {error} at {text}"))
            .status;
        let expected: &[u16] = if is_signed { &[200, 400] } else { &[401] };
        assert!(expected.contains(&status), "{number}: {status} at {text}");
        *responses.entry((is_signed, status)).or_default() += 1;
    }
    println!("{responses:?}");
    assert!(
        responses.values().all(|times| *times > 1_000),
        "{responses:?}"
    );
}
