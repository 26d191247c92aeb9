//! The load program works with both targets. Its figures of a few seconds mean nothing.

use std::process::Command;

fn load(target: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_load"))
        .args([target, "--short"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    assert!(printed.starts_with("seed 1\n"), "{printed}");
    for function in [
        "sign-token",
        "report-conflict",
        "receive-webhook",
        "exchange-identity",
    ] {
        let rows = printed.lines().filter(|line| line.starts_with("| "));
        let rows = rows.filter(|row| row.contains(function));
        assert!(rows.count() >= 1, "{function}: {printed}");
    }
    assert!(printed.ends_with("0 wrong\n"), "{printed}");
}

#[test]
fn the_local_stack_handles_traffic_at_the_hourly_rate() {
    load("stack");
}

#[test]
fn single_functions_handle_the_first_rate_of_a_sweep() {
    load("functions");
}
