//! Faults are injected as requested, and a test can stop a request at a point.

mod support;

use std::time::{Duration, Instant};

use local_stack::standins::faults::{Fault, Rule};
use local_stack::standins::sunshine::{Sunshine, SunshineConfig, User};
use local_stack::standins::traffic::Point;
use serde_json::{Value, json};
use support::{json_of, status_of};

async fn start() -> Sunshine {
    Sunshine::start(SunshineConfig::default()).await.unwrap()
}

/// A call that creates a user, so that its effect is visible.
fn login(sunshine: &Sunshine) -> reqwest::RequestBuilder {
    reqwest::Client::new()
        .post(sunshine.url() + "/_login")
        .json(&json!({ "deviceId": "phone" }))
}

async fn with(fault: Fault) -> (Sunshine, reqwest::Result<reqwest::Response>) {
    let sunshine = start().await;
    sunshine
        .faults()
        .add(Rule::new("POST **/_login", fault).times(1));
    let result = login(&sunshine).send().await;
    (sunshine, result)
}

#[tokio::test]
async fn a_response_in_place_of_the_service_has_no_effect() {
    let (sunshine, response) = with(Fault::busy(Some("3"))).await;
    let response = response.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "3")
    );
    assert!(sunshine.users().is_empty() && !sunshine.traffic().all()[0].handled);
    assert_eq!(
        status_of(login(&sunshine)).await,
        200,
        "the fault applies once"
    );

    let (_sunshine, response) = with(Fault::html(200)).await;
    assert!(
        response
            .unwrap()
            .text()
            .await
            .unwrap()
            .starts_with("<!doctype html>")
    );
    let (_sunshine, response) = with(Fault::answer(200, "")).await;
    assert_eq!(response.unwrap().text().await.unwrap(), "");
    let (_sunshine, response) = with(Fault::Huge { bytes: 50_000_000 }).await;
    assert_eq!(response.unwrap().bytes().await.unwrap().len(), 50_000_002);
}

#[tokio::test]
async fn a_reset_request_has_no_effect_and_one_with_a_lost_response_has() {
    let (sunshine, response) = with(Fault::Reset).await;
    let error = format!("{:?}", response.unwrap_err());
    assert!(error.contains("ConnectionReset"), "{error}");
    assert!(sunshine.users().is_empty());

    let (sunshine, response) = with(Fault::Drop).await;
    assert!(response.is_err());
    assert_eq!(sunshine.users().len(), 1);
    let lost = &sunshine.traffic().all()[0];
    assert_eq!((lost.handled, lost.status), (true, None));

    let (sunshine, response) = with(Fault::Truncate).await;
    assert!(response.unwrap().bytes().await.is_err());
    assert_eq!(sunshine.users().len(), 1);
}

#[tokio::test]
async fn a_hang_never_ends_and_a_trickle_is_complete() {
    for handled in [false, true] {
        let sunshine = start().await;
        sunshine
            .faults()
            .add(Rule::new("POST", Fault::Hang { handled }));
        let error = login(&sunshine)
            .timeout(Duration::from_millis(200))
            .send()
            .await
            .unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(sunshine.users().len(), usize::from(handled));
    }
    let (_sunshine, response) = with(Fault::Trickle { millis: 0 }).await;
    assert!(response.unwrap().json::<Value>().await.unwrap()["user"]["id"].is_string());
}

#[tokio::test]
async fn delays_add_up_before_another_fault() {
    let sunshine = start().await;
    for _ in 0..2 {
        sunshine
            .faults()
            .add(Rule::new("POST", Fault::Delay { millis: 60 }));
    }
    sunshine.faults().add(Rule::new("POST", Fault::busy(None)));
    let start = Instant::now();
    assert_eq!(status_of(login(&sunshine)).await, 429);
    assert!(start.elapsed() >= Duration::from_millis(120));
    sunshine.faults().clear();
    assert_eq!(status_of(login(&sunshine)).await, 200);
}

