//! A deadline for the functions under `cargo lambda watch`.
//!
//! cargo-lambda (1.9.2) sends every invocation a deadline of ten minutes after the start of 1970:
//! the header is the constant 600000. A function that keeps its deadline would give up every
//! outgoing call before making it. So the Runtime API goes through a proxy of ours, which sets the
//! deadline.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use harness::serve::{Forward, Server, no_response};

const HEADER: &str = "lambda-runtime-deadline-ms";

/// Maximum time of a local invocation.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Forwards the Runtime API of cargo-lambda at `watch`, with a correct deadline.
pub(super) async fn proxy(watch: SocketAddr) -> io::Result<Server> {
    let router = Router::new()
        .fallback(forward)
        .with_state(Forward::new(watch));
    Server::start(router, None).await
}

async fn forward(State(watch): State<Forward>, request: Request) -> Response {
    let mut response = watch.send(request).await;
    if response.status() == StatusCode::BAD_GATEWAY {
        // cargo-lambda has ended: without the proxy, the function would see the same.
        return no_response();
    }
    if let Some(deadline) = response.headers_mut().get_mut(HEADER) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = (now.unwrap_or_default() + TIMEOUT).as_millis();
        *deadline = HeaderValue::from_str(&millis.to_string()).expect("a number");
    }
    response
}

/// The cargo configuration that makes `cargo run` start a function with `proxy` as its Runtime API.
/// cargo-lambda sets that variable after all of ours, so we must change it this late.
pub(super) fn cargo_config(watch: SocketAddr, proxy: SocketAddr) -> String {
    let variable = "AWS_LAMBDA_RUNTIME_API";
    let script = format!(r#"{variable}="http://{proxy}${{{variable}#http://{watch}}}" exec "$@""#);
    // Uses TOML's literal strings: nothing in the script is escaped, and it has no single quote.
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
