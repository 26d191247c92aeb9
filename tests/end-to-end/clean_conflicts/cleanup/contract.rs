//! Every request is valid according to the official OpenAPI document of Sunshine Conversations.
//!
//! `contract.yaml` is the part of it about the calls that we use. An unknown field or parameter is
//! an error here, so that a spelling mistake cannot pass.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};

use local_stack::standins::traffic::Exchange;
use serde_json::{Map, Value, json};

static PATHS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let contract: Value = serde_yaml_ng::from_str(include_str!("contract.yaml")).unwrap();
    let mut paths = contract["paths"].clone();
    as_json_schema(&mut paths);
    paths.as_object().unwrap().clone()
});

/// OpenAPI 3.0's schemas as JSON Schema, which has no `nullable`, and with no fields but those that
/// are named.
fn as_json_schema(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(as_json_schema);
            if fields.get("nullable") == Some(&json!(true)) {
                let kind = fields["type"].take();
                fields["type"] = json!([kind, "null"]);
            }
            if fields.get("type") == Some(&json!("object")) && fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_json_schema),
        _ => {}
    }
}

/// Panics if the document does not describe a request; each is checked once. The merge by ids is
/// part of v1.1, for which no such document exists.
pub(crate) fn assert_valid(exchange: &Exchange, app_id: &str) {
    static VALID: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let request = format!("{} {:?}", exchange.line, exchange.body);
    if VALID.lock().unwrap().contains(&request) {
        return;
    }
    if let Err(error) = check(exchange, app_id) {
        panic!("{}: {error}", exchange.line);
    }
    VALID.lock().unwrap().insert(request);
}

fn check(exchange: &Exchange, app_id: &str) -> Result<(), String> {
    let (_, path) = exchange
        .path
        .split_once("/v")
        .ok_or("not a call of the API")?;
    if path == format!("1.1/apps/{app_id}/appusers/merge") {
        return Ok(());
    }
    let path = path.replacen(app_id, "{appId}", 1);
    let method = exchange.method.to_lowercase();
    let operation = PATHS
        .iter()
        .filter(|(template, _)| fits(template, &format!("/v{path}")))
        .find_map(|(_, methods)| methods.get(&method))
        .ok_or("no such path or method")?;
    check_query(operation, &exchange.line)?;
    let body = &operation["requestBody"];
    match &exchange.body {
        Some(_) if body.is_null() => Err("a body, where there is none".to_owned()),
        None if body["required"] == true => Err("no body, or not JSON".to_owned()),
        None => Ok(()),
        Some(sent) => valid(&body["content"]["application/json"]["schema"], sent),
    }
}

/// Whether a path matches a template, in which `{…}` stands for one segment.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let is_same = |(wanted, segment): (&&str, &&str)| {
        wanted == segment
            || (wanted.starts_with('{') && *wanted != "{appId}" && !segment.is_empty())
    };
    template.len() == path.len() && template.iter().zip(&path).all(is_same)
}

/// Checks the query: `name=value`, or `name[field]=value` for a parameter that is an object.
fn check_query(operation: &Value, line: &str) -> Result<(), String> {
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (_, query) = target.split_once('?').unwrap_or_default();
    let mut sent = json!({});
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = value
            .parse::<u64>()
            .map_or_else(|_| json!(value), |number| json!(number));
        match name.split_once('[') {
            Some((name, field)) => sent[name][field.trim_end_matches(']')] = value,
            None => sent[&*name] = value,
        }
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let (mut properties, mut required) = (json!({}), vec![]);
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap();
        properties[name] = parameter["schema"].clone();
        if parameter["required"] == true {
            required.push(name);
        }
    }
    // A query has no types, so a number may stand for a text.
    as_numbers_too(&mut properties);
    let schema = json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    });
    valid(&schema, &sent)
}

fn as_numbers_too(value: &mut Value) {
    for value in value.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if value == "string" {
            *value = json!(["string", "integer"]);
        }
        as_numbers_too(value);
    }
}

fn valid(schema: &Value, instance: &Value) -> Result<(), String> {
    let validator = jsonschema::validator_for(schema).map_err(|error| error.to_string())?;
    validator
        .validate(instance)
        .map_err(|error| format!("{error} in {instance}"))
}

/// The check itself can fail.
#[test]
fn requests_that_the_document_does_not_describe_are_refused() {
    let app_id = "5d8cff3cd55b040010928b5b";
    let request = |method: &str, target: &str, body: Option<Value>| {
        let path = format!("/sc/v2/apps/{app_id}{target}");
        let exchange = Exchange {
            number: 0,
            connection: 1,
            line: format!("{method} {path} HTTP/1.1"),
            method: method.to_owned(),
            path: path.split('?').next().unwrap().to_owned(),
            body,
            arrived: std::time::Duration::ZERO,
            answered: None,
            status: None,
            handled: false,
        };
        check(&exchange, app_id)
    };
    for (method, target, body) in [
        (
            "GET",
            "/users?filter[identities.email]=a@b.example&brandId=7",
            None,
        ),
        (
            "PATCH",
            "/users/1",
            Some(json!({"profile": {"givenName": "Anna"}, "metadata": {"a": 1}})),
        ),
        ("POST", "/users/7/sync", Some(json!({}))),
        ("POST", "/users/7/sync", None),
        (
            "GET",
            "/conversations?filter[userId]=1&page[size]=100",
            None,
        ),
        ("POST", "/users", Some(json!({"externalId": "1"}))),
    ] {
        assert_eq!(request(method, target, body), Ok(()), "{method} {target}");
    }
    for (method, target, body) in [
        ("GET", "/users", None),
        ("GET", "/users?filter[email]=a@b.example", None),
        ("GET", "/users/1?brand=7", None),
        ("PUT", "/users/1", None),
        ("DELETE", "", None),
        ("DELETE", "/users/", None),
        ("DELETE", "/users/1/everything", None),
        ("PATCH", "/users/1", None),
        ("PATCH", "/users/1", Some(json!({"externalId": "2"}))),
        (
            "PATCH",
            "/users/1",
            Some(json!({"profile": {"givenName": ""}})),
        ),
        (
            "PATCH",
            "/users/1",
            Some(json!({"profile": {"name": "Anna"}})),
        ),
        (
            "POST",
            "/users/7/sync",
            Some(json!({"survivingZendeskId": 7})),
        ),
        ("GET", "/conversations?page[size]=100", None),
        (
            "GET",
            "/conversations?filter[userId]=1&page[size]=101",
            None,
        ),
        (
            "GET",
            "/conversations?filter[userId]=1&page[after]=short",
            None,
        ),
    ] {
        assert!(request(method, target, body).is_err(), "{method} {target}");
    }
}
