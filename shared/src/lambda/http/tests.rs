use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use lambda_http::Body;
use serde_json::json;

use super::*;

#[derive(serde::Deserialize, Default, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Greeting {
    name: String,
}

fn event(changes: &Value) -> String {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "POST /greet",
        "rawPath": "/greet",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": "/greet"}, "stage": "$default"},
        "body": null,
        "isBase64Encoded": false,
    });
    merge(&mut event, changes);
    event.to_string()
}

fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(into.entry(name).or_insert(Value::Null), change);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

/// A greeting, by a handler as ours are.
async fn greet(request: &Request) -> Result<Answer, Problem> {
    request.check_route(&Method::POST, "/greet")?;
    let greeting: Greeting = request.json("empty, or an object with `name`")?;
    Answer::json(StatusCode::OK, &greeting.name)
}

async fn invoke<H>(handler: H, event: &str) -> Result<ApiGatewayV2httpResponse, Error>
where
    H: AsyncFn(&Request) -> Result<Answer, Problem>,
{
    let mut context = lambda_runtime::Context::default();
    context.request_id = "invocation-1".to_owned();
    context.deadline = u64::MAX / 2_000_000;
    let payload = RawValue::from_string(event.to_owned()).unwrap();
    respond(&handler, LambdaEvent::new(payload, context)).await
}

async fn answer(changes: &Value) -> (i64, Value) {
    let response = invoke(greet, &event(changes)).await.unwrap();
    (response.status_code, body(&response))
}

