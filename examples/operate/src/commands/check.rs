//! `operate check`.

use serde_json::{Map, Value, json};

use super::{CommandError, Outcome, Session, items};
use crate::backend::InvokeError;
use crate::output::{self, field};

/// All functions, in the order in which a user meets them.
const FUNCTIONS: [&str; 6] = [
    "sign-token",
    "report-conflict",
    "clean-conflicts",
    "receive-webhook",
    "exchange-identity",
    "erase-person",
];

/// Makes every deployed function check itself.
pub async fn check(session: &Session) -> Result<Outcome, CommandError> {
    let mut responses = Map::new();
    for function in FUNCTIONS {
        if session.functions.has(function) {
            let response = session
                .functions
                .invoke(function, &json!({"action": "check"}))
                .await;
            responses.insert(
                function.to_owned(),
                response.unwrap_or_else(|error| failed(&error)),
            );
        }
    }
    if responses.is_empty() {
        return Err(CommandError::Flag(
            "no function of this stack is in this account and region; see --stack".to_owned(),
        ));
    }
    let is_fine = responses
        .values()
        .all(|response| response.get("ok") == Some(&Value::Bool(true)));
    session.show(&Value::Object(responses), shown);
    Ok(if is_fine {
        Outcome::Fine
    } else {
        Outcome::NotFine
    })
}

/// The result of a function that does not even start, in the same form.
fn failed(error: &InvokeError) -> Value {
    let detail = error.to_string();
    json!({"ok": false, "checks": [{"name": "configuration", "ok": false, "detail": detail}]})
}

fn shown(responses: &Value) {
    let mut table = output::table(["function", "check", "", "detail"]);
    let (mut all, mut wrong, mut unknown) = (0_u64, 0_u64, 0_u64);
    for function in FUNCTIONS {
        let Some(response) = responses.get(function) else {
            continue;
        };
        for (number, check) in items(response, "checks").enumerate() {
            let (mark, count) = match check.get("ok").and_then(Value::as_bool) {
                Some(true) => ("ok", None),
                Some(false) => ("WRONG", Some(&mut wrong)),
                None => ("?", Some(&mut unknown)),
            };
            all += 1;
            if let Some(count) = count {
                *count += 1;
            }
            let name = if number == 0 { function } else { "" };
            let (check, detail) = (field(check, "name"), field(check, "detail"));
            table.add_row([name, &check, mark, &detail]);
        }
    }
    output::show(&table);
    match (wrong, unknown) {
        (0, 0) => output::sentence(format_args!("All {all} checks are ok.")),
        (wrong, 0) => output::sentence(format_args!("{wrong} of {all} checks are WRONG.")),
        (wrong, unknown) => output::sentence(format_args!(
            "{wrong} of {all} checks are WRONG; {unknown} could not be made (?)."
        )),
    }
}
