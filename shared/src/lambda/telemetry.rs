//! Logs: their destination, their level, and what never gets into them.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static FUNCTION: OnceLock<&'static str> = OnceLock::new();

/// The crates whose log targets are ours.
const OWN_TARGETS: [&str; 7] = [
    "shared",
    "sign_token",
    "report_conflict",
    "clean_conflicts",
    "exchange_identity",
    "receive_webhook",
    "erase_person",
];

/// The name that was passed to [`init`]; `None` in a test or a benchmark.
pub fn function() -> Option<&'static str> {
    FUNCTION.get().copied()
}

/// Sets up logging for `function`. Call it once, before anything else.
///
/// Level and format come from the variables that `lambda_runtime` documents:
/// `AWS_LAMBDA_LOG_LEVEL`, else `RUST_LOG`, else INFO; JSON if `AWS_LAMBDA_LOG_FORMAT` asks for it.
/// The level of other crates is capped at INFO, because below that the runtime prints raw events and
/// the HTTP stack prints headers, tokens included.
pub fn init(function: &'static str) {
    let _ = FUNCTION.set(function);
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .or_else(|_| std::env::var("RUST_LOG"))
        .ok();
    let json = std::env::var("AWS_LAMBDA_LOG_FORMAT")
        .is_ok_and(|format| format.eq_ignore_ascii_case("json"));

    let output = tracing_subscriber::fmt::layer().without_time();
    let output = if json {
        output.json().flatten_event(true).boxed()
    } else {
        output.with_ansi(false).boxed()
    };
    let cap =
        filter_fn(|metadata| is_own(metadata.target()) || *metadata.level() <= LevelFilter::INFO);
    // A second call fails because a subscriber is already set, which is fine.
    let _ = tracing_subscriber::registry()
        .with(levels(level.as_deref()))
        .with(cap)
        .with(output)
        .try_init();

    // A panic message may contain the data that was being processed, so only its place is logged.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "the function panicked");
    }));
}

fn levels(directives: Option<&str>) -> Targets {
    let info = Targets::new().with_default(LevelFilter::INFO);
    match directives.map(str::trim) {
        None | Some("") => info,
        // Lambda's name for a level above ERROR.
        Some("FATAL") => Targets::new().with_default(LevelFilter::ERROR),
        // A single word would be parsed as a target and silence all others.
        Some(word) if !word.contains(['=', ',']) => {
            word.parse().map_or(info, |level: LevelFilter| {
                Targets::new().with_default(level)
            })
        }
        Some(directives) => directives.parse().unwrap_or(info),
    }
}

fn is_own(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or_default();
    OWN_TARGETS.contains(&root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn own_targets_are_recognised_by_their_crate() {
        assert!(is_own("shared::secrets"));
        assert!(is_own("sign_token"));
        for other in [
            "hyper::proto",
            "lambda_runtime",
            "shared_else",
            "aws_smithy_runtime",
        ] {
            assert!(!is_own(other), "{other}");
        }
    }

    #[test]
    fn levels_are_read_as_documented() {
        let debug = levels(Some("DEBUG"));
        assert!(debug.would_enable("shared", &Level::DEBUG));
        let one = levels(Some("sign_token=trace"));
        assert!(one.would_enable("sign_token::claims", &Level::TRACE));
        for unknown in [None, Some(""), Some("verbose"), Some("a=b=c")] {
            assert!(levels(unknown).would_enable("shared", &Level::INFO));
            assert!(!levels(unknown).would_enable("shared", &Level::DEBUG));
        }
    }
}
