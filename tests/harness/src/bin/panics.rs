//! A function for the tests: it uses the telemetry and the HTTP layer of the real functions, and
//! panics with the caller's token in its message.

use shared::lambda::check::Checks;
use shared::lambda::http::BasePath;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::lambda::telemetry::init("panics");
    let check = async |_| Checks::default();
    shared::lambda::http::run(&BasePath::default(), check, async |request| {
        panic!("the token was {:?}", request.headers.get("authorization"))
    })
    .await
}
