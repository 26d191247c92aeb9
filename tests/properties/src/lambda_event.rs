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
use shared::lambda::http::{EventKind, MAX_BODY_BYTES, Request};
use shared::lambda::problem::{Code, Problem};

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
            let _ = request.json::<Body>("a body");
            identify(&JWT, &request).is_ok() || identify(&LAMBDA, &request).is_ok()
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
    let authorizer = &event["requestContext"]["authorizer"];
    let claims = |parent: &Value| parent.get("claims").filter(|it| it.is_object()).cloned();
    let by_jwt = claims(&authorizer["jwt"]);
    let (by_jwt, by_lambda) = match request.kind {
        EventKind::V2 => (by_jwt, authorizer.get("lambda").cloned()),
        EventKind::V1 => (claims(authorizer).or(by_jwt), Some(authorizer.clone())),
        EventKind::LoadBalancer => (None, None),
    };
    let is_spelled = request.kind == EventKind::V1;
    let by_jwt = identity(&JWT, &request, &event, &by_jwt.unwrap_or_default(), true);
    let by_lambda = by_lambda.unwrap_or_default();
    let by_lambda = identity(&LAMBDA, &request, &event, &by_lambda, is_spelled);
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
        .map_err(|error| Problem::from(error).code)
}

/// Whether `claims` say who is calling. If API Gateway may have spelled them, text that stands for
/// another type says nothing.
fn identity(
    callers: &Callers,
    request: &Request,
    event: &Value,
    claims: &Value,
    is_spelled: bool,
) -> bool {
    let text_of = |value: &Value| value.as_str().map(str::to_owned);
    let was_text = |text: &String| !is_spelled || !stands_for_another_type(text);
    let caller = identify(callers, request);
    let subject = claims.get("sub").and_then(spelling);
    let subject = subject.filter(|it| was_text(it) && !it.starts_with("Not supported currently."));

    // The caller is the same, whatever else the event contains.
    let mut other = event.clone();
    for (name, value) in [
        ("rawPath", json!("/eve")),
        (
            "headers",
            json!({"authorization": "Bearer eve", "content-type": "application/json"}),
        ),
        ("queryStringParameters", json!({"sub": "eve"})),
        ("pathParameters", json!({"sub": "eve"})),
        ("body", json!(r#"{"sub":"eve"}"#)),
        ("isBase64Encoded", json!(false)),
    ] {
        other[name] = value;
    }
    let is_json = !matches!(caller, Err(Code::UnsupportedMediaType));
    if let Ok(Ok(other)) = Request::from_event(&other.to_string())
        && is_json
    {
        let id = |caller: Result<Caller, Code>| caller.map(|it| it.external_id.as_str().to_owned());
        assert_eq!(
            id(identify(callers, &other)),
            id(identify(callers, request))
        );
    }

    let Ok(caller) = caller else {
        let is_usable = subject.is_some_and(|it| is_external_id(&it));
        assert!(
            !is_json || !is_usable || !claims.is_object(),
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

    let is_verified = claims.get("email_verified").is_some_and(|it| {
        *it == true || text_of(it).is_some_and(|it| it.eq_ignore_ascii_case("true"))
    });
    let email = claims.get("email").and_then(|email| match email {
        Value::Array(items) if items.len() == 1 => text_of(&items[0]),
        email => text_of(email),
    });
    let email = email.map(|email| email.trim().to_owned());
    let expected = email.filter(|it| is_verified && is_email(it));
    match caller.email.as_ref().map(VerifiedEmail::as_str) {
        Ok(email) if is_spelled => {
            let expected = expected.expect("a verified email");
            assert!(expected == email || expected == format!("[{email}]"));
        }
        Ok(email) => assert_eq!(Some(email), expected.as_deref()),
        Err(reason) => assert!(
            expected.is_none_or(|it| is_spelled && it.ends_with(']')),
            "{reason:?}"
        ),
    }
    true
}

fn is_email(text: &str) -> bool {
    let parts: Vec<_> = text.split('@').collect();
    parts.len() == 2
        && parts.iter().all(|part| !part.is_empty())
        && text.chars().count() <= 128
        && !text.chars().any(char::is_control)
}

/// Whether a text is what Go prints for a list, a map, nil, a boolean, or a large number.
fn stands_for_another_type(text: &str) -> bool {
    let is_number = |text: &str| {
        text.parse::<f64>().is_ok()
            && text
                .bytes()
                .all(|it| it.is_ascii_digit() || b".e+-".contains(&it))
            && (text.contains("e+") || text.contains("e-"))
            && !text.starts_with(['.', '+'])
            && !text.contains(".e")
    };
    ["<nil>", "null", "true", "false"].contains(&text)
        || (text.ends_with(']') && (text.starts_with('[') || text.starts_with("map[")))
        || is_number(text)
}
