//! Cross-origin requests from pages on this machine, handled as by API Gateway with
//! `AllowedOrigins`, so that a site on another port can be developed against the local stack.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};

/// The headers that a page may send: the template's default of `AllowedHeaders`.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, baggage, sentry-trace, traceparent, tracestate, request-id, \
     request-context",
);
const METHODS: HeaderValue = HeaderValue::from_static("POST, PUT");
/// The response header that a page may read, besides those that it always may.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("retry-after");

/// The origin of a page on this machine, if it is another origin than ours.
pub fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let uri: Uri = origin.to_str().ok()?.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    (is_http && is_local).then(|| origin.clone())
}

/// The response to a preflight; `None` if the request is not one.
pub fn preflight(request: &Request<Body>) -> Option<Response<Body>> {
    let asks = request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = origin(request.headers()) {
        allow(&mut response, origin);
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    }
    Some(response)
}

/// Lets a page of this origin read the response.
pub fn allow(response: &mut Response<Body>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::builder().method(method).uri("/zendesk/token");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    const METHOD: (&str, &str) = ("access-control-request-method", "POST");

    #[test]
    fn a_page_on_this_machine_may_send_requests() {
        for origin in [
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "https://localhost",
            "http://[::1]:8080",
        ] {
            let response = preflight(&asked("OPTIONS", &[("origin", origin), METHOD])).unwrap();
            assert_eq!(response.status(), StatusCode::NO_CONTENT);
            assert_eq!(response.headers()["access-control-allow-origin"], origin);
            assert_eq!(
                response.headers()["access-control-allow-headers"],
                REQUEST_HEADERS
            );
            assert_eq!(
                response.headers()["access-control-allow-methods"],
                "POST, PUT"
            );
        }
    }

    #[test]
    fn the_headers_are_those_of_the_template() {
        let template = harness::lambda::workspace_root().join("template.yaml");
        let template = std::fs::read_to_string(template).unwrap();
        let headers = REQUEST_HEADERS.to_str().unwrap().replace(' ', "");
        assert!(template.contains(&format!("Default: {headers}\n")));
    }

    #[test]
    fn other_pages_may_not() {
        for origin in [
            "https://shop.example",
            "http://localhost.evil.example",
            "null",
            "http://127.0.0.1.evil.example",
            "file://localhost",
        ] {
            let response = preflight(&asked("OPTIONS", &[("origin", origin), METHOD])).unwrap();
            assert!(
                !response
                    .headers()
                    .contains_key("access-control-allow-origin"),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_request_that_is_not_a_preflight_goes_to_the_functions() {
        assert!(preflight(&asked("OPTIONS", &[("origin", "http://localhost:5173")])).is_none());
        assert!(
            preflight(&asked(
                "POST",
                &[("origin", "http://localhost:5173"), METHOD]
            ))
            .is_none()
        );
    }
}
