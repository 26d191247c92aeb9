//! The warm handler: from the event's text to the response's.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use criterion::{Criterion, criterion_group, criterion_main};
use fixture::{Fixture, event};
use serde_json::json;

fn sign(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return;
    };
    let it = runtime.block_on(Fixture::warm());
    let event = event(&json!({
        "sub": "1234567",
        "name": "Anna",
        "email": "anna@example.com",
        "email_verified": true,
    }));
    criterion.bench_function("sign-token, warm", |bencher| {
        bencher.to_async(&runtime).iter(|| it.handle(&event));
    });
}

criterion_group!(benches, sign);
criterion_main!(benches);
