//! The description of the API, `docs/openapi.yaml`, which every response of an HTTP function must
//! match.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::binary::workspace_root;
use crate::event::HttpResponse;

/// The functions that it describes.
const FUNCTIONS: [&str; 4] = [
    "sign-token",
    "report-conflict",
    "exchange-identity",
    "receive-webhook",
];

static DESCRIPTION: LazyLock<Description> = LazyLock::new(Description::read);

/// Checks the response of a function to an HTTP event. Other functions and events are not
/// described.
///
/// # Panics
/// If the description does not contain the response for the route.
pub fn hold(function: &str, event: &Value, response: &Value) {
    let Some((method, path)) = request_of(event) else {
        return;
    };
    if !FUNCTIONS.contains(&function) || response["statusCode"].is_null() {
        return;
    }
    let response = HttpResponse::new(response.clone());
    if let Err(misfit) = check(method, path, &response) {
        panic!(
            "the response to {method} {path} does not match docs/openapi.yaml: {misfit}\n{response:?}"
        );
    }
}

/// Checks a response. `path` may have a stage or a base path before it.
///
/// # Errors
/// The difference, in words.
pub fn check(method: &str, path: &str, response: &HttpResponse) -> Result<(), String> {
    DESCRIPTION.check(method, path, response)
}

/// Method and path of an event of API Gateway, a function URL or a load balancer.
fn request_of(event: &Value) -> Option<(&str, &str)> {
    let http = &event["requestContext"]["http"];
    let method = http["method"].as_str().or(event["httpMethod"].as_str())?;
    let path = event["rawPath"].as_str().or(event["path"].as_str())?;
    Some((method, path))
}

struct Description {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Description {
    fn read() -> Self {
        let file = workspace_root().join("docs/openapi.yaml");
        let text = std::fs::read_to_string(file).expect("docs/openapi.yaml");
        Self {
            document: serde_yaml_ng::from_str(&text).expect("YAML"),
            validators: Mutex::default(),
        }
    }

    fn check(&self, method: &str, path: &str, response: &HttpResponse) -> Result<(), String> {
        let status = response.status;
        let Some((operation, is_method)) = self.operation(method, path) else {
            // An unreadable request is refused before its path is checked.
            return match status {
                400 | 401 | 404 => Ok(()),
                _ => Err(format!("status {status}, and no such path")),
            };
        };
        if !is_method && status < 400 {
            return Err(format!("status {status}, and no such method"));
        }
        let pointer = self.follow(&format!("{operation}/responses/{status}"));
        let described = self.document.pointer(&pointer);
        let described = described.ok_or_else(|| format!("status {status} is not described"))?;
        self.check_headers(&pointer, &described["headers"], response)?;
        let Some(content) = described["content"].as_object() else {
            return if response.body.is_empty() {
                Ok(())
            } else {
                Err("a body, where none is described".to_owned())
            };
        };
        self.check_body(&pointer, content, response)
    }

    fn check_headers(
        &self,
        described: &str,
        headers: &Value,
        response: &HttpResponse,
    ) -> Result<(), String> {
        for name in headers.as_object().into_iter().flat_map(Map::keys) {
            let header = self.follow(&format!("{described}/headers/{name}"));
            let is_required = self.document.pointer(&format!("{header}/required"));
            match response.header(name) {
                Some(value) => self.validate(&format!("{header}/schema"), &json!(value))?,
                None if is_required == Some(&json!(true)) => return Err(format!("no {name}")),
                None => {}
            }
        }
        Ok(())
    }

    fn check_body(
        &self,
        described: &str,
        content: &Map<String, Value>,
        response: &HttpResponse,
    ) -> Result<(), String> {
        let kind = response.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !content.contains_key(kind) {
            return Err(format!("content type {kind:?} is not described"));
        }
        let body = serde_json::from_str(&response.body).map_err(|error| error.to_string())?;
        let kind = kind.replace('/', "~1");
        self.validate(&format!("{described}/content/{kind}/schema"), &body)
    }

    /// The first operation with a matching end of the path, and whether it is for the method. Each
    /// path has one operation, which also describes the responses to other methods.
    fn operation(&self, method: &str, path: &str) -> Option<(String, bool)> {
        let paths = self.document["paths"].as_object()?;
        let (template, item) = paths.iter().find(|(template, _)| fits(template, path))?;
        let operation = ["get", "post", "put"]
            .into_iter()
            .find(|it| item.get(it).is_some())?;
        let template = template.replace('~', "~0").replace('/', "~1");
        let is_method = operation.eq_ignore_ascii_case(method);
        Some((format!("/paths/{template}/{operation}"), is_method))
    }

    /// The target of a pointer, if it points to a reference.
    fn follow(&self, pointer: &str) -> String {
        let found = self.document.pointer(pointer);
        match found.and_then(|found| found["$ref"].as_str()) {
            Some(reference) => self.follow(reference.trim_start_matches('#')),
            None => pointer.to_owned(),
        }
    }

