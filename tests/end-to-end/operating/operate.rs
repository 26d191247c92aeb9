//! `operate` as a person uses it, against the local stack.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use local_stack::stack::{Options, Stack, TABLE};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::cleanup::{EMAIL, old_user};
use crate::terminal::{self, COLUMNS};

/// A local stack, and someone who operates it.
struct Operator {
    stack: Stack,
    program: PathBuf,
}

impl Operator {
    async fn start(remedy: &str) -> Self {
        let options = Options {
            remedy: Some(remedy.to_owned()),
            ..Options::default()
        };
        let build = tokio::task::spawn_blocking(|| harness::lambda::build("operate"));
        Self {
            program: build.await.unwrap(),
            stack: Stack::start(options).await.unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("--local={}", self.stack.functions_url()))
            .args(arguments)
            .env("OPERATE_BY", "ada");
        command
    }

    /// The response as `--json` prints it.
    async fn json(&self, arguments: &[&str]) -> Value {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.arg("--json").output());
        let output = output.await.unwrap().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }

    /// The lines that a command writes to a terminal, none of which may be wider than it.
    async fn sees(&self, arguments: &[&str]) -> String {
        let command = self.command(arguments);
        let (_, lines) = tokio::task::spawn_blocking(|| terminal::run(command))
            .await
            .unwrap();
        let text = lines.join("\n");
        for line in &lines {
            let width = line.width();
            assert!(
                width <= usize::from(COLUMNS),
                "{arguments:?}: {width} columns: {line:?}\n{text}"
            );
        }
        text
    }

    /// Reports that `external_id` with the verified `email` was refused, as the page does.
    async fn reports(&self, external_id: &str, email: &str) {
        let claims = json!({"sub": external_id, "email": email, "email_verified": true});
        let token = self.stack.backends.issuer.id_token(claims);
        let url = format!("{}/zendesk/conflicts", self.stack.url());
        let request = reqwest::Client::new().post(url).bearer_auth(token);
        let response = request.json(&json!({})).send().await.unwrap();
        assert_eq!(response.status(), 202);
    }

    fn knows(&self, external_id: &str, email: &str) {
        self.stack
            .backends
            .sunshine
            .add_user(old_user(external_id, email));
    }
}

/// The advice for a person without a login, a region or a stack. All of it fits the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn missing_credentials_are_explained() {
    let build = tokio::task::spawn_blocking(|| harness::lambda::build("operate"));
    let program = build.await.unwrap();
    for (arguments, region, expected) in [
        (&["count"][..], "eu-west-1", "not logged in to AWS"),
        (&["count"], "", "no AWS region is set"),
        (
            &["--local=nonsense", "count"],
            "",
            "--local must be an address",
        ),
        (
            &["--local=http://127.0.0.1:1", "check"],
            "",
            "no local stack is running",
        ),
    ] {
        let mut command = Command::new(&program);
        command.args(arguments).env_clear();
        command.envs([
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]);
        if !region.is_empty() {
            command.env("AWS_REGION", region);
        }
        let run = tokio::task::spawn_blocking(|| terminal::run(command));
        let (status, lines) = run.await.unwrap();
        assert!(!status.success());
        let widest = lines.iter().map(|line| line.width()).max();
        assert!(widest <= Some(usize::from(COLUMNS)), "{lines:?}");
        let text = lines.join(" ");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

/// Every id of a response that an operator has to copy.
fn ids(response: &Value) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut rest = vec![response];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(values) => rest.extend(values),
            Value::Object(fields) => {
                for name in ["conflictId", "userId", "sentTo"] {
                    ids.extend(fields.get(name).and_then(Value::as_str).map(str::to_owned));
                }
                rest.extend(fields.values());
            }
            _ => {}
        }
    }
    ids
}

