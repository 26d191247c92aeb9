//! The measuring itself: a function under the blocking Runtime API, and the reports of failures.

use benchmarks::bench::function::Function;
use benchmarks::bench::measure::{Amount, measure};
use benchmarks::bench::process::Program;
use benchmarks::bench::programs::Measured;
use benchmarks::bench::table;
use benchmarks::bench::work::Kind;
use benchmarks::bench::world::{Transport, World};
use harness::lambda;
use serde_json::{Value, json};

fn start(variables: &[(&str, &str)]) -> Result<Function, String> {
    let program = Program::binary("echo", lambda::build("echo"));
    let variables: Vec<(String, String)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Function::start(&program, &variables).map_err(|failure| failure.to_string())
}

#[test]
fn each_event_gets_a_response_and_the_times_are_in_order() {
    let mut function = start(&[]).unwrap();
    for n in 0..20 {
        let event = json!({"n": n, "long": "x".repeat(n * 1000)});
        let responded = function.invoke(&event.to_string()).unwrap();
        let response: Value = serde_json::from_slice(&responded.body).unwrap();
        assert_eq!(response["event"], event);
        assert!(
            response["request"]
                .as_str()
                .unwrap()
                .ends_with(&(n + 1).to_string())
        );
        assert!(responded.began < responded.responded && responded.responded < responded.ready);
        assert!(function.init() < function.cold_start(&responded));
    }
    assert!(function.peak_memory().unwrap() > 1 << 20);
}

#[test]
fn a_failure_ends_the_measurement_with_the_functions_message() {
    let mut function = start(&[]).unwrap();
    let failed = function.invoke(r#"{"do":"fail"}"#).unwrap_err();
    assert!(failed.to_string().contains("told to fail"), "{failed}");

    let mut function = start(&[]).unwrap();
    let ended = function.invoke(r#"{"do":"exit"}"#).unwrap_err().to_string();
    assert!(ended.starts_with("echo: it ended"), "{ended}");
    assert!(ended.contains("hello from"), "{ended}");

    let refused = start(&[("REFUSE_TO_START", "yes")]).unwrap_err();
    assert!(refused.starts_with("echo: it ended"), "{refused}");
    assert!(refused.contains("told not to start"), "{refused}");
}

#[test]
fn a_run_measures_each_function_and_writes_a_row_for_it() {
    let programs: Vec<Measured> = [
        ("sign-token", Kind::Sign),
        ("sign-token", Kind::SignBearer),
        ("report-conflict", Kind::ReportConflict),
        ("clean-conflicts", Kind::CleanConflicts),
        ("receive-webhook", Kind::ReceiveWebhook),
        ("exchange-identity", Kind::ExchangeIdentity),
    ]
    .into_iter()
    .map(|(name, kind)| Measured {
        program: Program::binary(name, lambda::build(name)),
        kind,
        transport: Transport::Tls,
        size: 1,
        zipped: 1,
    })
    .collect();
    let amount = Amount { cold: 1, warm: 3 };
    let figures = measure(&World::start().unwrap(), &programs, amount).unwrap();
    for figures in &figures {
        assert!(figures.init.median() < figures.cold.median());
        assert!(figures.warm.median() < figures.cold.median());
        assert!(!figures.processor_time.is_zero());
    }
    let first = table::first_requests(&programs, &figures);
    for name in ["report-conflict", "receive-webhook", "exchange-identity"] {
        assert!(first.contains(&format!("| `{name}` |")), "{first}");
    }
    let table = table::markdown(&programs, &figures);
    assert_eq!(table.lines().count(), 2 + programs.len(), "{table}");
}

#[test]
fn a_function_with_a_wrong_response_is_not_measured() {
    let programs = [Measured {
        program: Program::binary("echo", lambda::build("echo")),
        kind: Kind::Sign,
        transport: Transport::Plain,
        size: 1,
        zipped: 1,
    }];
    let amount = Amount { cold: 1, warm: 1 };
    let failure = measure(&World::start().unwrap(), &programs, amount).unwrap_err();
    assert!(failure.to_string().contains("not status 200"), "{failure}");
}
