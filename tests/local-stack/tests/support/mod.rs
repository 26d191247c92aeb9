//! Sends requests to a stand-in. A request that gets no response fails the test.
#![allow(dead_code, reason = "each test file uses a part of this")]

use reqwest::RequestBuilder;
use serde_json::Value;

/// Sends a request, and returns the status and the JSON of the response.
pub async fn response_to(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Sends a request, and returns the status of the response.
pub async fn status_of(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// Sends a request, and returns the JSON of the response.
pub async fn json_of(request: RequestBuilder) -> Value {
    response_to(request).await.1
}