    fn validate(&self, schema: &str, value: &Value) -> Result<(), String> {
        let validator = self.validator(schema);
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{} ({error})", error.instance_path()))
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join("; "))
        }
    }

    /// The validator of a schema in the document, whose references lead to others in it.
    fn validator(&self, schema: &str) -> Arc<Validator> {
        let mut validators = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let made = validators.entry(schema.to_owned()).or_insert_with(|| {
            let mut root = self.document.clone();
            // In a fragment, the braces of a path's parameters must be encoded (RFC 3986).
            let fragment = schema.replace('{', "%7B").replace('}', "%7D");
            root["$ref"] = json!(format!("#{fragment}"));
            Arc::new(jsonschema::validator_for(&root).expect("a schema"))
        });
        made.clone()
    }
}

/// Whether a path matches a template, with any prefix. A parameter may contain slashes: a wrong id
/// still belongs to this route.
fn fits(template: &str, path: &str) -> bool {
    let mut parts = template.split('{');
    let Some(rest) = parts
        .next()
        .and_then(|first| path.find(first).map(|at| &path[at + first.len()..]))
    else {
        return false;
    };
    let tails = parts.map(|part| part.split_once('}').map_or("", |(_, tail)| tail));
    let mut rest = Some(rest);
    for tail in tails {
        rest = rest.and_then(|rest| {
            if tail.is_empty() {
                return Some("");
            }
            rest.find(tail).map(|at| &rest[at + tail.len()..])
        });
    }
    rest == Some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        let headers: Map<String, Value> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        HttpResponse::new(json!({"statusCode": status, "headers": headers, "body": body}))
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
    const NO_STORE: (&str, &str) = ("cache-control", "no-store");

    fn problem(status: u16, code: &str) -> String {
        json!({"type": "about:blank", "title": "T", "status": status, "detail": "D", "code": code,
               "requestId": "1"})
        .to_string()
    }

    #[test]
    fn a_path_fits_its_template_after_any_base_path() {
        let chat = "/puzzel/conversations/{conversationId}/route/{queueKey}";
        let identity = "/puzzel/conversations/{conversationId}/identity";
        for (template, path, expected) in [
            ("/zendesk/token", "/zendesk/token", true),
            ("/zendesk/token", "/prod/zendesk/token", true),
            ("/zendesk/token", "/zendesk/token/", false),
            ("/zendesk/token", "/zendesk/tokens", false),
            (chat, "/puzzel/conversations/c/route/q", true),
            (chat, "/puzzel/conversations/a/b/route/q/r", true),
            (chat, "/puzzel/conversations/c/identity", false),
            (identity, "/base/puzzel/conversations/c/identity", true),
            (identity, "/puzzel/identity", false),
        ] {
            assert_eq!(fits(template, path), expected, "{template} {path}");
        }
    }

    #[test]
    fn described_responses_pass() {
        let no_content = response(204, &[NO_STORE], "");
        let path = "/puzzel/conversations/c/identity";
        assert_eq!(check("PUT", path, &no_content), Ok(()));
        let conflict = r#"{"conflictId":"0123456789abcdef0123456789abcdef","state":"pending"}"#;
        let reported = response(202, &[NO_STORE, JSON], conflict);
        assert_eq!(check("POST", "/zendesk/conflicts", &reported), Ok(()));
        let busy = [NO_STORE, PROBLEM, ("retry-after", "5")];
        let busy = response(503, &busy, &problem(503, "keys_unavailable"));
        assert_eq!(check("POST", "/zendesk/token", &busy), Ok(()));
        let gateway = response(429, &[JSON], r#"{"message":"Too Many Requests"}"#);
        assert_eq!(check("POST", "/zendesk/token", &gateway), Ok(()));
        let other = [NO_STORE, PROBLEM, ("allow", "POST")];
        let other = response(405, &other, &problem(405, "method_not_allowed"));
        assert_eq!(check("GET", "/zendesk/token", &other), Ok(()));
    }

    #[test]
    fn undescribed_responses_are_an_error() {
        let token = "/zendesk/token";
        for (misfit, method, path, response) in [
            (
                "no such path",
                "POST",
                "/other",
                response(200, &[NO_STORE, JSON], "{}"),
            ),
            (
                "no such method",
                "GET",
                token,
                response(200, &[NO_STORE, JSON], "{}"),
            ),
            (
                "not described",
                "POST",
                token,
                response(502, &[NO_STORE, PROBLEM], &problem(502, "upstream_error")),
            ),
            (
                "no cache-control",
                "POST",
                token,
                response(400, &[PROBLEM], &problem(400, "invalid_request")),
            ),
            (
                "no retry-after",
                "POST",
                token,
                response(503, &[NO_STORE, PROBLEM], &problem(503, "keys_unavailable")),
            ),
            (
                "code",
                "POST",
                token,
                response(400, &[NO_STORE, PROBLEM], &problem(400, "another")),
            ),
            (
                "status",
                "POST",
                token,
                response(400, &[NO_STORE, PROBLEM], &problem(401, "invalid_request")),
            ),
            (
                "content type",
                "POST",
                token,
                response(400, &[NO_STORE, ("content-type", "text/html")], ""),
            ),
            (
                "token",
                "POST",
                token,
                response(200, &[NO_STORE, JSON], "{}"),
            ),
            (
                "none is described",
                "PUT",
                "/puzzel/conversations/c/identity",
                response(204, &[NO_STORE], "{}"),
            ),
        ] {
            let found = check(method, path, &response).unwrap_err();
            assert!(found.contains(misfit), "{misfit}: {found}");
        }
    }
}
