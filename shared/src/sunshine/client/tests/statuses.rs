//! One test for each status, for reads and for changes.

use serde_json::json;
use wiremock::matchers::{any, header};
use wiremock::{Mock, ResponseTemplate};

use super::super::super::breaker::Halt;
use super::*;

/// A server that responds with `first` the given number of times, and then with 200.
async fn first(first: ResponseTemplate, times: u64) -> (MockServer, SunshineClient) {
    let (server, client) = server().await;
    let then = ResponseTemplate::new(200).set_body_json(json!({"user": {"id": USER}}));
    let given = Mock::given(any()).respond_with(first);
    given.up_to_n_times(times).mount(&server).await;
    Mock::given(any()).respond_with(then).mount(&server).await;
    (server, client)
}

fn upstream(status: u16) -> Error {
    Error::Upstream {
        status,
        retry_after: None,
    }
}

async fn always(status: u16) -> (MockServer, SunshineClient) {
    first(ResponseTemplate::new(status), 1000).await
}

async fn read(client: &SunshineClient) -> Result<User, Error> {
    client.user(&user_id(), soon()).await
}

async fn change(client: &SunshineClient) -> Result<(), Error> {
    client.delete_user(&user_id(), soon()).await
}

#[tokio::test]
async fn status_404_is_not_found_and_does_not_count_as_a_failure() {
    let (_server, client) = always(404).await;
    for _ in 0..10 {
        assert_eq!(read(&client).await.unwrap_err(), Error::NotFound);
        assert_eq!(change(&client).await.unwrap_err(), Error::NotFound);
    }
    assert_eq!(client.breaker().stopped(), None);
    assert_eq!(client.requests(), 20);
}

#[tokio::test]
async fn status_404_of_the_app_says_nothing_about_the_user() {
    let body = json!({"errors": [{"code": "app_not_found", "title": "App not found"}]});
    let (_server, client) = first(ResponseTemplate::new(404).set_body_json(body), 9).await;
    let error = upstream(404);
    assert_eq!(change(&client).await.unwrap_err(), error);
}

/// Lets a server accept the second key and refuse the first one.
async fn accept_only_the_fresh_key(server: &MockServer) {
    // int_1:secret1
    let fresh = Mock::given(header("authorization", "Basic aW50XzE6c2VjcmV0MQ=="));
    fresh
        .respond_with(ResponseTemplate::new(200))
        .mount(server)
        .await;
    let stale = Mock::given(any()).respond_with(ResponseTemplate::new(401));
    stale.with_priority(9).mount(server).await;
}

#[tokio::test]
async fn status_401_fetches_a_fresh_key_once() {
    let (server, client) = server().await;
    accept_only_the_fresh_key(&server).await;
    change(&client).await.unwrap();
    assert_eq!(client.breaker().stopped(), None);
    change(&client).await.unwrap();
    assert_eq!(client.requests(), 3);
}

