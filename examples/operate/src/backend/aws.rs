//! The functions of a stack in AWS.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::ProvideCredentials;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use super::{InvokeError, causes, refused};

/// Maximum wait for a response; the functions run for at most five minutes.
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(330);

/// A stack's functions.
pub struct Aws {
    client: Client,
    stack: String,
    /// Each function's name in AWS, by its name here.
    names: BTreeMap<String, String>,
}

impl Aws {
    /// Finds the functions of a stack by their log groups, which carry both names.
    pub async fn find(stack: &str) -> Result<Self, InvokeError> {
        let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let unreachable = |why| InvokeError::Unreachable {
            function: "the stack",
            why,
        };
        look_for_login(&config).await?;
        let lister = Client::new(&config);
        let mut names = BTreeMap::new();
        let mut pages = lister.list_functions().into_paginator().items().send();
        let folder = format!("/aws/lambda/{stack}/");
        while let Some(function) = pages.next().await {
            let function = function.map_err(|error| unreachable(causes(&error)))?;
            let group = function.logging_config().and_then(|it| it.log_group());
            let name = group.and_then(|group| group.strip_prefix(&folder));
            if let (Some(name), Some(function)) = (name, function.function_name()) {
                names.insert(name.to_owned(), function.to_owned());
            }
        }
        // Never retry a request: the first one may still be running.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(MAX_RESPONSE_TIME)
            .operation_timeout(MAX_RESPONSE_TIME)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(&config)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            stack: stack.to_owned(),
            names,
        })
    }

    /// Whether the stack has a function.
    pub fn has(&self, function: &str) -> bool {
        self.names.contains_key(function)
    }

    /// Invokes a function.
    pub async fn invoke(
        &self,
        function: &'static str,
        event: &Value,
    ) -> Result<Value, InvokeError> {
        let name = self
            .names
            .get(function)
            .ok_or_else(|| InvokeError::NotDeployed {
                stack: self.stack.clone(),
                function,
            })?;
        let unreachable = |why| InvokeError::Unreachable { function, why };
        let invoke = self.client.invoke().function_name(name);
        let sent = invoke.payload(Blob::new(event.to_string())).send().await;
        let response = sent.map_err(|error| unreachable(causes(&error)))?;
        let payload = response.payload().map(AsRef::as_ref).unwrap_or_default();
        let payload = serde_json::from_slice(payload)
            .map_err(|_| unreachable("its response is not JSON".to_owned()))?;
        match response.function_error() {
            Some(_) => Err(refused(&payload)),
            None => Ok(payload),
        }
    }
}

/// Reports in one line that the region or the login is missing, which most people forget. The SDK's
/// own error for it is a page long.
async fn look_for_login(config: &SdkConfig) -> Result<(), InvokeError> {
    if config.region().is_none() {
        return Err(InvokeError::NoRegion);
    }
    if let Some(provider) = config.credentials_provider() {
        let credentials = provider.provide_credentials().await;
        credentials.map_err(|_| InvokeError::NotLoggedIn)?;
    }
    Ok(())
}
