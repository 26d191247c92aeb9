//! The Lambda function `exchange-identity`.

use exchange_identity::{Config, ExchangeIdentity};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init("exchange-identity");
    let config = shared::config::start(Config::from_variables)?;
    let function = ExchangeIdentity::start(config).await?;
    shared::gateway::run(async |request| function.handle(request).await).await
}
