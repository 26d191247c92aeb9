//! Our HTTP client as the AWS SDK's, so that a process has one TLS configuration and parses the
//! roots of trust once.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient as SdkHttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::http::client::{HttpClient, TransportError};

/// Maximum time to open a connection, TLS included. It is short, because endpoints of AWS are close
/// and the SDK retries.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// Set during a rehearsal: a call that only prepares everything for the calls that follow.
    static IS_REHEARSAL: ();
}

/// Runs `call`, a call of the SDK, up to where its request would be sent: it is signed, and the
/// connection is open, but nothing is written. So `call` always fails.
pub(super) async fn rehearse<F: Future>(call: F) {
    IS_REHEARSAL.scope((), call).await;
}

/// The HTTP client for all clients of the SDK. It uses the proxies that `HTTPS_PROXY`,
/// `HTTP_PROXY` and `NO_PROXY` name.
#[derive(Debug, Clone)]
pub(super) struct Client(SharedHttpConnector);

impl Client {
    pub(super) fn new() -> Result<Self, TransportError> {
        let http = HttpClient::build(|client| client.connect_timeout(CONNECT_TIMEOUT))?;
        Ok(Self(SharedHttpConnector::new(Connector(http))))
    }
}

impl SdkHttpClient for Client {
    /// Ignores the settings. They contain the SDK's own connect timeout, which is longer than ours,
    /// and none of our clients sets a read timeout: attempts, operations or the invocation have
    /// limits instead.
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.clone()
    }
}

#[derive(Debug)]
struct Connector(HttpClient);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap))
                .map_err(|error| ConnectorError::user(error.into()))?;
            if IS_REHEARSAL.try_with(|()| ()).is_ok() {
                client.connect_ahead(request.url().clone()).await;
                return Err(ConnectorError::user("a rehearsal sends nothing".into()));
            }
            let response = client.execute(request).await.map_err(connector_error)?;
            HttpResponse::try_from(http::Response::from(response).map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Tells the SDK the kind of the error: it retries timeouts and errors on the connection.
fn connector_error(error: reqwest::Error) -> ConnectorError {
    // The URL of a request to S3 contains the object's key.
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}
