//! A function for the tests: it has the telemetry and the gateway of the others, and panics with
//! the caller's token in its words.

use shared::caller::bearer_token;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init("panics");
    shared::gateway::run(async |request| {
        panic!("the token was {:?}", bearer_token(&request.headers))
    })
    .await
}
