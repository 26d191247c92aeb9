//! Canaries: no secret appears in a response or in a log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends if anything is not as expected"
)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{CHALLENGE, Fault, Faulty, IDENTIFY, ISSUER, START, USER_INFO_ID, call, response};
use support::{event, function, jwt, puzzel};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

const EMAIL: &str = "canary@mail.example";
const VISITOR: &str = "visitor-canary";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_in_no_response_and_in_no_log() {
    let log = Log::default();
    let writer = log.clone();
    // The levels that `telemetry` allows: everything from us, INFO and above from others.
    let own = ["shared", "exchange_identity"];
    let cap = filter_fn(move |metadata| {
        *metadata.level() <= tracing::Level::INFO
            || own.iter().any(|name| metadata.target().starts_with(name))
    });
    let output = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    tracing_subscriber::registry()
        .with(output.with_filter(cap))
        .init();
    tracing::info!("the log is captured");

    let token = jwt(&json!({"sub": "1234", "iss": ISSUER, "email": EMAIL}));
    let well = puzzel().await;
    let refuses = Faulty::start(Fault::Say(response(401, "", USER_INFO_ID))).await;
    let breaks = Faulty::start(Fault::Reset).await;
    let unheard = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let foreign = jwt(&json!({"sub": "5678", "email": EMAIL}));
    let mut responses = String::new();
    for identity in [&well.uri(), &refuses.url, &breaks.url, &unheard] {
        for chat in [&well.uri(), &refuses.url, &breaks.url, &unheard] {
            let function = function(identity, chat, &[]).await;
            for (bearer, mut sent) in [
                (token.as_str(), json!({"visitorToken": VISITOR})),
                (foreign.as_str(), json!({})),
                (token.as_str(), json!({"idToken": foreign})),
                (token.as_str(), json!({"codeVerifier": "verifier-canary"})),
                (token.as_str(), json!({(EMAIL): VISITOR})),
                (EMAIL, json!({})),
            ] {
                for (method, path) in [("POST", START), ("PUT", IDENTIFY)] {
                    let reply = call(&function, &event(method, path, bearer, &sent)).await;
                    responses.push_str(&reply.text());
                }
                sent["codeChallenge"] = CHALLENGE.into();
                let event = event("POST", "/puzzel/identity", bearer, &sent);
                let reply = call(&function, &event).await;
                if reply.status() != 200 {
                    responses.push_str(&reply.text());
                }
            }
        }
    }

    let mut secrets: Vec<String> = [&token, &foreign].map(ToString::to_string).into();
    secrets.extend([EMAIL, VISITOR, USER_INFO_ID, "verifier-canary"].map(ToOwned::to_owned));
    secrets.push("codeVerifier=".to_owned());
    let fixed = secrets.len();
    for request in well.received_requests().await.unwrap() {
        let query = request.url.query_pairs();
        secrets.extend(query.map(|(_, value)| value.into_owned()));
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        secrets.extend(body["codeVerifier"].as_str().map(ToOwned::to_owned));
    }
    assert!(secrets.len() >= fixed + 3, "the verifiers are checked too");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("the log is captured") && log.contains("refused"),
        "{log}"
    );
    for secret in secrets {
        assert!(!responses.contains(&secret), "a response contains {secret}");
        assert!(!log.contains(&secret), "the log contains {secret}");
    }
}
