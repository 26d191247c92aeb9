//! The Lambda function `clean-conflicts`.

use clean_conflicts::{CleanConflicts, Config};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::lambda::http::catch_panic;
use shared::lambda::invoke::OperatorError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::lambda::telemetry::init("clean-conflicts");
    let config = shared::lambda::config::start(Config::from_variables)?;
    let sdk = shared::aws::sdk::load().await?;
    let function = &CleanConflicts::start(config, &sdk).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let (payload, context) = event.into_parts();
        let work = function.handle(payload, &context.request_id, context.deadline);
        let response = catch_panic(Box::pin(work)).await;
        let response =
            response.unwrap_or_else(|panicked| Err(OperatorError::Internal(panicked.to_string())));
        response.inspect_err(|error| {
            tracing::warn!(
                requestId = context.request_id,
                error = error.kind(),
                "refused"
            );
        })
    }))
    .await
}
