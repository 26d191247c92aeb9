use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::lambda::problem::{Code, Problem};

fn callers(variables: &[(&str, &str)]) -> Callers {
    Callers::from_variables(&variables.iter().copied().collect()).unwrap()
}

/// An event of payload 2.0 with `changes`.
fn event(changes: &[(&str, Value)]) -> Value {
    let mut event = json!({
        "version": "2.0",
        "rawPath": "/",
        "headers": {"authorization": "Bearer unread", "content-type": "application/json"},
        "requestContext": {"http": {"method": "POST"}},
        "body": r#"{"sub":"from the body"}"#,
    });
    for (pointer, value) in changes {
        let (object, name) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(object).unwrap()[name] = value.clone();
    }
    event
}

/// An event of payload 1.0, as a REST API sends it.
fn rest_event(authorizer: &Value) -> Value {
    json!({
        "httpMethod": "POST",
        "path": "/",
        "headers": {"authorization": "Bearer unread", "content-type": "application/json"},
        "requestContext": {"authorizer": authorizer, "stage": "prod"},
    })
}

fn balancer_event(authorizer: &Value) -> Value {
    let mut event = rest_event(authorizer);
    event["requestContext"]["elb"] = json!({"targetGroupArn": "arn"});
    event
}

fn read(event: &Value) -> Request {
    Request::from_event(&event.to_string())
        .unwrap()
        .ok()
        .unwrap()
}

fn request(authorizer: &Value) -> Request {
    read(&event(&[(
        "/requestContext/authorizer",
        authorizer.clone(),
    )]))
}

const LAMBDA: &[(&str, &str)] = &[("IDENTITY_SOURCE", "lambda-authorizer")];

fn code(error: IdentityError) -> Code {
    Problem::from(error).code
}

async fn external_id_of(callers: &Callers, request: &Request) -> Result<String, Code> {
    let caller = callers.identify(request).await.map_err(code)?;
    Ok(caller.external_id.as_str().to_owned())
}

async fn external_id(sub: Value) -> Result<String, Code> {
    let request = request(&json!({"lambda": {"sub": sub}}));
    external_id_of(&callers(LAMBDA), &request).await
}

