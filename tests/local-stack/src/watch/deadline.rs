//! A deadline for the functions under `cargo lambda watch`.
//!
//! cargo-lambda (1.9.2) tells every invocation that it had to end ten minutes after 1970 began:
//! the header is the constant 600000. A function that keeps to its deadline would give up every
//! outgoing call before it is made, so its Runtime API goes through us, and we say when it is.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use harness::serve::{Forward, Server, no_answer};

const HEADER: &str = "lambda-runtime-deadline-ms";

/// How long an invocation may take locally.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Forwards the Runtime API of cargo-lambda at `watch`, with a true deadline.
pub(super) async fn proxy(watch: SocketAddr) -> io::Result<Server> {
    let router = Router::new()
        .fallback(forward)
        .with_state(Forward::new(watch));
    Server::start(router, None).await
}

async fn forward(State(watch): State<Forward>, request: Request) -> Response {
    let mut answer = watch.send(request).await;
    if answer.status() == StatusCode::BAD_GATEWAY {
        // It is gone: a function without proxy would see the same.
        return no_answer();
    }
    if let Some(deadline) = answer.headers_mut().get_mut(HEADER) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = (now.unwrap_or_default() + TIMEOUT).as_millis();
        *deadline = HeaderValue::from_str(&millis.to_string()).expect("a number");
    }
    answer
}

/// The cargo configuration that makes `cargo run` start a function with `proxy` as its Runtime
/// API. cargo-lambda sets that variable after all of ours, so it is changed as late as this.
pub(super) fn cargo_config(watch: SocketAddr, proxy: SocketAddr) -> String {
    let variable = "AWS_LAMBDA_RUNTIME_API";
    let script = format!(r#"{variable}="http://{proxy}${{{variable}#http://{watch}}}" exec "$@""#);
    // TOML's literal strings: nothing in the script is escaped, and it has no single quote.
    format!("target.'cfg(all())'.runner=['sh', '-c', '{script}', 'function']")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_changes_the_address_and_keeps_the_path() {
        let [watch, proxy] = ["127.0.0.1:1", "127.0.0.1:2"].map(|a| a.parse().unwrap());
        let config = cargo_config(watch, proxy);
        let script = config.split('\'').nth(7).unwrap();
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                script,
                "function",
                "printenv",
                "AWS_LAMBDA_RUNTIME_API",
            ])
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                "http://127.0.0.1:1/.rt/sign-token",
            )
            .output()
            .unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        assert_eq!(seen, "http://127.0.0.1:2/.rt/sign-token\n");
    }
}
