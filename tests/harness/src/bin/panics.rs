//! A function for the tests: it uses the telemetry and the HTTP layer of the real functions, and
//! panics with the caller's token in its message.

use shared::identity::caller::bearer_token;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::lambda::telemetry::init("panics");
    shared::lambda::http::run(async |request| {
        panic!("the token was {:?}", bearer_token(&request.headers))
    })
    .await
}
