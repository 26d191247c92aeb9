//! Runs `reports.jsonl`. A line has
//!
//! - `case`: one sentence; `function`: the function, sign-token if none is named;
//! - `set`: the variables; with `keys` there is an issuer, `{BASE}` is its address, and every issuer
//!   of `OIDC_ISSUER` that begins with it has a discovery document, unless `discovery` says where
//!   there are others;
//! - `header`, `claims`: a token, `{TOKEN}`, which is sent as a bearer token unless `headers` say
//!   otherwise; `by`: the index of the key that signs it;
//! - `authorizer`: the result of API Gateway's authorizer;
//! - `form`: the form of the event; `path`, `stage`, `headers`, `body`: of the request;
//! - `expect`: the status, the code, the external id, the email (null for none), the reason for
//!   leaving it out, and text of the log. `starts` is false if the function must not start.

use futures_util::{StreamExt, stream};
use harness::lambda::{HttpEvent, LambdaError};
use harness::under_test::Services;
use serde_json::Value;

use super::issuer::Issuer;
use super::{Logins, log, send, signed};

/// Maximum functions that run at the same time.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn every_reported_login_gives_what_it_should() {
    let services = Logins::start().await;
    let logins = include_str!("reports.jsonl").lines().map(|line| {
        let login: Value = serde_json::from_str(line).unwrap();
        let services = &services;
        async move {
            let outcome = run(services, &login).await;
            outcome.map_err(|why| format!("{}: {why}", login["case"]))
        }
    });
    let outcomes: Vec<_> = stream::iter(logins)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

async fn run(services: &Logins, login: &Value) -> Result<(), String> {
    let issuer = match login["keys"].as_array() {
        Some(keys) => Some(Issuer::start(keys).await),
        None => None,
    };
    let base = issuer.as_ref().map(Issuer::base).unwrap_or_default();
    let login: Value = serde_json::from_str(&login.to_string().replace("{BASE}", &base)).unwrap();
    let set: Vec<(&str, &str)> = login["set"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    if let Some(issuer) = &issuer {
        serve_discovery(issuer, &login, &set).await;
    }
    let token = issuer.as_ref().map(|issuer| {
        let key = login["by"].as_u64().unwrap_or_default();
        issuer.sign(
            usize::try_from(key).unwrap(),
            &login["header"],
            &login["claims"],
        )
    });

    let name = login["function"].as_str().unwrap_or("sign-token");
    let expect = &login["expect"];
    let function = match services.try_launch(name, &set).await {
        Ok(function) => function,
        Err(LambdaError::Exited { output, .. }) => {
            check(
                expect["starts"] == false,
                &format!("did not start: {output}"),
            )?;
            return has_log(expect, &output);
        }
        Err(other) => return Err(other.to_string()),
    };
    check(expect["starts"] != false, "started")?;
    if expect.get("status").is_none() {
        return has_log(expect, &log(&function));
    }

    let response = send(&function, &event(&login, token.as_deref())).await;
    check(
        expect["status"] == response.status,
        &format!("{response:?} {}", log(&function)),
    )?;
    has_log(expect, &log(&function))?;
    if let Some(code) = expect.get("code") {
        check(response.json()["code"] == *code, &response.body)?;
    }
    if response.status == 200 {
        let claims = signed(&response);
        for (field, claim) in [
            ("externalId", "external_id"),
            ("email", "email"),
            ("name", "name"),
        ] {
            if let Some(expected) = expect.get(field) {
                check(claims[claim] == *expected, &format!("{field} in {claims}"))?;
            }
        }
        let omitted = &response.json()["emailOmittedBecause"];
        check(
            claims["email"].is_null() != omitted.is_null(),
            &response.body,
        )?;
        if let Some(expected) = expect.get("omitted") {
            check(omitted == expected, &response.body)?;
        }
    }
    Ok(())
}

async fn serve_discovery(issuer: &Issuer, login: &Value, set: &[(&str, &str)]) {
    if let Some(documents) = login["discovery"].as_array() {
        for document in documents {
            let [at, of] = ["at", "issuer"].map(|field| document[field].as_str().unwrap());
            issuer.discover(at, of).await;
        }
        return;
    }
    let issuers = set.iter().find(|(name, _)| *name == "OIDC_ISSUER");
    let issuers = issuers.map(|(_, issuers)| *issuers).unwrap_or_default();
    for name in issuers.split(',').map(str::trim) {
        if let Some(path) = name.strip_prefix(&issuer.base()) {
            let path = path.trim_end_matches('/');
            issuer
                .discover(&format!("{path}/.well-known/openid-configuration"), name)
                .await;
        }
    }
}

fn event(login: &Value, token: Option<&str>) -> Value {
    let name = login["function"].as_str();
    let route = match name {
        Some("report-conflict") => "/zendesk/conflicts",
        Some("exchange-identity") => "/puzzel/identity",
        _ => "/zendesk/token",
    };
    let mut event = HttpEvent::post(login["path"].as_str().unwrap_or(route));
    if let Some(authorizer) = login.get("authorizer") {
        event = event.authorizer(authorizer.clone());
    }
    if let Some(headers) = login["headers"].as_object() {
        for (name, value) in headers {
            event = match value.as_str() {
                Some(value) => {
                    event.header(name, &value.replace("{TOKEN}", token.unwrap_or_default()))
                }
                None => event.without_header(name),
            };
        }
    } else if let Some(token) = token {
        event = event.bearer(token);
    }
    if let Some(body) = login["body"].as_str() {
        event = event.body(body);
    }
    let mut event = match login["form"].as_str().unwrap_or("http-api") {
        "http-api" => event.api_gateway(),
        "http-api-1.0" => event.payload_1(),
        "rest" => event.rest_api(),
        "function-url" => event.function_url(),
        "balancer" => event.load_balancer(),
        "balancer-many" => event.load_balancer_with_many_values(),
        other => panic!("there is no form {other}"),
    };
    if let Some(stage) = login.get("stage") {
        event["requestContext"]["stage"] = stage.clone();
    }
    event
}

fn has_log(expect: &Value, log: &str) -> Result<(), String> {
    let texts = match &expect["log"] {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text.as_str()],
        _ => Vec::new(),
    };
    for text in texts {
        check(
            log.contains(text),
            &format!("{text:?} is not in the log: {log}"),
        )?;
    }
    Ok(())
}

fn check(holds: bool, why: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| why.to_owned())
}
