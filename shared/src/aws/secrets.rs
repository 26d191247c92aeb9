//! Secrets from Secrets Manager: fetched in init, cached, and never served for longer than allowed.

use std::time::Duration;

pub use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use serde_json::{Map, Value};

use crate::aws::cache::{Cache, FetchError, Held, Policy};
use crate::lambda::config::{ConfigError, Variables};
use crate::lambda::deadline::Deadline;
use crate::lambda::metrics::{self, Metric};
use crate::lambda::problem::{Code, Problem};

/// How much longer a secret serves while Secrets Manager fails.
const STALE_FOR: Duration = Duration::from_hours(1);
/// How long a fetch may take, retries included. A Secrets Manager that is well answers in
/// milliseconds.
const FETCH_LIMIT: Duration = Duration::from_secs(3);

/// What is kept back of a request's time, to answer that there is no secret.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

/// A secret's typed form.
pub trait Secret: Sized {
    /// Reads the secret's JSON object.
    fn from_json(object: &Map<String, Value>) -> Result<Self, WrongShape>;
}

/// A secret that does not hold what it should. Names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret's field {field:?} must be {expected}")]
pub struct WrongShape {
    /// The field's name.
    pub field: String,
    /// What it must be.
    pub expected: &'static str,
}

/// Why there is no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not answer, or could not.
    #[error("Secrets Manager is not available ({0})")]
    Unavailable(String),
    /// Secrets Manager refused it, or has no such secret.
    #[error("Secrets Manager refused the secret ({0})")]
    Refused(String),
    /// It is not what it should be.
    #[error(transparent)]
    WrongShape(#[from] WrongShape),
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        Self::new(
            Code::KeysUnavailable,
            "the keys cannot be read at the moment; try again",
        )
        .because(error)
    }
}

/// A string field of a secret that is not empty.
pub fn string_field<'a>(
    object: &'a Map<String, Value>,
    field: &str,
) -> Result<&'a str, WrongShape> {
    object
        .get(field)
        .and_then(Value::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| WrongShape {
            field: field.to_owned(),
            expected: "a string that is not empty",
        })
}

/// A Secrets Manager client from the SDK's standard variables.
pub async fn client() -> Client {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(FETCH_LIMIT)
        .build();
    Client::from_conf(
        aws_sdk_secretsmanager::config::Builder::from(&config)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .build(),
    )
}

/// The TTL of secrets, from `SECRET_TTL_SECONDS`.
pub fn ttl(variables: &Variables) -> Result<Duration, ConfigError> {
    variables
        .number_or(
            "SECRET_TTL_SECONDS",
            300,
            1..=86_400,
            "a whole number of seconds from 1 to 86400",
        )
        .map(Duration::from_secs)
}

/// One secret, cached.
pub struct CachedSecret<T> {
    client: Client,
    id: String,
    cache: Cache<T, SecretError>,
}

impl<T: Secret> CachedSecret<T> {
    /// The secret with the name or ARN `id`. Nothing is fetched yet.
    pub fn new(client: Client, id: String, ttl: Duration) -> Self {
        Self {
            client,
            id,
            cache: Cache::new(Policy {
                ttl,
                stale_for: STALE_FOR,
                retry_stale: Duration::from_secs(5).min(ttl),
                retry_empty: Duration::ZERO,
                again_floor: Duration::ZERO,
            }),
        }
    }

    /// The first fetch, for init. Where it fails the function starts all the same.
    pub async fn warm_up(&self) {
        // The failure is told by whoever fetched.
        let _ = self.get(Deadline::after(FETCH_LIMIT)).await;
    }

    /// The secret, from the cache where it is fresh.
    pub async fn get(&self, deadline: Deadline) -> Result<Held<T>, SecretError> {
        self.cache.get(async || self.fetch(deadline).await).await
    }

    /// The secret fetched once more, because an upstream refused `used`.
    pub async fn get_again(
        &self,
        used: &Held<T>,
        deadline: Deadline,
    ) -> Result<Held<T>, SecretError> {
        self.cache
            .fetch_again(used, async || self.fetch(deadline).await)
            .await
    }

    async fn fetch(&self, deadline: Deadline) -> Result<T, FetchError<SecretError>> {
        let request = self.client.get_secret_value().secret_id(&self.id).send();
        let fetched =
            match tokio::time::timeout(deadline.less(ANSWER_MARGIN).remaining(), request).await {
                // A key that was taken out of the secret must not sign on, whatever is left there.
                Ok(Ok(answer)) => {
                    parse(answer.secret_string()).map_err(|shape| FetchError::Refused(shape.into()))
                }
                Ok(Err(error)) => Err(classify(&error)),
                Err(_elapsed) => Err(FetchError::Unavailable(SecretError::Unavailable(
                    "timeout".to_owned(),
                ))),
            };
        if let Err(FetchError::Unavailable(error) | FetchError::Refused(error)) = &fetched {
            tracing::warn!(%error, "a secret could not be fetched");
            metrics::emit(&[Metric::once("SecretFetchFailed")], &[]);
        }
        fetched
    }
}

fn parse<T: Secret>(secret: Option<&str>) -> Result<T, WrongShape> {
    // serde's own errors quote what they found.
    match secret.map(serde_json::from_str) {
        Some(Ok(Value::Object(object))) => T::from_json(&object),
        _ => Err(WrongShape {
            field: "SecretString".to_owned(),
            expected: "a JSON object",
        }),
    }
}

/// Refused for good, or unavailable for now? The SDK's own words are not passed on: they may
/// quote the request.
fn classify(error: &SdkError<GetSecretValueError>) -> FetchError<SecretError> {
    match error {
        SdkError::ServiceError(refusal) => {
            let code = refusal.err().code().unwrap_or("no code").to_owned();
            let status = refusal.raw().status().as_u16();
            let passing = status >= 500
                || status == 429
                || code.contains("Throttl")
                || code.contains("TooManyRequests")
                || code.contains("RequestLimit")
                || code == "InternalServiceError";
            if passing {
                FetchError::Unavailable(SecretError::Unavailable(code))
            } else {
                FetchError::Refused(SecretError::Refused(code))
            }
        }
        SdkError::TimeoutError(_) => unavailable("timeout"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => unavailable("timeout"),
        SdkError::DispatchFailure(_) => unavailable("connection failed"),
        SdkError::ResponseError(_) => unavailable("unreadable answer"),
        _ => unavailable("the request could not be made"),
    }
}

fn unavailable(why: &str) -> FetchError<SecretError> {
    FetchError::Unavailable(SecretError::Unavailable(why.to_owned()))
}

#[cfg(test)]
mod tests;
