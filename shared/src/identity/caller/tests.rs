use serde_json::{Value, json};

use super::*;

fn callers(variables: &[(&str, &str)]) -> Callers {
    Callers::from_variables(&variables.iter().copied().collect()).unwrap()
}

fn request(authorizer: &Value) -> Request {
    let event = json!({
        "version": "2.0",
        "rawPath": "/",
        "headers": {"authorization": "Bearer not-asked-for"},
        "requestContext": {"http": {"method": "POST"}, "authorizer": authorizer},
        "body": r#"{"sub":"from the body"}"#,
    });
    Request::from_event(&event.to_string())
        .unwrap()
        .ok()
        .unwrap()
}

const LAMBDA: &[(&str, &str)] = &[("IDENTITY_SOURCE", "lambda-authorizer")];

/// The caller that a Lambda authorizer's `context` makes: values of any type.
async fn by_context(variables: &[(&str, &str)], context: Value) -> Result<Caller, Code> {
    let variables = [LAMBDA, variables].concat();
    let request = request(&json!({ "lambda": context }));
    let caller = callers(&variables).identify(&request).await;
    caller.map_err(|problem| problem.code)
}

async fn external_id(sub: Value) -> Result<String, Code> {
    let caller = by_context(&[], json!({ "sub": sub })).await?;
    Ok(caller.external_id.as_str().to_owned())
}

#[tokio::test]
async fn the_email_is_taken_only_where_it_is_verified() {
    let email = async |claims: Value| {
        let caller = by_context(&[], claims).await.ok().unwrap();
        caller.email.map(|email| email.as_str().to_owned())
    };
    for verified in [json!(true), json!("true")] {
        let claims = json!({"sub": "1", "email": " a@example.com ", "email_verified": verified});
        assert_eq!(email(claims).await.as_deref(), Some("a@example.com"));
    }
    for unverified in [
        json!(false),
        json!("false"),
        json!(1),
        json!("1"),
        json!(null),
        json!("True"),
        json!("TRUE"),
        json!(" true"),
        json!("yes"),
        json!(""),
        json!([true]),
        json!(["true"]),
        json!({"true": true}),
    ] {
        let claims = json!({"sub": "1", "email": "a@example.com", "email_verified": unverified});
        assert_eq!(email(claims).await, None, "{unverified}");
    }
    assert_eq!(
        email(json!({"sub": "1", "email": "a@example.com"})).await,
        None
    );
    for none in [json!(null), json!(" "), json!(7), json!(["a@example.com"])] {
        let claims = json!({"sub": "1", "email": none, "email_verified": true});
        assert_eq!(email(claims).await, None, "{none}");
    }
}

#[tokio::test]
async fn numbers_become_strings_where_they_have_one_spelling() {
    for (number, id) in [
        (json!(0), "0"),
        (json!(-7), "-7"),
        (json!(1_234_567), "1234567"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(i64::MIN), "-9223372036854775808"),
    ] {
        assert_eq!(external_id(number).await.as_deref(), Ok(id));
    }
    let beyond: Value = serde_json::from_str("18446744073709551616").unwrap();
    for number in [json!(1.5), json!(1.0), json!(1e21), beyond] {
        assert_eq!(external_id(number).await, Err(Code::Unauthenticated));
    }
}

#[tokio::test]
async fn who_has_no_subject_is_nobody() {
    for none in [
        json!(null),
        json!(""),
        json!(true),
        json!(["1"]),
        json!({"id": "1"}),
    ] {
        assert_eq!(external_id(none).await, Err(Code::Unauthenticated));
    }
    for context in [json!({}), json!(null), json!({"email": "a@example.com"})] {
        let nobody = by_context(&[], context).await;
        assert_eq!(nobody.err(), Some(Code::Unauthenticated));
    }
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
    assert!(!format!("{refused:?}").contains("CANARY"));
}

#[tokio::test]
async fn each_authorizer_is_heard_only_where_it_is_the_source() {
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
        let caller = caller.map_err(|problem| problem.code);
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
    assert_eq!(caller.email.unwrap().as_str(), "a@example.com");
    assert_eq!(caller.name.as_deref(), Some("Anna"));
}

#[tokio::test]
async fn claims_have_the_names_that_are_configured() {
    let variables = [
        ("EXTERNAL_ID_CLAIM", "customer"),
        ("EMAIL_CLAIM", "mail"),
        ("EMAIL_VERIFIED_CLAIM", "mail_ok"),
        ("NAME_CLAIM", "nick"),
        ("PREVIOUS_EXTERNAL_ID_CLAIM", "was"),
    ];
    let claims = json!({"sub": 9, "iss": "https://idp.example", "customer": 7, "was": 6,
        "mail": "a@example.com", "mail_ok": "true", "nick": "Anna",
        "email": "other@example.com", "email_verified": false, "name": "Other"});
    let caller = by_context(&variables, claims).await.ok().unwrap();
    assert_eq!(caller.external_id.as_str(), "7");
    assert_eq!(caller.previous_external_id.unwrap().as_str(), "6");
    assert_eq!(caller.email.unwrap().as_str(), "a@example.com");
    assert_eq!(caller.name.as_deref(), Some("Anna"));
    assert_eq!(caller.subject.as_deref(), Some("9"));
    assert_eq!(caller.issuer.as_deref(), Some("https://idp.example"));
}

#[tokio::test]
async fn a_previous_external_id_that_proves_nothing_is_none() {
    let variables = [("PREVIOUS_EXTERNAL_ID_CLAIM", "was")];
    for was in [
        json!(null),
        json!(""),
        json!(".."),
        json!("7"),
        json!(7),
        json!([6]),
    ] {
        let claims = json!({"sub": "7", "was": was});
        let caller = by_context(&variables, claims).await.ok().unwrap();
        assert!(caller.previous_external_id.is_none(), "{was}");
    }
}

#[test]
fn a_bearer_token_is_the_only_one_of_its_request() {
    let token = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, http::HeaderValue::from_static(value));
        }
        bearer_token(&headers).map(ToOwned::to_owned)
    };
    for value in ["Bearer abc", "bearer abc", "BEARER  abc "] {
        assert_eq!(token(&[value]).as_deref(), Some("abc"), "{value}");
    }
    for values in [
        &[][..],
        &["abc"],
        &["Bearer"],
        &["Bearer "],
        &["Basic abc"],
        &["Bearer a", "Bearer b"],
    ] {
        assert_eq!(token(values), None, "{values:?}");
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
    assert!(error(&[bearer]).starts_with("OIDC_ISSUER is not set; "));
    assert!(
        error(&[bearer, ("OIDC_ISSUER", "http://idp.example")]).starts_with("OIDC_ISSUER holds ")
    );
    assert!(
        error(&[bearer, ("OIDC_ISSUER", "https://idp.example")])
            .starts_with("OIDC_AUDIENCE is not set; ")
    );
}