fn file(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("operate-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("changed users.csv");
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_fits_a_terminal_of_80_columns_and_every_id_is_whole() {
    let ada = Operator::start("release-email").await;
    let nothing = ada.sees(&["count"]).await;
    assert!(nothing.contains("There is no conflict."), "{nothing}");
    let nothing = ada.sees(&["list"]).await;
    assert!(
        nothing.contains("No conflict is needs_review."),
        "{nothing}"
    );

    // One conflict that is cleared, one that needs a person, and one in which every value has its
    // maximum length, in characters that take two columns.
    ada.knows("old", EMAIL);
    ada.reports("new", EMAIL).await;
    ada.knows("first", "two@example.com");
    ada.reports("second", "two@example.com").await;
    ada.reports("third", "two@example.com").await;
    let (long, wide) = (format!("{}@example.com", "l".repeat(52)), "新".repeat(80));
    ada.knows(&"o".repeat(255), &long);
    ada.reports(&wide, &long).await;
    let uuids = [
        "c56a4180-65aa-42ec-a945-5fd21dec0538",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    ];
    ada.knows(uuids[0], "uuid@example.com");
    let long_pair = format!("{},{}", "p".repeat(1024), "n".repeat(255));
    let pairs = format!(
        "{0},{1}\n{long_pair}\n{1},{0}\ngone,旧\n",
        uuids[0], uuids[1]
    );
    let file = file("terminal", &pairs);
    let taken = ada.sees(&["import", file.to_str().unwrap()]).await;
    assert!(taken.contains("4 new pairs"), "{taken}");
    assert!(
        taken.contains("\n  operate progress 'changed users' --watch"),
        "{taken}"
    );
    let report = ada.sees(&["drain"]).await;
    assert!(report.contains("1 for a person"), "{report}");

    for (arguments, at_least) in [
        (&["list"][..], 2),
        (&["list", "resolved"], 3),
        (&["show", EMAIL], 2),
        (&["show", "two@example.com"], 2),
        (&["show", &long], 2),
        (&["progress", "changed users", "--state", "resolved"], 1),
        (&["resolve", "first", "second", "--dry-run"], 1),
    ] {
        let ids = ids(&ada.json(arguments).await);
        assert!(ids.len() >= at_least, "{arguments:?}: {ids:?}");
        let text = ada.sees(arguments).await;
        for id in ids {
            assert!(
                text.contains(&id),
                "{arguments:?}: {id} is not whole:\n{text}"
            );
        }
    }
    let progress = ada.sees(&["progress", "changed users", "--watch"]).await;
    assert!(progress.contains("not_a_conflict"), "{progress}");
    for id in uuids {
        assert!(progress.contains(id), "{id} is not whole:\n{progress}");
    }
    let count = ada.sees(&["count"]).await;
    assert!(count.contains("several_callers"), "{count}");
    let check = ada.sees(&["check"]).await;
    assert!(check.contains("checks are ok."), "{check}");
    let first = check.find("sign-token").unwrap();
    assert!(first < check.find("erase-person").unwrap(), "{check}");
    let erasure = ada.sees(&["erase", EMAIL]).await;
    assert!(erasure.contains("Nothing was changed."), "{erasure}");
    for wrong in [
        &["list", "nonsense"][..],
        &["progress", "unknown"],
        &["approve", "123", "1", "--remedy", "merge"],
        &["import", "/nowhere/changed.csv"],
        &["show"],
        &["import", "--help"],
        &["--help"],
    ] {
        ada.sees(wrong).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conflict_that_was_shown_is_undone_by_the_command_below_it() {
    let ada = Operator::start("release-email").await;
    ada.knows("old", EMAIL);
    ada.reports("new", EMAIL).await;
    ada.sees(&["drain"]).await;
    let shown = ada.sees(&["show", EMAIL]).await;
    let mut lines = shown.lines();
    let undo = lines.find_map(|line| line.strip_prefix("  operate undo "));
    let undo: Vec<_> = undo.expect("a command").split(' ').collect();
    let report = ada.sees(&[&["undo"], &undo[..]].concat()).await;
    assert!(report.contains("not_a_conflict"), "{report}");
    let again = ada.sees(&[&["undo"], &undo[..]].concat()).await;
    assert!(again.contains("Changed: "), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_needs_a_person_is_rechecked_approved_or_closed() {
    let ada = Operator::start("release-email").await;
    for number in [1, 2] {
        let email = format!("{}@example.com", "l".repeat(50 + number));
        ada.knows(&format!("old-{number}"), &email);
        ada.reports(&"n".repeat(254), &email).await;
        ada.reports(&"m".repeat(255), &email).await;
    }
    ada.sees(&["drain"]).await;
    let listed = async || {
        let listed = ada.json(&["list", "needs_review"]).await;
        let listed = listed["conflicts"].as_array().unwrap().iter();
        let version = |it: &Value| it["version"].to_string();
        let id = |it: &Value| it["conflictId"].as_str().unwrap().to_owned();
        listed.map(|it| (id(it), version(it))).collect::<Vec<_>>()
    };
    let before = listed().await;
    let state = ["recheck", "--state", "needs_review"];
    for arguments in [&["recheck", &before[0].0][..], &state] {
        let rechecked = ada.sees(arguments).await;
        assert!(rechecked.contains("several_callers"), "{rechecked}");
    }

    let [(first, version), (second, _)] = &listed().await[..] else {
        panic!("two conflicts");
    };
    let approve = ["approve", first, version, "--remedy", "release-email"];
    let approved = ada.sees(&approve).await;
    assert!(approved.contains("resolved"), "{approved}");
    assert!(approved.contains(first), "{approved}");
    let again = ada.sees(&approve).await;
    assert!(again.contains("Changed: "), "{again}");

    let (_, version) = &listed().await[0];
    let note = "她 has left the company. ".repeat(8);
    let closed = ada.sees(&["close", second, version, "--note", &note]).await;
    assert!(closed.contains("not_a_conflict"), "{closed}");
    let shown = ada.sees(&["show", second]).await;
    assert!(shown.contains("has left the company"), "{shown}");
    assert_eq!(listed().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_spreadsheet_is_imported_also_after_an_interruption() {
    const PAIRS: usize = 1200;
    let ada = Operator::start("plan").await;
    let mut lines = vec!["\u{feff}Old external id,New external id".to_owned()];
    lines.extend((0..PAIRS).map(|it| format!("\"old,{it}\",new{it}")));
    lines.insert(3, "no pair".to_owned());
    let file = file("import", &lines.join("\r\n"));
    let path = file.to_str().unwrap();

    let mut command = ada.command(&["import", path]);
    let mut interrupted = command.stdout(Stdio::null()).spawn().unwrap();
    let items = || ada.stack.backends.aws.items(TABLE).len();
    while items() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    interrupted.kill().unwrap();
    assert!(!interrupted.wait().unwrap().success());

    let again = ada
        .json(&["import", path, "--batch", "changed users"])
        .await;
    let count = |name: &str| again[name].as_u64().unwrap();
    assert!(count("known") > 0, "{again}");
    assert_eq!(count("taken") + count("known"), PAIRS as u64, "{again}");
    assert_eq!(count("refused"), 1, "{again}");
    let refused = std::fs::read_to_string(again["refusedLines"].as_str().unwrap()).unwrap();
    assert!(refused.contains("\n4,\"a line has two fields"), "{refused}");

    let left = file.with_file_name("left.csv");
    let arguments = ["progress", "changed users", "--csv", left.to_str().unwrap()];
    let progress = ada.json(&arguments).await;
    assert_eq!(progress["states"], json!({"pending": {"none": PAIRS}}));
    let left = std::fs::read_to_string(left).unwrap();
    assert_eq!(left.lines().count(), 1 + PAIRS);
    assert!(
        left.starts_with("previousExternalId,currentExternalId,state,reason,conflictId\n"),
        "{left}"
    );
    assert!(left.contains("\n\"old,0\",new0,pending,,\n"), "{left}");
}
