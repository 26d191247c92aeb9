//! The Lambda function `exchange-identity`.

use exchange_identity::{Config, ExchangeIdentity};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::lambda::telemetry::init("exchange-identity");
    let config = shared::lambda::config::start(Config::from_variables)?;
    let base_path = config.base_path.clone();
    let function = ExchangeIdentity::start(config).await?;
    shared::lambda::http::run(
        &base_path,
        async |deadline| function.check(deadline).await,
        async |request| function.handle(request).await,
    )
    .await
}
