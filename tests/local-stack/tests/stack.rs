//! The local stack as a whole: it starts, plays its story, and leaves nothing behind. The two tests
//! run at the same time, so they also show that two stacks can run side by side.

use std::process::Stdio;

use local_stack::stack::{Options, Stack};
use local_stack::tour;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// The processes that a stack of this process started, and their children.
fn started_by(process: u32) -> Vec<String> {
    let mark = format!("CHAT_IDENTITY_STACK={process}-");
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let environments = entries.filter_map(|entry| {
        let read = |file| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        environment
            .split('\0')
            .any(|variable| variable.starts_with(&mark))
            .then_some(command)
    });
    environments.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_passes_and_nothing_is_left_of_it() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let first_screen = stack.backends.calls.since(0);
    let calls = first_screen["calls"].as_array().unwrap().iter();
    let refused: Vec<_> = calls
        .filter(|call| call["status"].as_u64() >= Some(400))
        .collect();
    assert_eq!(
        refused,
        [] as [&serde_json::Value; 0],
        "on the first screen"
    );
    if cfg!(target_os = "linux") {
        let started = started_by(std::process::id()).join("\n");
        assert!(started.contains("cargo-lambda"), "{started}");
        assert!(started.contains("sign-token"), "{started}");
    }
    let mut printed = Vec::new();
    let passed = tour::play(&stack, &mut printed).await.unwrap();
    let printed = String::from_utf8(printed).unwrap();
    assert!(passed, "{printed}\n{}", stack.log());

    let url = stack.url();
    drop(stack);
    assert_eq!(started_by(std::process::id()), [""; 0]);
    assert!(reqwest::get(url).await.is_err(), "still there");
}

#[tokio::test]
async fn ctrl_c_leaves_no_process_behind() {
    let mut local = Command::new(env!("CARGO_BIN_EXE_local"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let process = local.id().unwrap();
    let mut lines = BufReader::new(local.stdout.take().unwrap()).lines();
    let (mut curl, mut invoke) = (None, None);
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with("curl ") {
            curl = Some(line);
        } else if line.contains("lambda invoke ") {
            invoke = Some(line);
        } else if line.starts_with("Ctrl-C") {
            break;
        }
    }
    let curl = curl.expect("a line with a command to try");
    let (url, token) = (curl.split(' ').nth(4).unwrap(), curl.split('\'').nth(1));
    let token = token.unwrap().strip_prefix("authorization: Bearer ");
    let request = reqwest::Client::new().post(url).bearer_auth(token.unwrap());
    assert_eq!(request.send().await.unwrap().status(), 200, "{curl}");

    let invoke = invoke.expect("a line with a command for clean-conflicts");
    let invoked = Command::new("sh").args(["-c", &invoke]).output();
    let invoked = invoked.await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(&invoked.stdout)
        .unwrap_or_else(|error| panic!("{invoke}: {error}: {invoked:?}"));
    assert!(report["examined"].is_number(), "{report}");

    let pid = Pid::from_raw(process.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(local.wait().await.unwrap().code(), Some(130));
    assert_eq!(started_by(process), [""; 0]);
}