#[tokio::test]
async fn status_401_of_many_calls_at_once_fetches_one_fresh_key() {
    let (server, mut client) = server().await;
    let fetched = Arc::default();
    client.account.credentials = credentials(&fetched);
    accept_only_the_fresh_key(&server).await;
    let client = Arc::new(client);
    let calls = (0..20).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { change(&client).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn status_401_with_a_fresh_key_stops_the_run() {
    let (_server, client) = always(401).await;
    assert_eq!(read(&client).await.unwrap_err(), Error::Unauthorized);
    assert_eq!(client.breaker().stopped(), Some(Halt::Unauthorized));
    assert_eq!(client.requests(), 2);
    let stopped = Error::Stopped(Halt::Unauthorized);
    assert_eq!(change(&client).await.unwrap_err(), stopped);
    assert_eq!(client.requests(), 2);
}

#[tokio::test]
async fn status_403_is_not_repeated_and_leaves_it_to_the_caller_to_stop_the_run() {
    let (_server, client) = always(403).await;
    assert_eq!(change(&client).await.unwrap_err(), Error::Forbidden);
    assert_eq!(client.breaker().stopped(), None);
    assert_eq!(client.probe(soon()).await.unwrap_err(), Error::Forbidden);
    assert_eq!(client.requests(), 2);
}

#[tokio::test]
async fn a_refused_merge_stops_no_run() {
    let (_server, client) = always(401).await;
    let merged = client.merge_users(&user_id(), &user_id(), soon()).await;
    assert_eq!(merged.unwrap_err(), Error::Unauthorized);
    // Once with the key, and once with a fresh one.
    assert_eq!(client.requests(), 2);
    assert_eq!(client.breaker().stopped(), None);
}

#[tokio::test]
async fn a_probe_is_not_repeated() {
    let (_server, client) = always(503).await;
    assert_eq!(client.probe(soon()).await.unwrap_err(), upstream(503));
    assert_eq!(client.requests(), 1);
}

#[tokio::test]
async fn status_429_is_retried_also_for_changes() {
    let (_server, client) = first(ResponseTemplate::new(429), 3).await;
    change(&client).await.unwrap();
    assert_eq!(client.requests(), 4);
    assert_eq!(client.breaker().stopped(), None);
    let (_server, client) = always(429).await;
    let limited = Error::RateLimited { retry_after: None };
    assert_eq!(read(&client).await.unwrap_err(), limited);
    assert_eq!(client.requests(), 6);
    assert_eq!(client.breaker().stopped(), None);
}

#[tokio::test]
async fn status_429_is_not_waited_for_past_the_deadline() {
    let response = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let (_server, client) = first(response, 9).await;
    let retry_after = Some(Duration::from_hours(1));
    let limited = Error::RateLimited { retry_after };
    assert_eq!(change(&client).await.unwrap_err(), limited);
    // No other call has time either, and each fails without a request.
    let error = read(&client).await.unwrap_err();
    assert_eq!(
        error,
        Error::OutOfTime(super::super::super::pacer::OutOfTime)
    );
    assert_eq!(client.requests(), 1);
}

#[tokio::test]
async fn status_429_with_retry_after_is_waited_for() {
    let response = ResponseTemplate::new(429).insert_header("retry-after", "1");
    let (_server, client) = first(response, 1).await;
    let began = tokio::time::Instant::now();
    change(&client).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn status_503_with_retry_after_is_not_waited_for_past_the_deadline() {
    let response = ResponseTemplate::new(503).insert_header("retry-after", "3600");
    let (_server, client) = first(response, 1).await;
    let error = read(&client).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(client.requests(), 1);
}

#[tokio::test]
async fn status_5xx_is_retried_for_reads() {
    for status in [500, 502, 503, 504, 408] {
        let (_server, client) = first(ResponseTemplate::new(status), 3).await;
        read(&client).await.unwrap();
        assert_eq!(client.requests(), 4);
    }
}

#[tokio::test]
async fn status_5xx_leaves_a_change_unknown() {
    for status in [500, 502, 503, 504, 408] {
        let (server, client) = always(status).await;
        let unknown = Error::Unknown(Box::new(upstream(status)));
        assert_eq!(change(&client).await.unwrap_err(), unknown);
        assert_eq!(lines(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn status_5xx_of_more_than_two_calls_stops_the_run() {
    let (_server, client) = always(500).await;
    // At most two failures count of each call.
    for _ in 0..2 {
        assert_eq!(read(&client).await.unwrap_err(), upstream(500));
    }
    assert_eq!(client.breaker().stopped(), None);
    let stopped = Error::Stopped(Halt::TooManyFailures);
    assert_eq!(read(&client).await.unwrap_err(), stopped);
    assert_eq!(client.requests(), 6 + 6 + 1);
}

#[tokio::test]
async fn any_other_status_is_reported_unchanged() {
    for status in [302, 400, 409, 413, 418] {
        let (_server, client) = always(status).await;
        assert_eq!(read(&client).await.unwrap_err(), upstream(status));
        assert_eq!(change(&client).await.unwrap_err(), upstream(status));
        assert_eq!(client.requests(), 2);
    }
}

#[tokio::test]
async fn an_error_contains_none_of_the_upstreams_text() {
    let response = ResponseTemplate::new(400).set_body_string("canary");
    let (_server, client) = first(response, 1).await;
    let error = client
        .list_users_by_email("canary", soon())
        .await
        .unwrap_err();
    assert!(!format!("{error} {error:?} {client:?}").contains("canary"));
    assert!(!format!("{client:?}").contains("secret0"));
}