fn body(response: &ApiGatewayV2httpResponse) -> Value {
    match &response.body {
        Some(Body::Text(text)) => serde_json::from_str(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn status(changes: &Value) -> i64 {
    answer(changes).await.0
}

#[tokio::test]
async fn an_answer_is_json_that_nobody_stores() {
    let response = invoke(greet, &event(&json!({"body": r#"{"name":"Åsa"}"#})))
        .await
        .unwrap();
    assert_eq!(response.status_code, 200);
    assert_eq!(body(&response), json!("Åsa"));
    for headers in [&response.headers, &response.multi_value_headers] {
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
    }
    let empty = async |_: &Request| Ok(Answer::no_content());
    let response = invoke(empty, &event(&json!({}))).await.unwrap();
    assert_eq!((response.status_code, &response.body), (204, &None));
    assert_eq!(response.headers[CACHE_CONTROL], "no-store");
    assert!(!response.headers.contains_key(CONTENT_TYPE));
}

#[tokio::test]
async fn a_problem_is_problem_json_with_what_its_code_needs() {
    for (problem, header, value) in [
        (unauthenticated("no token"), WWW_AUTHENTICATE, "Bearer"),
        (
            Problem::new(Code::KeysUnavailable, "later"),
            RETRY_AFTER,
            "5",
        ),
        (
            Problem::new(Code::UpstreamBusy, "later").retry_after(7),
            RETRY_AFTER,
            "7",
        ),
    ] {
        let problem = std::cell::Cell::new(Some(problem));
        let refuse = async |_: &Request| Err(problem.take().unwrap());
        let response = invoke(refuse, &event(&json!({}))).await.unwrap();
        assert_eq!(response.headers[&header], value);
        assert_eq!(response.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers[CACHE_CONTROL], "no-store");
    }
    let (status, problem) = answer(&json!({"rawPath": "/elsewhere"})).await;
    assert_eq!(status, 404);
    assert_eq!(
        problem,
        json!({
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "there is nothing at this path",
            "code": "not_found",
            "requestId": "invocation-1",
        })
    );
}

#[tokio::test]
async fn another_method_is_told_which_one_to_use() {
    for method in ["GET", "PUT", "OPTIONS", "DELETE"] {
        let changes = json!({"requestContext": {"http": {"method": method}}});
        let response = invoke(greet, &event(&changes)).await.unwrap();
        assert_eq!(response.status_code, 405);
        assert_eq!(response.headers[ALLOW], "POST");
    }
    let put = async |request: &Request| {
        request.check_method(&Method::PUT)?;
        Ok(Answer::no_content())
    };
    let response = invoke(put, &event(&json!({}))).await.unwrap();
    assert_eq!(response.headers[ALLOW], "PUT");
}

#[tokio::test]
async fn bodies_have_16_kib_however_they_are_encoded() {
    let padded = |bytes: usize| format!(r#"{{"name":"a"{}}}"#, " ".repeat(bytes - 12));
    for (bytes, expected) in [
        (MAX_BODY_BYTES, 200),
        (MAX_BODY_BYTES + 1, 413),
        (1 << 20, 413),
    ] {
        let text = padded(bytes);
        assert_eq!(text.len(), bytes);
        assert_eq!(status(&json!({ "body": text })).await, expected);
        let encoded = json!({"body": BASE64.encode(&text), "isBase64Encoded": true});
        assert_eq!(status(&encoded).await, expected);
    }
}

#[tokio::test]
async fn a_body_is_what_it_says_it_is_or_a_clear_4xx() {
    let deep = format!("{}{}", r#"{"name":"#.repeat(10_000), "}".repeat(10_000));
    // More than 16 KiB of it would be refused for its size alone.
    let deep_and_short = "[".repeat(10_000);
    let nested = format!(r#"{{"name":{deep_and_short}"#);
    for (wrong, expected) in [
        (deep.as_str(), 413),
        (deep_and_short.as_str(), 400),
        (nested.as_str(), 400),
        ("[]", 400),
        (r#"["Anna"]"#, 400),
        (r#""Anna""#, 400),
        ("null", 400),
        ("1", 400),
        ("{", 400),
        (" ", 400),
        (r#"{"name":1}"#, 400),
        (r#"{"name":"a","name":"b"}"#, 400),
        (r#"{"other":"CANARY"}"#, 400),
        (r#"{"name":"CANARY"}{}"#, 400),
        (r#"{"name":"\ud800"}"#, 400),
    ] {
        let (status, problem) = answer(&json!({ "body": wrong })).await;
        assert_eq!(status, expected, "{problem}");
        assert!(!problem.to_string().contains("CANARY"), "{problem}");
    }
    for none in [json!(null), json!(""), json!("{}"), json!(" {} ")] {
        assert_eq!(answer(&json!({ "body": none })).await, (200, json!("")));
    }
}

#[tokio::test]
async fn base64_bodies_are_decoded() {
    let base64 = |body: &str| json!({"body": body, "isBase64Encoded": true});
    let greeting = BASE64.encode(r#"{"name":"Åsa"}"#);
    assert_eq!(answer(&base64(&greeting)).await, (200, json!("Åsa")));
    for wrong in [
        "{}",
        "e30",
        "e30=\n",
        "%%%%",
        &BASE64.encode([b'{', 0xff, b'}']),
    ] {
        let (status, problem) = answer(&base64(wrong)).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")));
    }
    let invalid_utf8 = BASE64.encode(b"{\"name\":\"\xc3\x28\"}");
    assert_eq!(status(&base64(&invalid_utf8)).await, 400);
}

#[tokio::test]
async fn only_json_is_taken_for_json() {
    let of = |kind: &str| json!({"headers": {"content-type": kind}, "body": "{}"});
    for json in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;",
    ] {
        assert_eq!(status(&of(json)).await, 200, "{json}");
    }
    for other in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
        "é",
    ] {
        assert_eq!(status(&of(other)).await, 415, "{other}");
    }
    let without_body = json!({"headers": {"content-type": "text/plain"}});
    assert_eq!(status(&without_body).await, 200);
}

#[tokio::test]
async fn the_stage_is_no_part_of_the_path() {
    for (path, stage, expected) in [
        ("/greet", "$default", 200),
        ("/dev/greet", "dev", 200),
        ("/greet", "dev", 200),
        ("/greet/greet", "greet", 200),
        ("/developer/greet", "dev", 404),
        ("/dev/dev/greet", "dev", 404),
        ("/dev/greet", "$default", 404),
        ("/greet/", "$default", 404),
        ("//greet", "$default", 404),
    ] {
        let changes = json!({"rawPath": path, "requestContext": {"stage": stage}});
        assert_eq!(status(&changes).await, expected, "{path} in {stage}");
    }
}

#[tokio::test]
async fn a_load_balancer_is_understood_with_one_value_a_header_and_with_many() {
    let event = |headers: Value| {
        let mut event = json!({
            "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
            "httpMethod": "POST",
            "path": "/greet",
            "queryStringParameters": {},
            "body": r#"{"name":"Anna"}"#,
            "isBase64Encoded": false,
        });
        merge(&mut event, &headers);
        event.to_string()
    };
    for headers in [
        json!({"headers": {"content-type": "application/json"}}),
        json!({"multiValueHeaders": {"content-type": ["application/json"]}}),
    ] {
        let response = invoke(greet, &event(headers)).await.unwrap();
        assert_eq!(
            (response.status_code, body(&response)),
            (200, json!("Anna"))
        );
    }
    let tokens = json!({"multiValueHeaders": {"authorization": ["Bearer a", "Bearer b"]}});
    let request = Request::from_event(&event(tokens)).unwrap().ok().unwrap();
    assert_eq!(request.headers.get_all("authorization").iter().count(), 2);
    assert!(request.authorizer.is_none());
}

#[tokio::test]
async fn an_authorizer_that_cannot_be_read_proves_nothing() {
    for authorizer in [
        json!({"jwt": {"claims": {"sub": 1}}}),
        json!({"jwt": {"claims": {"sub": "1", "email_verified": true}}}),
        json!({"jwt": {"claims": {"sub": null}}}),
        json!({"jwt": {"claims": ["1"]}}),
        json!({"jwt": "1"}),
        json!({"lambda": "1"}),
        json!(["1"]),
        json!("1"),
        json!(true),
    ] {
        let changes = json!({"requestContext": {"authorizer": authorizer}});
        let (status, problem) = answer(&changes).await;
        assert_eq!(
            (status, &problem["code"]),
            (401, &json!("unauthenticated")),
            "{authorizer}"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_request_is_a_failed_invocation() {
    for other in [
        "{}",
        "[]",
        "1",
        r#"{"action":"drain"}"#,
        r#"{"detail-type":"Scheduled Event"}"#,
    ] {
        let failed = invoke(greet, other).await.unwrap_err().to_string();
        assert!(failed.contains("no HTTP request"), "{failed}");
    }
    // A REST API's event, of payload format 1.0.
    let rest = json!({"httpMethod": "POST", "path": "/greet", "requestContext": {"stage": "dev"}});
    assert_eq!(
        invoke(greet, &rest.to_string()).await.unwrap().status_code,
        400
    );
}

#[tokio::test]
async fn a_panic_fails_the_invocation_without_its_own_words() {
    let panics = async |_: &Request| -> Result<Answer, Problem> { panic!("CANARY") };
    let failed = invoke(panics, &event(&json!({}))).await.unwrap_err();
    assert!(!format!("{failed:?} {failed}").contains("CANARY"));
}

#[tokio::test]
async fn what_takes_too_long_is_answered_in_time() {
    let never = async |_: &Request| std::future::pending().await;
    let payload = RawValue::from_string(event(&json!({}))).unwrap();
    // A deadline of 0 has passed.
    let late = LambdaEvent::new(payload, lambda_runtime::Context::default());
    let response = respond(&never, late).await.unwrap();
    assert_eq!(response.status_code, 504);
    assert_eq!(body(&response)["code"], "upstream_timeout");
}

#[test]
fn causes_are_told_with_their_own() {
    let error = "x"
        .parse::<i32>()
        .map_err(std::io::Error::other)
        .unwrap_err();
    let text = Causes(&error).to_string();
    assert!(text.starts_with("invalid digit found in string"), "{text}");
}
