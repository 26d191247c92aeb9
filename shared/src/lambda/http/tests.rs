use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Method, StatusCode};
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
async fn greet(request: &Request) -> Result<Response, Problem> {
    request.check_route(&Method::POST, "/greet")?;
    let greeting: Greeting = request.json("empty, or an object with `name`")?;
    Response::json(StatusCode::OK, &greeting.name)
}

async fn invoke<H>(handler: H, event: &str) -> Result<EventResponse, Error>
where
    H: AsyncFn(&Request) -> Result<Response, Problem>,
{
    let mut context = lambda_runtime::Context::default();
    context.request_id = "invocation-1".to_owned();
    context.deadline = u64::MAX / 2_000_000;
    let payload = RawValue::from_string(event.to_owned()).unwrap();
    respond(
        &BasePath::default(),
        &handler,
        LambdaEvent::new(payload, context),
    )
    .await
}

async fn response(changes: &Value) -> (u16, Value) {
    let response = invoke(greet, &event(changes)).await.unwrap();
    (response.status_code, body(&response))
}

fn body(response: &EventResponse) -> Value {
    serde_json::from_str(response.body.as_deref().unwrap()).unwrap()
}

fn header<'a>(response: &'a EventResponse, name: &HeaderName) -> Option<&'a str> {
    response.headers.get(name.as_str()).map(String::as_str)
}

async fn status(changes: &Value) -> u16 {
    response(changes).await.0
}

