//! The common parts of all AWS clients in a function: one configuration, one HTTP client, and one
//! way to read an error.

use aws_config::BehaviorVersion;
pub use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::http_client::{self as http, Client};
use crate::http::client::TransportError;

/// The SDK's configuration from its standard variables and files, with our HTTP client.
///
/// # Errors
/// [`TransportError::Client`] if the system has no root certificates.
pub async fn load() -> Result<SdkConfig, TransportError> {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    Ok(loader.http_client(http_client()?).load().await)
}

/// The HTTP client that [`load`] gives to the SDK.
///
/// # Errors
/// [`TransportError::Client`] if the system has no root certificates.
pub fn http_client() -> Result<SharedHttpClient, TransportError> {
    Client::new().map(SharedHttpClient::new)
}

/// Whether the URLs of S3 have the bucket in their path: at an endpoint other than AWS's own, a bucket
/// is not a host name.
pub fn has_bucket_in_path(sdk: &SdkConfig) -> bool {
    sdk.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some()
}

/// Does everything that `call`, a call of an SDK client, needs before its first byte is sent, and
/// nothing more: credentials, endpoint, signature, connection. For init, so that the first request
/// does not pay for it.
pub async fn rehearse(call: impl Future) {
    http::rehearse(call).await;
}

/// The reason why a call to AWS failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// AWS's error code, or a few words if the call failed without one. The SDK's own message is
    /// left out, because it may quote the request.
    pub why: String,
    /// Whether AWS refused the request for good. Any other failure may be temporary.
    pub is_refusal: bool,
}

/// Reads an error of any SDK client.
pub fn failure<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Failure {
    let passing = |why: &str| Failure {
        why: why.to_owned(),
        is_refusal: false,
    };
    match error {
        SdkError::ServiceError(response) => {
            let code = response.err().code().unwrap_or("no code").to_owned();
            let status = response.raw().status().as_u16();
            let is_passing = status >= 500
                || status == 429
                || code.contains("Throttl")
                || code.contains("TooManyRequests")
                || code.contains("RequestLimit")
                || code == "InternalServiceError";
            Failure {
                why: code,
                is_refusal: !is_passing,
            }
        }
        SdkError::TimeoutError(_) => passing("timeout"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => passing("timeout"),
        SdkError::DispatchFailure(_) => passing("connection failed"),
        SdkError::ResponseError(_) => passing("unreadable response"),
        _ => passing("the request could not be made"),
    }
}

#[cfg(test)]
#[cfg(feature = "conflicts")]
mod tests;
