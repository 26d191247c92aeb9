//! The recorded requests: the service and the operation of each.

use axum::extract::Request;
use serde::{Deserialize, Serialize};

/// The AWS service of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the services' own names
pub enum Service {
    DynamoDb,
    SecretsManager,
    S3,
}

/// A request that reached the endpoint, faults included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// The service.
    pub service: Service,
    /// The operation of a JSON service (`GetSecretValue`), the method for S3 (`PUT`).
    pub operation: String,
    /// For S3 the path as received, `/bucket/key`; empty otherwise.
    pub path: String,
}

impl Recorded {
    /// The service and operation of a request. DynamoDB and Secrets Manager are named in a header;
    /// the rest is S3.
    pub(super) fn of(request: &Request) -> Self {
        let target = request.headers().get("x-amz-target");
        let target = target.and_then(|target| target.to_str().ok()).unwrap_or("");
        let (service, operation, path) = match target.split_once('.') {
            Some(("secretsmanager", operation)) => (Service::SecretsManager, operation, ""),
            Some((_, operation)) => (Service::DynamoDb, operation, ""),
            None => (Service::S3, request.method().as_str(), request.uri().path()),
        };
        Self {
            service,
            operation: operation.to_owned(),
            path: path.to_owned(),
        }
    }
}
