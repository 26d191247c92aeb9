//! A Lambda event: its body is the one that was sent, and only the authorizer determines the
//! caller.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::identity::caller::{Caller, Callers};
use shared::identity::email::VerifiedEmail;
use shared::lambda::http::{MAX_BODY_BYTES, Request};
use shared::lambda::problem::Code;

use crate::{is_external_id, spelling};

/// The body of `POST /zendesk/token`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body {
    include_email: Option<bool>,
}

static JWT: LazyLock<Callers> = LazyLock::new(|| callers("jwt-authorizer"));
static LAMBDA: LazyLock<Callers> = LazyLock::new(|| callers("lambda-authorizer"));

fn callers(source: &str) -> Callers {
    let variables = [("IDENTITY_SOURCE", source)].into_iter().collect();
    Callers::from_variables(&variables).expect("the variables are right")
}

/// Whether the event identifies the caller.
pub fn check(event: &str) -> bool {
    // Unchanged, it must do no harm.
    let as_it_is = Request::from_event(event);
    let is_read = as_it_is.is_ok_and(|read| {
        read.is_ok_and(|request| {
            let _ = (request.json::<Body>("a body"), identify(&JWT, &request));
            true
        })
    });
    let Ok(event) = serde_json::from_str::<Value>(event) else {
        return false;
    };
    // Serialized again, no field occurs twice, so the event is unambiguous.
    let Ok(read) = Request::from_event(&event.to_string()) else {
        assert!(!event["requestContext"].is_object(), "an HTTP event");
        return false;
    };
    let Ok(request) = read else {
        return false;
    };
    body(&request, &event);
    let authorizer = "/requestContext/authorizer";
    let by_jwt = identity(&JWT, &request, &event, &format!("{authorizer}/jwt/claims"));
    let by_lambda = identity(&LAMBDA, &request, &event, &format!("{authorizer}/lambda"));
    is_read && (by_jwt || by_lambda)
}

fn body(request: &Request, event: &Value) {
    let text = event["body"].as_str().unwrap_or_default();
    let bytes = if event["isBase64Encoded"] == true {
        BASE64.decode(text).ok()
    } else {
        Some(text.as_bytes().to_vec())
    };
    let bytes = bytes.filter(|bytes| bytes.len() <= MAX_BODY_BYTES);
    assert_eq!(request.body_bytes().ok(), bytes);

    if let Ok(read) = request.json::<Body>("a body") {
        let bytes = bytes.expect("what was read was there");
        let sent = match bytes.as_slice() {
            b"" => json!({}),
            sent => serde_json::from_slice(sent).expect("JSON"),
        };
        let fields = sent.as_object().expect("an object");
        assert!(fields.keys().all(|name| name == "includeEmail"), "{sent}");
        assert_eq!(read.include_email, sent["includeEmail"].as_bool());
    }
}

fn identify(callers: &Callers, request: &Request) -> Result<Caller, Code> {
    let caller = callers.identify(request).now_or_never();
    caller
        .expect("an authorizer's claims are at hand")
        .map_err(|problem| problem.code)
}

/// Whether the claims at `pointer` identify the caller.
fn identity(callers: &Callers, request: &Request, event: &Value, pointer: &str) -> bool {
    let claim = |name: &str| event.pointer(pointer).and_then(|claims| claims.get(name));
    let caller = identify(callers, request);
    let subject = claim("sub").and_then(spelling);

    // The caller is the same, whatever else the event contains.
    let mut other = event.clone();
    for (name, value) in [
        ("rawPath", json!("/eve")),
        ("headers", json!({"authorization": "Bearer eve"})),
        ("queryStringParameters", json!({"sub": "eve"})),
        ("pathParameters", json!({"sub": "eve"})),
        ("body", json!(r#"{"sub":"eve"}"#)),
        ("isBase64Encoded", json!(false)),
    ] {
        other[name] = value;
    }
    if let Ok(Ok(other)) = Request::from_event(&other.to_string()) {
        let id = |caller: Result<Caller, Code>| caller.map(|it| it.external_id.as_str().to_owned());
        assert_eq!(
            id(identify(callers, &other)),
            id(identify(callers, request))
        );
    }

    let Ok(caller) = caller else {
        let is_from_load_balancer = event["requestContext"]["elb"].is_object();
        assert!(
            is_from_load_balancer || !subject.is_some_and(|it| is_external_id(&it)),
            "refused although the authorizer identified the caller"
        );
        return false;
    };
    assert_eq!(Some(caller.external_id.as_str()), subject.as_deref());
    assert!(is_external_id(caller.external_id.as_str()));
    assert_eq!(caller.subject, subject);
    assert!(
        caller.previous_external_id.is_none(),
        "it is not configured"
    );
    let is_verified = claim("email_verified").is_some_and(|it| *it == true || *it == "true");
    let email = claim("email")
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|email| is_verified && !email.is_empty());
    assert_eq!(caller.email.as_ref().map(VerifiedEmail::as_str), email);
    true
}
