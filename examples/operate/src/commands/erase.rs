//! `operate erase`: shows the data stored about a person, and deletes it.

use serde_json::{Value, json};

use super::conflicts::set;
use super::{CommandError, Outcome, Session, items, number};
use crate::cli::Erase;
use crate::output::{self, field, text};

pub async fn erase(session: &Session, erase: &Erase) -> Result<Outcome, CommandError> {
    let mut event = json!({"dryRun": !erase.delete});
    set(&mut event, "email", erase.email.clone().into());
    set(&mut event, "externalId", erase.external_id.clone().into());
    set(&mut event, "by", erase.by.clone().into());
    let response = session.functions.invoke("erase-person", &event).await?;
    session.show(&response, shown);
    Ok(Outcome::Fine)
}

fn shown(response: &Value) {
    stored(response);
    archived(response);
    match response.get("erased") {
        Some(erased) => output::sentence(format_args!(
            "Erased: {} items deleted, {} items of others edited, {} versions of objects deleted.",
            number(erased, "items"),
            number(erased, "edited"),
            number(erased, "versions"),
        )),
        None => output::sentence(
            "Nothing was changed. --json shows everything that is stored; --delete --by NAME \
             erases it.",
        ),
    }
    output::line("");
    let mut table = output::table(["what remains", "until", "why"]);
    for it in items(response, "remains") {
        let until = it.get("until").and_then(Value::as_u64).map(output::instant);
        let until = until.unwrap_or_else(|| text(&Value::Null));
        table.add_row([field(it, "where"), until, field(it, "why")]);
    }
    output::keep_whole(&mut table, 1);
    output::show(&table);
}

fn stored(response: &Value) {
    let mut table = output::table(["stored in the table", "kind", "an erasure"]);
    for found in items(response, "table") {
        let item = found.get("item").unwrap_or(&Value::Null);
        let erasure = match found.get("erasure").and_then(Value::as_str) {
            Some("edit") => "removes the person",
            _ => "deletes it",
        };
        table.add_row([field(item, "pk"), field(item, "sk"), erasure.to_owned()]);
    }
    if table.row_count() == 0 {
        return output::sentence("The table holds nothing about this person.");
    }
    output::keep_whole(&mut table, 0);
    output::show(&table);
    output::line("");
}

fn archived(response: &Value) {
    let mut table = output::table(["stored in the archive", "objects", "bytes"]);
    for copy in items(response, "archive") {
        let bytes: u64 = items(copy, "objects")
            .map(|object| number(object, "bytes"))
            .sum();
        let objects = items(copy, "objects").count();
        table.add_row([
            field(copy, "folder"),
            objects.to_string(),
            bytes.to_string(),
        ]);
    }
    if table.row_count() == 0 {
        return output::sentence("The archive holds nothing about this person.");
    }
    output::keep_whole(&mut table, 0);
    output::show(&table);
    output::line("");
}
