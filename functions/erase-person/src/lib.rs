//! Serves data subjects: shows the data that the table and the archive have of a person, and
//! deletes it on request. No other function may delete from them.

mod archive;
mod config;
mod person;
mod request;
mod response;
mod table;

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use shared::aws::sdk::SdkConfig;
use shared::conflicts::Scope;
use shared::lambda::check::{self, Check, Checks};
use shared::lambda::invoke::OperatorError;

use archive::Archive;
use person::{Person, Verdict};
use request::Request;
use response::{Erased, ErasureResponse};
use table::Table;

pub use config::Config;

/// The function, ready for events.
pub struct ErasePerson {
    scope: Scope,
    table: Table,
    archive: Archive,
}

impl ErasePerson {
    /// Makes the clients of the table and of the archive.
    pub fn start(config: Config, sdk: &SdkConfig) -> Self {
        Self {
            scope: config.conflicts.scope,
            table: Table::connect(sdk, config.conflicts.table),
            archive: Archive::connect(sdk, config.archive_bucket),
        }
    }

    /// One invocation, from event to response.
    ///
    /// # Errors
    /// If the event is not one of the function's events, or AWS fails. The data erased until then
    /// stays erased, and the same request continues the work.
    pub async fn invoke(&self, event: LambdaEvent<Value>) -> Result<Value, OperatorError> {
        let request_id = event.context.request_id;
        let response = async {
            if check::is_asked(&event.payload.to_string()) {
                return json(&self.check().await);
            }
            let request = Request::try_from(event.payload)?;
            json(&self.handle(request, &request_id).await?)
        };
        let response = shared::lambda::http::catch_panic(response).await;
        let response =
            response.unwrap_or_else(|error| Err(OperatorError::Internal(error.to_string())));
        response.inspect_err(|error| {
            tracing::warn!(requestId = request_id, error = error.kind(), "refused");
        })
    }

    async fn handle(
        &self,
        request: Request,
        request_id: &str,
    ) -> Result<ErasureResponse, OperatorError> {
        let person = Person::new(request.subject, &self.scope);
        // Copies are found by their content and not by a record, so the archive can come first.
        let copies = self.archive.copies_of(&person).await?;
        let mut erased = Erased::default();
        if request.erased_by.is_some() {
            erased.versions = self.archive.erase(&copies).await?;
        }
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let (page, next) = self.table.page(start).await?;
            for item in page {
                if person.verdict(&item) == Verdict::Keep {
                    continue;
                }
                items.push(item.clone());
                if request.erased_by.is_some() {
                    erased.count(self.table.erase(&person, item).await?);
                }
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
        if let Some(by) = &request.erased_by {
            let (items, edited, versions) = (erased.items, erased.edited, erased.versions);
            tracing::info!(
                requestId = request_id,
                by,
                items,
                edited,
                versions,
                "erased a person"
            );
        }
        Ok(ErasureResponse::new(
            &person,
            items,
            copies,
            request.erased_by.map(|_| erased),
        ))
    }

    /// Checks the table and the archive.
    async fn check(&self) -> Checks {
        let table = match self.table.page(None).await {
            Ok(_) => Check::passed("table", "a page was read"),
            Err(error) => Check::failed("table", error.to_string()),
        };
        let archive = match self.archive.versions().await {
            Ok(_) => Check::passed("archive", "its versions were listed"),
            Err(error) => Check::failed("archive", error.to_string()),
        };
        [Check::configuration(), table, archive]
            .into_iter()
            .collect()
    }
}

fn json(response: &impl serde::Serialize) -> Result<Value, OperatorError> {
    serde_json::to_value(response)
        .map_err(|_| OperatorError::Internal("the response could not be written".to_owned()))
}
