//! The Lambda function `sign-token`.

use sign_token::{Config, SignToken};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init("sign-token");
    let config = shared::config::start(Config::from_variables)?;
    let function = SignToken::start(config, shared::secrets::client().await).await;
    shared::gateway::run(async |request| function.handle(request).await).await
}
