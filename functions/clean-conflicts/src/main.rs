//! The Lambda function `clean-conflicts`.

use clean_conflicts::{CleanConflicts, Config};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::lambda::telemetry::init("clean-conflicts");
    let config = shared::lambda::config::start(Config::from_variables)?;
    let sdk = shared::aws::sdk::load().await?;
    let function = &CleanConflicts::start(config, &sdk).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let work = Box::pin(function.handle(event.payload, event.context.deadline));
        shared::lambda::http::caught(work).await?
    }))
    .await
}
