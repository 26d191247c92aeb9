//! The Lambda function `clean-conflicts`.

use clean_conflicts::{CleanConflicts, Config};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::lambda::telemetry::init("clean-conflicts");
    let config = shared::lambda::config::start(Config::from_variables)?;
    let sdk = shared::aws::sdk::load().await?;
    let function = &CleanConflicts::start(config, &sdk).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let work = Box::pin(function.handle(event.payload, event.context.deadline));
        let report = shared::lambda::http::catch_panic(work).await;
        report
            .unwrap_or_else(|panicked| Err(panicked.into()))
            .map_err(Diagnostic::from)
    }))
    .await
}
