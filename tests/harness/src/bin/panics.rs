//! A function for the tests: it has the telemetry and the gateway of the others, and panics with
//! the caller's token in its words.

use shared::identity::caller::bearer_token;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::lambda::telemetry::init("panics");
    shared::lambda::http::run(async |request| {
        panic!("the token was {:?}", bearer_token(&request.headers))
    })
    .await
}
