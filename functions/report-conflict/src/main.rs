//! The Lambda function `report-conflict`.

use report_conflict::{Config, ReportConflict};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::lambda::telemetry::init("report-conflict");
    let config = shared::lambda::config::start(Config::from_variables)?;
    let base_path = config.base_path.clone();
    let sdk = shared::aws::sdk::load().await?;
    let function = ReportConflict::start(config, &sdk).await;
    shared::lambda::http::run(
        &base_path,
        async |deadline| function.check(deadline).await,
        async |request| function.handle(request).await,
    )
    .await
}
