//! The Lambda function `receive-webhook`.

use receive_webhook::{Config, ReceiveWebhook};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::lambda::telemetry::init("receive-webhook");
    let config = shared::lambda::config::start(Config::from_variables)?;
    let base_path = config.base_path.clone();
    let sdk = shared::aws::sdk::load().await?;
    let function = ReceiveWebhook::start(config, &sdk).await;
    // Boxed, because the SDK's futures are large.
    Box::pin(shared::lambda::http::run(
        &base_path,
        async |deadline| function.check(deadline).await,
        async |request| function.handle(request).await,
    ))
    .await
}
