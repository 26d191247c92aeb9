//! Measures the overhead of `exchange-identity` over a call of Puzzel: each exchange is paired with
//! the same call sent directly to the stand-in on a kept connection, in the same run.
//!
//! `cargo bench --profile host -p benchmarks --bench exchange_identity`, or with a smaller number of
//! calls after `--`. It takes four minutes after the build.

use std::time::{Duration, Instant};

use harness::lambda::{Function, HttpEvent};
use local_stack::issuer::Issuer;
use local_stack::standins::faults::{Fault, Rule};
use local_stack::standins::puzzel::Puzzel;
use serde_json::{Value, json};

/// RFC 7636 Appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs it too, but without a binary that is worth measuring.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let count = std::env::args().skip(1).find_map(|it| it.parse().ok());
    let count: usize = count.unwrap_or(5_000);

    let issuer = Issuer::start().await.unwrap();
    let puzzel = Puzzel::start_for("customer123", &issuer).await.unwrap();
    puzzel
        .faults()
        .add(Rule::new("POST **", Fault::Delay { millis: 20 }));
    let (idp, comm) = (puzzel.idp_url(), puzzel.comm_url());
    let variables = [
        ("PUZZEL_IDP_URL", idp.as_str()),
        ("PUZZEL_COMM_URL", comm.as_str()),
        ("PUZZEL_CUSTOMER_ID", "customer123"),
    ];
    let function = Function::start("exchange-identity", variables)
        .await
        .unwrap();

    let token = issuer.login(json!({"sub": "7"})).access_token;
    let event = HttpEvent::post("/puzzel/identity")
        .claims(json!({"sub": "7", "iss": issuer.url()}))
        .bearer(&token)
        .json(&json!({"codeChallenge": CHALLENGE}));
    let client = reqwest::Client::new();
    let url = format!("{idp}/api/authenticate/customer123");
    let body = json!({"codeChallenge": CHALLENGE, "accessToken": token});

    // Open both connections before counting.
    straight(&client, &url, &body).await;
    exchange(&function, &event).await;
    let connections = puzzel.traffic().connections();
    let (mut direct, mut exchanged) = (Vec::new(), Vec::new());
    for _ in 0..count {
        direct.push(straight(&client, &url, &body).await);
        exchanged.push(exchange(&function, &event).await);
    }
    let more = puzzel.traffic().connections() - connections;

    println!("{count} calls each, Puzzel responds after 20 ms");
    for (percent, at_most) in [(50, 1.0), (99, 3.0)] {
        let [straight, through] =
            [&mut direct, &mut exchanged].map(|times| percentile(times, percent));
        let added = (through - straight) * 1000.0;
        println!(
            "p{percent}: {:.2} ms straight, {:.2} ms through the function: {added:.2} ms added \
             (below {at_most} ms)",
            straight * 1000.0,
            through * 1000.0
        );
        assert!(added < at_most);
    }
    println!("{more} connections were opened in the meantime (expected: 0)");
    assert_eq!(more, 0);
}

async fn straight(client: &reqwest::Client, url: &str, body: &Value) -> Duration {
    let started = Instant::now();
    let response = client.post(url).json(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap();
    started.elapsed()
}

async fn exchange(function: &Function, event: &HttpEvent) -> Duration {
    let started = Instant::now();
    let response = function.http(event).await.unwrap();
    assert_eq!(response.status, 200);
    started.elapsed()
}

/// A percentile of the times, in seconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64()
}