#[tokio::test]
async fn a_response_is_json_that_no_one_stores() {
    let response = invoke(greet, &event(&json!({"body": r#"{"name":"Åsa"}"#})))
        .await
        .unwrap();
    assert_eq!(response.status_code, 200);
    assert_eq!(body(&response), json!("Åsa"));
    assert_eq!(header(&response, &CONTENT_TYPE), Some("application/json"));
    assert_eq!(header(&response, &CACHE_CONTROL), Some("no-store"));
    let empty = async |_: &Request| Ok(Response::no_content());
    let response = invoke(empty, &event(&json!({}))).await.unwrap();
    assert_eq!((response.status_code, &response.body), (204, &None));
    assert_eq!(header(&response, &CACHE_CONTROL), Some("no-store"));
    assert_eq!(header(&response, &CONTENT_TYPE), None);
}

#[tokio::test]
async fn a_response_has_the_fields_that_its_event_takes_and_no_others() {
    let v1 = json!({"version": "1.0", "httpMethod": "POST", "path": "/greet",
        "requestContext": {"stage": "dev"}});
    let balancer = json!({"httpMethod": "POST", "path": "/greet",
        "requestContext": {"elb": {"targetGroupArn": "arn"}}});
    for (event, takes_many) in [
        (event(&json!({})), false),
        (v1.to_string(), true),
        (balancer.to_string(), true),
    ] {
        let response = serde_json::to_value(invoke(greet, &event).await.unwrap()).unwrap();
        let mut expected = json!({
            "statusCode": 200,
            "headers": {"cache-control": "no-store", "content-type": "application/json"},
            "body": "\"\"",
            "isBase64Encoded": false,
        });
        if takes_many {
            expected["multiValueHeaders"] =
                json!({"cache-control": ["no-store"], "content-type": ["application/json"]});
        } else {
            expected["cookies"] = json!([]);
        }
        assert_eq!(response, expected, "{event}");
    }
}

#[tokio::test]
async fn a_problem_is_problem_json_with_what_its_code_needs() {
    for (problem, name, value) in [
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
        assert_eq!(header(&response, &name), Some(value));
        assert_eq!(
            header(&response, &CONTENT_TYPE),
            Some("application/problem+json")
        );
        assert_eq!(header(&response, &CACHE_CONTROL), Some("no-store"));
    }
    let (status, problem) = response(&json!({"rawPath": "/elsewhere"})).await;
    assert_eq!(status, 404);
    assert_eq!(
        problem,
        json!({
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "this path does not exist",
            "code": "not_found",
            "requestId": "invocation-1",
        })
    );
}

#[tokio::test]
async fn the_response_to_another_method_names_the_right_one() {
    for method in ["GET", "PUT", "OPTIONS", "DELETE"] {
        let changes = json!({"requestContext": {"http": {"method": method}}});
        let response = invoke(greet, &event(&changes)).await.unwrap();
        assert_eq!(response.status_code, 405);
        assert_eq!(header(&response, &ALLOW), Some("POST"));
    }
    let put = async |request: &Request| {
        request.check_method(&Method::PUT)?;
        Ok(Response::no_content())
    };
    let response = invoke(put, &event(&json!({}))).await.unwrap();
    assert_eq!(header(&response, &ALLOW), Some("PUT"));
}

#[tokio::test]
async fn bodies_may_have_16_kib_in_any_encoding() {
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
async fn a_body_that_is_not_what_it_claims_to_be_is_a_clear_4xx() {
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
        let (status, problem) = response(&json!({ "body": wrong })).await;
        assert_eq!(status, expected, "{problem}");
        assert!(!problem.to_string().contains("CANARY"), "{problem}");
    }
    for none in [json!(null), json!(""), json!("{}"), json!(" {} ")] {
        assert_eq!(response(&json!({ "body": none })).await, (200, json!("")));
    }
}

#[tokio::test]
async fn base64_bodies_are_decoded() {
    let base64 = |body: &str| json!({"body": body, "isBase64Encoded": true});
    let greeting = BASE64.encode(r#"{"name":"Åsa"}"#);
    assert_eq!(response(&base64(&greeting)).await, (200, json!("Åsa")));
    for wrong in [
        "{}",
        "e30",
        "e30=\n",
        "%%%%",
        &BASE64.encode([b'{', 0xff, b'}']),
    ] {
        let (status, problem) = response(&base64(wrong)).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")));
    }
    let invalid_utf8 = BASE64.encode(b"{\"name\":\"\xc3\x28\"}");
    assert_eq!(status(&base64(&invalid_utf8)).await, 400);
}

#[tokio::test]
async fn only_json_is_accepted_as_json() {
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
async fn the_stage_is_not_part_of_the_path() {
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
async fn a_rest_api_is_understood() {
    let event = |changes: &Value| {
        let mut event = json!({
            "resource": "/greet",
            "path": "/greet",
            "httpMethod": "POST",
            "headers": {"Content-Type": "application/json", "Host": "api.example.com"},
            "multiValueHeaders": {"Content-Type": ["application/json"]},
            "queryStringParameters": null,
            "requestContext": {
                "authorizer": {"claims": {"sub": "1"}},
                "path": "/prod/greet",
                "stage": "prod",
            },
            "pathParameters": null,
            "body": r#"{"name":"Anna"}"#,
            "isBase64Encoded": false,
        });
        merge(&mut event, changes);
        event.to_string()
    };
    for changes in [
        json!({}),
        json!({"multiValueHeaders": null}),
        json!({"headers": null}),
        // An HTTP API with payload format 1.0 puts the stage before both paths.
        json!({"path": "/prod/greet"}),
        json!({"path": "/prod/greet", "requestContext": {"path": null}}),
        // A stage of the same name as the route.
        json!({"requestContext": {"stage": "greet", "path": "/greet/greet"}}),
    ] {
        let response = invoke(greet, &event(&changes)).await.unwrap();
        assert_eq!(
            (response.status_code, body(&response)),
            (200, json!("Anna")),
            "{changes}"
        );
    }
    let doubled = json!({"headers": {"authorization": "Bearer b"},
        "multiValueHeaders": {"Authorization": ["Bearer a", "Bearer b"]}});
    let request = Request::from_event(&event(&doubled)).unwrap().ok().unwrap();
    assert_eq!(request.headers.get_all("authorization").iter().count(), 2);
    assert_eq!(request.headers.get_all("host").iter().count(), 1);
    assert_eq!(request.kind, EventKind::V1);
    assert!(request.authorizer.is_some());
}

#[tokio::test]
async fn the_base_path_is_taken_off_after_the_stage() {
    let base_path: BasePath = "/chat".parse().unwrap();
    for (path, stage, expected) in [
        ("/chat/greet", "$default", 200),
        ("/greet", "$default", 200),
        ("/dev/chat/greet", "dev", 200),
        ("/chat/greet", "dev", 200),
        ("/chat/chat/greet", "$default", 404),
        ("/chatter/greet", "$default", 404),
        ("/other/greet", "$default", 404),
    ] {
        let changes = json!({"rawPath": path, "requestContext": {"stage": stage}});
        let payload = RawValue::from_string(event(&changes)).unwrap();
        let mut context = lambda_runtime::Context::default();
        context.deadline = u64::MAX / 2_000_000;
        let event = LambdaEvent::new(payload, context);
        let response = respond(&base_path, &greet, event).await.unwrap();
        assert_eq!(response.status_code, expected, "{path} in {stage}");
    }
}

#[tokio::test]
async fn an_event_that_is_http_but_cannot_be_read_is_a_400() {
    for changes in [
        json!({"requestContext": {"http": null}}),
        json!({"requestContext": {"http": {"method": "P OST"}}}),
        json!({"requestContext": {"http": {"method": 1}}}),
        json!({"body": 1}),
        json!({"headers": {"a b": "1"}}),
        json!({"headers": {"a": "1\n2"}}),
        json!({"rawPath": ["/greet"]}),
    ] {
        let (status, problem) = response(&changes).await;
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_request")),
            "{changes}"
        );
    }
}

#[tokio::test]
async fn an_event_that_is_not_http_fails_the_invocation() {
    for other in [
        "{}",
        "[]",
        "1",
        r#"{"action":"drain"}"#,
        r#"{"detail-type":"Scheduled Event"}"#,
    ] {
        let failed = invoke(greet, other).await.unwrap_err().to_string();
        assert!(failed.contains("not an HTTP request"), "{failed}");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_without_its_own_words() {
    let panics = async |_: &Request| -> Result<Response, Problem> { panic!("CANARY") };
    let response = invoke(panics, &event(&json!({}))).await.unwrap();
    assert_eq!(response.status_code, 500);
    assert_eq!(body(&response)["code"], "internal_error");
    assert!(!format!("{response:?}").contains("CANARY"));
    let caught = catch_panic(async { panic!("CANARY") }).await;
    assert!(!caught.unwrap_err().to_string().contains("CANARY"));
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_a_504_in_time() {
    let never = async |_: &Request| std::future::pending().await;
    let payload = RawValue::from_string(event(&json!({}))).unwrap();
    // A deadline of 0 has passed.
    let late = LambdaEvent::new(payload, lambda_runtime::Context::default());
    let response = respond(&BasePath::default(), &never, late).await.unwrap();
    assert_eq!(response.status_code, 504);
    assert_eq!(body(&response)["code"], "upstream_timeout");
}

#[test]
fn causes_are_logged_with_their_sources() {
    let error = "x"
        .parse::<i32>()
        .map_err(std::io::Error::other)
        .unwrap_err();
    let text = Causes(&error).to_string();
    assert!(text.starts_with("invalid digit found in string"), "{text}");
}
