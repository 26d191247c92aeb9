//! The Lambda function `erase-person`.

use erase_person::{Config, ErasePerson};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    shared::lambda::telemetry::init("erase-person");
    let config = shared::lambda::config::start(Config::from_variables)?;
    let sdk = shared::aws::sdk::load().await?;
    let function = &ErasePerson::start(config, &sdk);
    // Boxed, because the SDK's futures are large.
    Box::pin(lambda_runtime::run(service_fn(
        async |event: LambdaEvent<_>| function.invoke(event).await,
    )))
    .await
}
