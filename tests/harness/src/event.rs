//! The events that reach an HTTP function, in the shapes that AWS has for them, and its response.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// An HTTP request on its way to a function.
#[derive(Clone, Debug)]
pub struct HttpEvent {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    path_parameters: BTreeMap<String, String>,
    authorizer: Option<Value>,
    body: Option<String>,
    base64: bool,
}

impl HttpEvent {
    /// A request with this method and path (encoded as it would be on the wire). As the pages do,
    /// it says that it is JSON.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            path_parameters: BTreeMap::new(),
            authorizer: None,
            body: None,
            base64: false,
        }
    }

    /// A `POST`.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// A `PUT`.
    pub fn put(path: &str) -> Self {
        Self::new("PUT", path)
    }

    /// The claims that an HTTP API's JWT authorizer passes on. AWS makes each a string.
    #[must_use]
    pub fn claims(self, claims: Value) -> Self {
        let mut authorizer = json!({"jwt": {"scopes": null}});
        authorizer["jwt"]["claims"] = claims;
        self.authorizer(authorizer)
    }

    /// The context of a Lambda authorizer.
    #[must_use]
    pub fn lambda_context(self, context: Value) -> Self {
        let mut authorizer = json!({});
        authorizer["lambda"] = context;
        self.authorizer(authorizer)
    }

    /// Sets `requestContext.authorizer` to any value.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Value) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// The same without a header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers
            .retain(|other, _| !other.eq_ignore_ascii_case(name));
        self
    }

    /// A header, in the case it is given in.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The query, without the question mark.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// A path parameter, decoded, as the gateway passes it on.
    #[must_use]
    pub fn path_parameter(mut self, name: &str, value: &str) -> Self {
        self.path_parameters
            .insert(name.to_owned(), value.to_owned());
        self
    }

    /// A JSON body with its content type.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(&body.to_string())
    }

    /// A body as text.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self.base64 = false;
        self
    }

    /// A body of any bytes, base64-encoded as by a gateway.
    #[must_use]
    pub fn base64_body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(STANDARD.encode(body));
        self.base64 = true;
        self
    }

    /// API Gateway's HTTP API, payload format 2.0.
    pub fn api_gateway(&self) -> Value {
        let route = format!("{} {}", self.method, self.path);
        let mut event = self.version_2(&route, "api.example.com");
        if let Some(authorizer) = &self.authorizer {
            event["requestContext"]["authorizer"] = authorizer.clone();
        }
        if !self.path_parameters.is_empty() {
            event["pathParameters"] = json!(self.path_parameters);
        }
        event
    }

    /// A function URL: payload format 2.0 too, with no route, authorizer or path parameters.
    pub fn function_url(&self) -> Value {
        self.version_2("$default", "abc.lambda-url.eu-west-1.on.aws")
    }

    fn version_2(&self, route: &str, domain: &str) -> Value {
        json!({
            "version": "2.0",
            "routeKey": route,
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": self.lowercase_headers(),
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "api",
                "domainName": domain,
                "domainPrefix": "api",
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "test",
                },
                "requestId": "gateway-request-1",
                "routeKey": route,
                "stage": "$default",
                "time": "01/Jan/2026:00:00:00 +0000",
                "timeEpoch": 1_767_225_600_000_u64,
            },
            "body": self.body,
            "isBase64Encoded": self.base64,
        })
    }

    /// A REST API, which has the authorizer's result flat and puts no stage before the path.
    pub fn rest_api(&self) -> Value {
        let many: BTreeMap<_, _> = self
            .headers
            .iter()
            .map(|(name, value)| (name, [value]))
            .collect();
        json!({
            "resource": self.path,
            "path": self.path,
            "httpMethod": self.method,
            "headers": self.headers,
            "multiValueHeaders": many,
            "queryStringParameters": null,
            "multiValueQueryStringParameters": null,
            "pathParameters": (!self.path_parameters.is_empty()).then_some(&self.path_parameters),
            "stageVariables": null,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "api",
                "authorizer": self.authorizer,
                "domainName": "api.example.com",
                "httpMethod": self.method,
                "identity": {"sourceIp": "192.0.2.1"},
                "path": format!("/prod{}", self.path),
                "protocol": "HTTP/1.1",
                "requestId": "gateway-request-1",
                "resourcePath": self.path,
                "stage": "prod",
            },
            "body": self.body,
            "isBase64Encoded": self.base64,
        })
    }

    /// An HTTP API that is set to payload format 1.0.
    pub fn payload_1(&self) -> Value {
        let mut event = self.rest_api();
        event["version"] = json!("1.0");
        event["requestContext"]["stage"] = json!("$default");
        event["requestContext"]["path"] = json!(self.path);
        event
    }

    /// The target group of a load balancer that is set to multi-value headers.
    pub fn load_balancer_with_many_values(&self) -> Value {
        let mut event = self.load_balancer();
        let headers = event["headers"].take();
        event.as_object_mut().expect("an event").remove("headers");
        let headers = headers.as_object().into_iter().flatten();
        event["multiValueHeaders"] = headers
            .map(|(name, value)| (name.clone(), json!([value])))
            .collect();
        event
    }

    /// An Application Load Balancer's target group.
    pub fn load_balancer(&self) -> Value {
        let query: Map<String, Value> = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        json!({
            "requestContext": {"elb": {"targetGroupArn":
                "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/test/0123456789abcdef"}},
            "httpMethod": self.method,
            "path": self.path,
            "queryStringParameters": query,
            "headers": self.lowercase_headers(),
            "body": self.body.as_deref().unwrap_or_default(),
            "isBase64Encoded": self.base64,
        })
    }

    // Both the HTTP API and the load balancer pass headers on in lower case.
    fn lowercase_headers(&self) -> BTreeMap<String, &str> {
        self.headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
            .collect()
    }
}

/// The response of an HTTP function.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, decoded.
    pub body: String,
}

impl HttpResponse {
    /// Parses the value that the function returned.
    ///
    /// # Panics
    /// If a gateway would not understand it.
    #[allow(clippy::needless_pass_by_value)] // it consumes the response of an invocation
    pub fn new(response: Value) -> Self {
        let status = response["statusCode"].as_u64();
        let status = status.and_then(|status| status.try_into().ok());
        let mut headers = BTreeMap::new();
        for (name, value) in response["headers"].as_object().into_iter().flatten() {
            headers.insert(name.to_ascii_lowercase(), text(value));
        }
        for (name, values) in response["multiValueHeaders"]
            .as_object()
            .into_iter()
            .flatten()
        {
            let values: Vec<String> = values.as_array().into_iter().flatten().map(text).collect();
            headers.insert(name.to_ascii_lowercase(), values.join(", "));
        }
        let body = text(&response["body"]);
        let body = if response["isBase64Encoded"] == json!(true) {
            let bytes = STANDARD.decode(body).expect("a body in base64");
            String::from_utf8(bytes).expect("a body of text")
        } else {
            body
        };
        Self {
            status: status.unwrap_or_else(|| panic!("no statusCode in {response}")),
            headers,
            body,
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// A header, if it is present.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
