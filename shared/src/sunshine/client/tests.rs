//! The client against a real HTTP server, and against sockets that fail.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wiremock::MockServer;

use super::super::credentials::ApiKey;
use super::*;

mod calls;
mod faults;
mod statuses;

const USER: &str = "7494535bff5cef41a15be74d";

fn user_id() -> UserId {
    USER.parse().unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// Credentials that return key 1, and the next key each time one is refused.
fn credentials(fetched: &Arc<AtomicUsize>) -> Credentials {
    let held = Arc::new(Mutex::new(key(0)));
    let fetched = Arc::clone(fetched);
    Credentials::new(move |refused, _| {
        let mut held = held.lock().unwrap();
        if refused.is_some_and(|refused| refused.is_same_as(&held)) {
            *held = key(fetched.fetch_add(1, Ordering::Relaxed) + 1);
        }
        std::future::ready(Ok(held.clone()))
    })
}

fn key(number: usize) -> ApiKey {
    ApiKey::new("int_1".into(), format!("secret{number}").into()).unwrap()
}

fn fast() -> Options {
    Options {
        requests_per_second: 10_000.try_into().unwrap(),
        first_backoff: Duration::from_millis(1),
        longest_backoff: Duration::from_millis(4),
        ..Options::default()
    }
}

fn client_of(base: &str, options: Options) -> SunshineClient {
    let account = Account {
        base_url: format!("{base}/sc").parse().unwrap(),
        app_id: "5d8cff3cd55b040010928b5b".parse().unwrap(),
        brand_id: Some("9477922990333".parse().unwrap()),
        credentials: credentials(&Arc::default()),
    };
    SunshineClient::new(HttpClient::new().unwrap(), account, options)
}

async fn server() -> (MockServer, SunshineClient) {
    let server = MockServer::start().await;
    let client = client_of(&server.uri(), fast());
    (server, client)
}

/// The request lines received, without the app's part.
async fn lines(server: &MockServer) -> Vec<String> {
    let line = |request: &wiremock::Request| {
        let url = request
            .url
            .as_str()
            .split_once("/sc/v2/apps/5d8cff3cd55b040010928b5b");
        format!("{} {}", request.method, url.unwrap().1)
    };
    server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(line)
        .collect()
}