#[tokio::test]
async fn chance_repeats_with_its_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let sunshine = start().await;
        sunshine
            .faults()
            .add(Rule::new("POST", Fault::busy(None)).chance(0.5, 7));
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(status_of(login(&sunshine)).await);
        }
        assert!(statuses.contains(&429) && statuses.contains(&200));
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_client_that_gives_up_does_not_undo_its_request() {
    let sunshine = start().await;
    let held = sunshine.traffic().hold("POST **/_login", 1, Point::Arrived);
    let handled = sunshine.traffic().watch("POST **/_login", Point::Handled);
    let calling = tokio::spawn(login(&sunshine).send());
    held.reached().await.unwrap();
    calling.abort();
    assert!(calling.await.unwrap_err().is_cancelled());
    assert!(sunshine.users().is_empty());
    held.release();
    handled.reached().await.unwrap();
    assert_eq!(sunshine.users().len(), 1);
}

#[tokio::test]
async fn the_nth_request_is_held_and_the_others_pass() {
    let sunshine = start().await;
    let held = sunshine.traffic().hold("POST **/_login", 2, Point::Handled);
    assert_eq!(status_of(login(&sunshine)).await, 200);
    let second = tokio::spawn(login(&sunshine).send());
    assert_eq!(held.reached().await.unwrap().number, 1);
    assert_eq!(status_of(login(&sunshine)).await, 200);
    drop(held);
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn requests_and_connections_are_recorded_and_faults_set_over_http() {
    let sunshine = start().await;
    sunshine.add_user(User::default());
    let client = reqwest::Client::new();
    let control = sunshine.url() + "/_control";
    let faults = format!("{control}/faults");
    let rule = json!({ "match": "GET **", "fault": { "kind": "answer", "status": 503, "retryAfter": "2" }, "times": 3 });
    assert_eq!(status_of(client.post(&faults).json(&rule)).await, 204);
    let missing = format!("{}/v2/x?a=%2F", sunshine.url());
    assert_eq!(status_of(client.get(missing)).await, 503);
    assert_eq!(json_of(client.get(&faults)).await[0]["times"], 2);
    assert_eq!(status_of(client.delete(&faults)).await, 204);
    let wrong = json!({ "match": "GET", "fault": { "kind": "surprise" } });
    assert_eq!(status_of(client.post(&faults).json(&wrong)).await, 400);

    let seen = json_of(client.get(format!("{control}/requests"))).await;
    assert_eq!(seen["connections"], 1, "one client reuses its connection");
    assert_eq!(seen["requests"][0]["line"], "GET /sc/v2/x?a=%2F HTTP/1.1");
    assert_eq!(
        (
            &seen["requests"][0]["status"],
            &seen["requests"][0]["handled"]
        ),
        (&json!(503), &json!(false))
    );
    assert_eq!(sunshine.traffic().most_within(Duration::from_secs(1)), 1);
}

#[tokio::test]
async fn a_request_is_held_over_http() {
    let sunshine = start().await;
    let client = reqwest::Client::new();
    let holds = sunshine.url() + "/_control/holds";
    let hold = json!({ "match": "POST **/_login", "point": "arrived" });
    let hold = json_of(client.post(&holds).json(&hold)).await;
    let hold = format!("{holds}/{}", hold["id"]);
    let calling = tokio::spawn(login(&sunshine).send());
    let reached = json_of(client.get(&hold)).await;
    assert_eq!(
        (&reached["handled"], reached["arrived"].is_f64()),
        (&json!(false), true)
    );
    assert!(sunshine.users().is_empty() && !calling.is_finished());
    assert_eq!(status_of(client.delete(&hold)).await, 204);
    assert_eq!(calling.await.unwrap().unwrap().status(), 200);
    assert_eq!(status_of(client.get(format!("{holds}/9"))).await, 404);
}
