//! Secrets from Secrets Manager: fetched in init, cached, and never served for longer than allowed.

use std::time::Duration;

pub use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use serde_json::{Map, Value};

use crate::aws::cache::{Cache, FetchError, Held, Policy};
use crate::aws::sdk::{self, Failure, SdkConfig};
use crate::lambda::check::Check;
use crate::lambda::config::{ConfigError, Variables};
use crate::lambda::deadline::Deadline;
use crate::lambda::metrics::{self, Metric};

/// The additional time for which a cached secret is used while Secrets Manager fails.
const STALE_FOR: Duration = Duration::from_hours(1);
/// Maximum time of a fetch, retries included. A healthy Secrets Manager responds in milliseconds.
const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// Minimum delay after a failed fetch. Anyone can send a request that needs the secret; this keeps
/// them from making us call Secrets Manager at will.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Time reserved at the end of a request for responding that there is no secret.
const RESPONSE_MARGIN: Duration = Duration::from_millis(100);

/// A secret's typed form.
pub trait Secret: Sized {
    /// Reads the secret's JSON object.
    fn from_json(object: &Map<String, Value>) -> Result<Self, WrongShape>;

    /// Looks for a mistake, in a secret of the right form, that only the upstream would notice.
    /// `Ok` is a remark for the operator who checks the secret, `Err` is the mistake and what to do
    /// about it. Neither may contain a value of the secret.
    fn inspect(object: &Map<String, Value>) -> Result<&'static str, &'static str>;
}

/// A secret with an unexpected form. Names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret's field {field:?} must be {expected}")]
pub struct WrongShape {
    /// The field's name.
    pub field: String,
    /// The form that it must have.
    pub expected: &'static str,
}

/// The reason why a secret is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not respond, or failed.
    #[error("Secrets Manager is not available ({0})")]
    Unavailable(String),
    /// Secrets Manager refused the secret, or has no such secret.
    #[error("Secrets Manager refused the secret ({0})")]
    Refused(String),
    /// The secret has an unexpected form.
    #[error(transparent)]
    WrongShape(#[from] WrongShape),
}

/// A non-empty string field of a secret. White space around it is kept.
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

/// A Secrets Manager client.
pub fn client(sdk: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(FETCH_LIMIT)
        .build();
    Client::from_conf(
        aws_sdk_secretsmanager::config::Builder::from(sdk)
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
        Self::with_policy(
            client,
            id,
            Policy {
                ttl,
                stale_for: STALE_FOR,
                retry_stale: RETRY_AFTER.min(ttl),
                retry_empty: RETRY_AFTER,
                again_floor: Duration::ZERO,
            },
        )
    }

    fn with_policy(client: Client, id: String, policy: Policy) -> Self {
        Self {
            client,
            id,
            cache: Cache::new(policy),
        }
    }

    /// The first fetch, during init. If it fails, the function still starts.
    pub async fn warm_up(&self) {
        // `fetch` has logged the failure.
        let _ = self.get(Deadline::after(FETCH_LIMIT)).await;
    }

    /// The secret: from the cache if it is fresh.
    pub async fn get(&self, deadline: Deadline) -> Result<Held<T>, SecretError> {
        self.cache.get(async || self.fetch(deadline).await).await
    }

    /// The secret, fetched again because an upstream refused `used`.
    pub async fn get_again(
        &self,
        used: &Held<T>,
        deadline: Deadline,
    ) -> Result<Held<T>, SecretError> {
        self.cache
            .fetch_again(used, async || self.fetch(deadline).await)
            .await
    }

    /// Checks the secret that Secrets Manager has now, whatever is cached.
    pub async fn check(&self, name: &'static str, deadline: Deadline) -> Check {
        let request = self.client.get_secret_value().secret_id(&self.id).send();
        let read = tokio::time::timeout(deadline.capped(FETCH_LIMIT).remaining(), request).await;
        let secret = match read {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let why = sdk::failure(&error).why;
                return Check::failed(
                    name,
                    format!(
                        "Secrets Manager does not give the secret ({why}): compare its ARN, its policy and its KMS key with the stack's"
                    ),
                );
            }
            Err(_elapsed) => return Check::failed(name, "Secrets Manager did not respond in time"),
        };
        match parse::<T>(secret.secret_string()) {
            Err(shape) => Check::failed(name, shape.to_string()),
            Ok((_, Err(mistake))) => Check::failed(name, mistake),
            Ok((_, Ok(remark))) => Check::passed(name, remark),
        }
    }

    async fn fetch(&self, deadline: Deadline) -> Result<T, FetchError<SecretError>> {
        let request = self.client.get_secret_value().secret_id(&self.id).send();
        let fetched = match tokio::time::timeout(
            deadline.minus(RESPONSE_MARGIN).remaining(),
            request,
        )
        .await
        {
            // A malformed secret also evicts the cached one, because a key that was removed
            // from the secret must not be used any longer.
            Ok(Ok(response)) => {
                parse(response.secret_string()).map_err(|shape| FetchError::Refused(shape.into()))
            }
            Ok(Err(error)) => Err(fetch_error(sdk::failure(&error))),
            Err(_elapsed) => Err(FetchError::Unavailable(SecretError::Unavailable(
                "timeout".to_owned(),
            ))),
        };
        match fetched {
            Ok((secret, inspected)) => {
                if let Err(mistake) = inspected {
                    tracing::warn!(mistake, "a secret looks wrong");
                    metrics::emit(&[Metric::once("SecretLooksWrong")], &[]);
                }
                Ok(secret)
            }
            Err(failure) => {
                let (FetchError::Unavailable(error) | FetchError::Refused(error)) = &failure;
                tracing::warn!(%error, "a secret could not be fetched");
                metrics::emit(&[Metric::once("SecretFetchFailed")], &[]);
                Err(failure)
            }
        }
    }
}

fn fetch_error(failure: Failure) -> FetchError<SecretError> {
    if failure.is_refusal {
        FetchError::Refused(SecretError::Refused(failure.why))
    } else {
        FetchError::Unavailable(SecretError::Unavailable(failure.why))
    }
}

/// The first field, or name of a field, that begins or ends with white space. It is probably copied
/// from a web page together with the secret, and with it no signature and no login works.
fn field_with_white_space(value: &Value, path: &str) -> Option<String> {
    let has_space = |text: &str| text.trim() != text;
    let inner = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::String(text) => has_space(text).then(|| path.to_owned()),
        Value::Array(items) => items
            .iter()
            .find_map(|item| field_with_white_space(item, path)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if has_space(name) {
                return Some(format!(
                    "a name in {}",
                    if path.is_empty() { "the secret" } else { path }
                ));
            }
            field_with_white_space(value, &inner(name))
        }),
        _ => None,
    }
}

/// A secret, and the result of [`Secret::inspect`]: a remark, or a mistake.
type Parsed<T> = (T, Result<String, String>);

fn parse<T: Secret>(secret: Option<&str>) -> Result<Parsed<T>, WrongShape> {
    // serde's own errors quote the value.
    let Some(Ok(Value::Object(object))) = secret.map(serde_json::from_str) else {
        return Err(WrongShape {
            field: "SecretString".to_owned(),
            expected: "a JSON object",
        });
    };
    let secret = T::from_json(&object)?;
    let inspected = T::inspect(&object)
        .map(str::to_owned)
        .map_err(str::to_owned);
    let inspected = match field_with_white_space(&Value::Object(object), "") {
        Some(field) => Err(format!(
            "{field} has white space around it: store the secret again without it"
        )),
        None => inspected,
    };
    Ok((secret, inspected))
}

#[cfg(test)]
mod tests;