#[tokio::test]
async fn external_ids_that_zendesk_takes_come_through_unchanged_and_others_are_refused() {
    for id in [
        "1",
        &"a".repeat(255),
        &"\u{4e16}".repeat(255),
        " a ",
        "\u{645}\u{631}",
        "ÅSA/1?#%2e",
    ] {
        assert_eq!(external_id(json!(id)).await.as_deref(), Ok(id));
    }
    for id in [
        &"a".repeat(256),
        "a\nb",
        "\0",
        "a\u{7f}",
        "\u{9b}1",
        ".",
        "..",
    ] {
        let refused = external_id(json!(id)).await;
        assert_eq!(refused, Err(Code::InvalidExternalId), "{id:?}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_repeat_the_claim() {
    let request = request(&json!({"lambda": {"sub": "CANARY\n"}}));
    let refused = callers(LAMBDA).identify(&request).await.err().unwrap();
    let shown = format!("{refused:?}");
    assert!(!format!("{shown} {:?}", Problem::from(refused)).contains("CANARY"));
}

#[tokio::test]
async fn each_authorizer_counts_only_if_it_is_the_source() {
    let jwt = json!({"jwt": {"claims": {"sub": "jwt", "email": "a@example.com",
        "email_verified": "true", "name": " Anna "}, "scopes": null}});
    let lambda = json!({"lambda": {"sub": "lambda"}});
    let both = json!({"jwt": jwt["jwt"], "lambda": lambda["lambda"]});
    let iam = json!({"iam": {"accountId": "1", "userArn": "arn", "cognitoIdentity": null}});
    for (source, heard, id) in [
        ("jwt-authorizer", &jwt, Some("jwt")),
        ("jwt-authorizer", &both, Some("jwt")),
        ("jwt-authorizer", &lambda, None),
        ("jwt-authorizer", &iam, None),
        ("jwt-authorizer", &json!({"jwt": {"claims": null}}), None),
        ("jwt-authorizer", &json!({"jwt": {"claims": {}}}), None),
        ("jwt-authorizer", &json!({}), None),
        ("jwt-authorizer", &Value::Null, None),
        ("lambda-authorizer", &lambda, Some("lambda")),
        ("lambda-authorizer", &both, Some("lambda")),
        ("lambda-authorizer", &jwt, None),
        ("lambda-authorizer", &json!({"lambda": null}), None),
        ("lambda-authorizer", &Value::Null, None),
    ] {
        let caller = callers(&[("IDENTITY_SOURCE", source)])
            .identify(&request(heard))
            .await;
        let caller = caller.map_err(code);
        match id {
            Some(id) => assert_eq!(caller.ok().unwrap().external_id.as_str(), id),
            None => assert_eq!(
                caller.err(),
                Some(Code::Unauthenticated),
                "{source} {heard}"
            ),
        }
    }
    let caller = callers(&[]).identify(&request(&jwt)).await.ok().unwrap();
    assert_eq!(caller.email.ok().unwrap().as_str(), "a@example.com");
    assert_eq!(caller.name.as_deref(), Some("Anna"));
}

#[tokio::test]
async fn the_claims_are_found_in_each_kind_of_event() {
    let claims = json!({"sub": "rest", "email": "a@example.com", "email_verified": "true"});
    let jwt = json!({"jwt": {"claims": {"sub": "jwt"}}});
    let flat = json!({"principalId": "p", "integrationLatency": 7, "sub": "flat"});
    for (source, event, id) in [
        (
            "jwt-authorizer",
            rest_event(&json!({"claims": claims, "scopes": null})),
            Ok("rest"),
        ),
        ("jwt-authorizer", rest_event(&jwt), Ok("jwt")),
        (
            "jwt-authorizer",
            rest_event(&json!({"claims": claims, "jwt": jwt["jwt"]})),
            Ok("rest"),
        ),
        (
            "jwt-authorizer",
            rest_event(&flat),
            Err(Code::Unauthenticated),
        ),
        (
            "jwt-authorizer",
            rest_event(&json!({"claims": "sub"})),
            Err(Code::Unauthenticated),
        ),
        (
            "jwt-authorizer",
            rest_event(&json!({"lambda": claims})),
            Err(Code::Unauthenticated),
        ),
        (
            "jwt-authorizer",
            balancer_event(&json!({"claims": claims})),
            Err(Code::Unauthenticated),
        ),
        ("lambda-authorizer", rest_event(&flat), Ok("flat")),
        (
            "lambda-authorizer",
            rest_event(&json!({"claims": claims})),
            Err(Code::Unauthenticated),
        ),
        (
            "lambda-authorizer",
            rest_event(&jwt),
            Err(Code::Unauthenticated),
        ),
        (
            "lambda-authorizer",
            rest_event(&json!({})),
            Err(Code::Unauthenticated),
        ),
        (
            "lambda-authorizer",
            rest_event(&Value::Null),
            Err(Code::Unauthenticated),
        ),
        (
            "lambda-authorizer",
            balancer_event(&flat),
            Err(Code::Unauthenticated),
        ),
        // Only payload 1.0 has the claims there.
        (
            "jwt-authorizer",
            event(&[("/requestContext/authorizer", json!({"claims": claims}))]),
            Err(Code::Unauthenticated),
        ),
        (
            "lambda-authorizer",
            event(&[("/requestContext/authorizer", flat.clone())]),
            Err(Code::Unauthenticated),
        ),
    ] {
        let callers = callers(&[("IDENTITY_SOURCE", source)]);
        let found = external_id_of(&callers, &read(&event)).await;
        assert_eq!(found, id.map(ToOwned::to_owned), "{source} {event}");
    }
}

#[tokio::test]
async fn a_jwt_authorizers_claims_may_have_any_type_and_may_be_spelled() {
    let id = async |sub: Value| {
        let jwt = json!({"jwt": {"claims": {"sub": sub, "cognito:groups": ["a"], "exp": 1}}});
        external_id_of(&callers(&[]), &request(&jwt)).await
    };
    assert_eq!(id(json!("user-1")).await.as_deref(), Ok("user-1"));
    assert_eq!(id(json!(7)).await.as_deref(), Ok("7"));
    for nobody in [
        json!("<nil>"),
        json!("[1 2]"),
        json!("1.2e+18"),
        json!(null),
        json!([1]),
        json!(1.5),
    ] {
        assert_eq!(
            id(nobody.clone()).await,
            Err(Code::Unauthenticated),
            "{nobody}"
        );
    }
    // A Lambda authorizer's own text is text; a REST API spells its context.
    let nil = json!({"sub": "<nil>"});
    let lambda = callers(LAMBDA);
    let http = request(&json!({"lambda": nil}));
    assert_eq!(external_id_of(&lambda, &http).await.as_deref(), Ok("<nil>"));
    let rest = external_id_of(&lambda, &read(&rest_event(&nil))).await;
    assert_eq!(rest, Err(Code::Unauthenticated));
}

#[tokio::test]
async fn an_authorizer_that_cannot_be_read_proves_nothing() {
    for authorizer in [
        r#"{"jwt":{"claims":["1"]}}"#,
        r#"{"jwt":"1"}"#,
        r#"["1"]"#,
        r#""1""#,
        "true",
        r#"{"jwt":{"claims":{"sub":"1","sub":"2"}}}"#,
        r#"{"jwt":{"claims":{"sub":"1"}},"jwt":{"claims":{"sub":"2"}}}"#,
    ] {
        let event = format!(
            r#"{{"requestContext":{{"http":{{"method":"POST"}},"authorizer":{authorizer}}}}}"#
        );
        let request = Request::from_event(&event).unwrap().ok().unwrap();
        let nobody = external_id_of(&callers(&[]), &request).await;
        assert_eq!(nobody, Err(Code::Unauthenticated), "{authorizer}");
    }
}

#[tokio::test]
async fn a_lambda_authorizers_caller_must_say_that_the_request_is_json() {
    let context = json!({"lambda": {"sub": "1"}});
    for (content_type, body, expected) in [
        (Some("application/json"), Some("{}"), None),
        (Some("Application/JSON; charset=utf-8"), None, None),
        (None, None, Some(Code::UnsupportedMediaType)),
        (None, Some("{}"), Some(Code::UnsupportedMediaType)),
        (Some("text/plain"), None, Some(Code::UnsupportedMediaType)),
        (
            Some("application/x-www-form-urlencoded"),
            Some("a=b"),
            Some(Code::UnsupportedMediaType),
        ),
    ] {
        let mut event = event(&[("/requestContext/authorizer", context.clone())]);
        event["headers"] = content_type.map_or(json!({}), |it| json!({"content-type": it}));
        event["body"] = json!(body);
        let caller = external_id_of(&callers(LAMBDA), &read(&event)).await;
        assert_eq!(caller.err(), expected, "{content_type:?} {body:?}");
        // Without a caller the response is a 401 for every content type.
        event["requestContext"]["authorizer"] = Value::Null;
        let nobody = external_id_of(&callers(LAMBDA), &read(&event)).await;
        assert_eq!(nobody, Err(Code::Unauthenticated));
        // No browser sends a bearer token on its own, so the request needs no preflight.
        event["requestContext"]["authorizer"] = json!({"jwt": {"claims": {"sub": "1"}}});
        assert!(external_id_of(&callers(&[]), &read(&event)).await.is_ok());
    }
}

#[test]
fn a_wrong_variable_is_named_with_what_it_may_hold() {
    let error = |variables: &[(&str, &str)]| {
        let error = Callers::from_variables(&variables.iter().copied().collect());
        error.err().unwrap().to_string()
    };
    assert_eq!(
        error(&[("IDENTITY_SOURCE", "header")]),
        "IDENTITY_SOURCE holds \"header\"; it must hold jwt-authorizer, lambda-authorizer or bearer"
    );
    let bearer = ("IDENTITY_SOURCE", "bearer");
    let issuer = ("OIDC_ISSUER", "https://idp.example");
    let audience = ("OIDC_AUDIENCE", "shop");
    let jwks = ("OIDC_JWKS_URL", "https://idp.example/jwks?p=policy");
    for (variables, start) in [
        (&[bearer][..], "OIDC_ISSUER is not set; "),
        (&[bearer, jwks], "OIDC_ISSUER is not set; "),
        (&[bearer, issuer], "OIDC_AUDIENCE is not set; "),
        (
            &[bearer, ("OIDC_ISSUER", "http://idp.example")],
            "OIDC_ISSUER holds ",
        ),
        (
            &[bearer, ("OIDC_ISSUER", "https://a.example,idp")],
            "OIDC_ISSUER holds ",
        ),
        (
            &[
                bearer,
                ("OIDC_ISSUER", "https://a.example,,https://b.example"),
            ],
            "OIDC_ISSUER holds ",
        ),
        (
            &[bearer, jwks, audience, ("OIDC_ISSUER", "a,")],
            "OIDC_ISSUER holds ",
        ),
        (
            &[bearer, issuer, ("OIDC_AUDIENCE", "a,,b")],
            "OIDC_AUDIENCE holds ",
        ),
        (
            &[bearer, issuer, audience, ("OIDC_JWKS_URL", "idp")],
            "OIDC_JWKS_URL holds ",
        ),
        (
            &[
                bearer,
                issuer,
                audience,
                ("OIDC_JWKS_URL", "http://idp.example/"),
            ],
            "OIDC_JWKS_URL holds ",
        ),
        (
            &[bearer, issuer, audience, ("OIDC_AUDIENCE_CLAIM", "/a~")],
            "OIDC_AUDIENCE_CLAIM holds ",
        ),
        (
            &[bearer, issuer, audience, ("TOKEN_HEADER", "a b")],
            "TOKEN_HEADER holds ",
        ),
        // A wrong value is refused even if the source does not need it.
        (
            &[("OIDC_ISSUER", "http://idp.example")],
            "OIDC_ISSUER holds ",
        ),
        (&[("OIDC_AUDIENCE", ",")], "OIDC_AUDIENCE holds "),
        (
            &[("OIDC_AUDIENCE_CLAIM", "/azp")],
            "OIDC_AUDIENCE_CLAIM holds ",
        ),
    ] {
        let error = error(variables);
        assert!(error.starts_with(start), "{error}");
    }
    for variables in [
        &[bearer, issuer, audience][..],
        &[
            bearer,
            ("OIDC_ISSUER", " https://a.example/ , https://b.example"),
            audience,
        ],
        &[
            bearer,
            ("OIDC_ISSUER", "stytch.com/project-1, any text"),
            audience,
            jwks,
        ],
        &[bearer, issuer, ("OIDC_AUDIENCE", "web, ios ,android")],
        &[bearer, issuer, audience, ("OIDC_AUDIENCE_CLAIM", "/a/b")],
    ] {
        let read = Callers::from_variables(&variables.iter().copied().collect());
        assert!(read.is_ok(), "{variables:?}");
    }
}

/// An issuer that publishes no keys.
async fn issuer() -> MockServer {
    let server = MockServer::start().await;
    let discovery = json!({"issuer": server.uri(), "jwks_uri": format!("{}/jwks", server.uri())});
    for (at, document) in [
        ("/.well-known/openid-configuration", discovery),
        ("/jwks", json!({"keys": []})),
    ] {
        Mock::given(path(at))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&server)
            .await;
    }
    server
}

#[tokio::test]
async fn a_bearers_issuer_is_asked_ahead_and_checked() {
    let soon = || Deadline::after(Duration::from_secs(20));
    let issuer = issuer().await;
    let uri = issuer.uri();
    let bearer = [
        ("IDENTITY_SOURCE", "bearer"),
        ("OIDC_ISSUER", uri.as_str()),
        ("OIDC_AUDIENCE", "shop"),
    ];
    let warm = callers(&bearer);
    warm.warm_up().await;
    let documents = issuer.received_requests().await.unwrap().len();
    assert_eq!(documents, 2, "discovery and keys, before any request");
    assert_eq!(warm.check(soon()).await.unwrap().ok, Some(true));

    issuer.reset().await;
    let check = callers(&bearer).check(soon()).await.unwrap();
    assert_eq!(check.ok, Some(false));
    assert!(check.detail.contains(&uri), "{}", check.detail);

    // API Gateway asks the issuer itself.
    assert!(callers(&[]).check(soon()).await.is_none());
}

#[test]
fn the_callers_token_is_the_one_of_the_configured_header() {
    let token = |variables, headers: Value| {
        let request = read(&event(&[("/headers", headers)]));
        callers(variables).token(&request).map(ToOwned::to_owned)
    };
    let sent = json!({"authorization": "Bearer one", "x-token": "two"});
    assert_eq!(token(&[], sent.clone()).unwrap(), "one");
    assert_eq!(token(&[("TOKEN_HEADER", "x-token")], sent).unwrap(), "two");
    assert_eq!(token(&[], json!({})), None);
}
