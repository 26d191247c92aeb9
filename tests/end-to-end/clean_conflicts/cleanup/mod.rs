//! The two functions that clean up, `report-conflict` and `clean-conflicts`, with the services that
//! they use. The suites `clean_conflicts` and `operating`, and their benchmarks, have this fixture.

pub(crate) mod contract;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use harness::lambda::{Function, HttpEvent, HttpResponse, LambdaError};
pub(crate) use harness::under_test::Services;
use local_stack::aws::Aws;
use local_stack::standins::sunshine::{Sunshine, SunshineConfig, User};
use serde_json::{Value, json};

pub(crate) const TABLE: &str = "conflicts";
pub(crate) const BUCKET: &str = "archive";
pub(crate) const API_KEY: &str = "sunshine-api-key";
pub(crate) const KEY_SECRET: &str = "CANARY-api-key";

/// The email that is in conflict, unless a test says otherwise.
pub(crate) const EMAIL: &str = "anna@example.com";
/// Long enough for everything, except for tests that run out of time on purpose.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// AWS with the table, the archive and the API key, and Sunshine Conversations with that key.
pub(crate) struct CleanupServices {
    pub(crate) aws: Aws,
    pub(crate) sunshine: Sunshine,
    /// Whether the official document must describe every request.
    pub(crate) holds_contract: bool,
}

/// The two functions as processes, and the services that they use.
pub(crate) struct Stack {
    pub(crate) services: CleanupServices,
    pub(crate) clean: Function,
    pub(crate) report: Function,
}

impl Deref for Stack {
    type Target = CleanupServices;

    fn deref(&self) -> &CleanupServices {
        &self.services
    }
}

impl DerefMut for Stack {
    fn deref_mut(&mut self) -> &mut CleanupServices {
        &mut self.services
    }
}

impl Services for CleanupServices {
    /// Without more variables, `clean-conflicts` only plans. A release does not wait.
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        let (url, app_id) = (self.sunshine.url(), SunshineConfig::default().app_id);
        let ours = [
            ("IDENTITY_SOURCE", "lambda-authorizer"),
            ("PREVIOUS_EXTERNAL_ID_CLAIM", "previous"),
            ("EXTERNAL_ID_CHANGED_AT_CLAIM", "changed_at"),
            ("CONFLICTS_TABLE", TABLE),
            ("ARCHIVE_BUCKET", BUCKET),
            ("RELEASE_AFTER_SECONDS", "0"),
            ("SUNSHINE_BASE_URL", &url),
            ("SUNSHINE_APP_ID", &app_id),
            ("SUNSHINE_API_KEY_SECRET_ID", API_KEY),
            ("SUNSHINE_REQUESTS_PER_SECOND", "500"),
        ];
        environment.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment
    }
}

impl CleanupServices {
    pub(crate) async fn start() -> Self {
        let aws = Aws::start().await.unwrap();
        aws.create_table(local_stack::stack::conflicts_table(TABLE));
        aws.create_bucket(BUCKET).await;
        let api_key = json!({"keyId": "int_test", "secret": KEY_SECRET});
        aws.put_secret(API_KEY, &api_key).await;
        let sunshine = Sunshine::start(SunshineConfig {
            integration_keys: BTreeMap::from([("int_test".to_owned(), KEY_SECRET.to_owned())]),
            ..SunshineConfig::default()
        });
        Self {
            aws,
            sunshine: sunshine.await.unwrap(),
            holds_contract: true,
        }
    }

    /// The items of the table of a kind.
    pub(crate) fn items(&self, kind: &str) -> Vec<Value> {
        let mut items = self.aws.items(TABLE);
        items.retain(|item| item["sk"] == kind);
        items
    }

    /// Every conflict's record.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.items("conflict")
    }

    /// The record of a conflict.
    pub(crate) fn record(&self, id: &str) -> Value {
        let mut records = self.records().into_iter();
        records.find(|it| it["conflictId"] == id).unwrap()
    }
}

impl Drop for CleanupServices {
    /// Checks that the official document describes every request of the test.
    fn drop(&mut self) {
        if self.holds_contract && !std::thread::panicking() {
            let app_id = SunshineConfig::default().app_id;
            let exchanges = self.sunshine.traffic().all();
            for exchange in exchanges.iter().filter(|it| it.path.contains("/apps/")) {
                contract::assert_valid(exchange, &app_id);
            }
        }
    }
}

impl Stack {
    /// Both functions with these variables besides those of the services.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let services = CleanupServices::start().await;
        let (clean, report) = tokio::join!(
            services.launch("clean-conflicts", variables),
            services.launch("report-conflict", variables),
        );
        Self {
            services,
            clean,
            report,
        }
    }

    /// `report-conflict` with these values of the Lambda authorizer.
    pub(crate) async fn report_as(&self, caller: Value) -> HttpResponse {
        let event = HttpEvent::post("/zendesk/conflicts")
            .header("content-type", "application/json")
            .authorizer(json!({ "lambda": caller }));
        self.report.http(&event).await.unwrap()
    }

    /// Reports that the login of `external_id` with the verified `email` was refused; returns the
    /// conflict's id.
    pub(crate) async fn report(&self, external_id: &str, email: &str) -> String {
        let caller = json!({"sub": external_id, "email": email, "email_verified": true});
        reported(&self.report_as(caller).await)
    }

    /// The response of `clean-conflicts`.
    pub(crate) async fn invoke(&self, event: Value) -> Value {
        response(&self.clean, &event).await
    }

    pub(crate) async fn drain(&self) -> Value {
        self.invoke(json!({"action": "drain"})).await
    }
}

/// The id of the conflict in the response to a report.
pub(crate) fn reported(response: &HttpResponse) -> String {
    assert_eq!(response.status, 202, "{response:?}");
    response.json()["conflictId"].as_str().unwrap().to_owned()
}

/// The response of a function to an event.
pub(crate) async fn response(function: &Function, event: &Value) -> Value {
    response_within(function, event, DEADLINE).await
}

/// The same with its own deadline.
pub(crate) async fn response_within(
    function: &Function,
    event: &Value,
    deadline: Duration,
) -> Value {
    let response = function.invoke_within(event, deadline).await;
    response.unwrap_or_else(|error| {
        panic!("{event}: {error}\n{}", function.output().lines().join("\n"))
    })
}

/// The type and the message with which a function refuses an event.
pub(crate) async fn refusal(function: &Function, event: &Value) -> (String, String) {
    match function.invoke_within(event, DEADLINE).await {
        Err(LambdaError::Function(error)) => {
            let text = |field: &str| error[field].as_str().unwrap().to_owned();
            (text("errorType"), text("errorMessage"))
        }
        other => panic!("{event}: {other:?}"),
    }
}

/// The user who had the external id before: signed up long ago, has a profile and metadata, and is
/// not linked to a core user.
pub(crate) fn old_user(external_id: &str, email: &str) -> User {
    let text = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect()
    };
    User {
        signed_up_at: Some("2020-02-03T19:10:08.152Z".to_owned()),
        profile: text(&[
            ("givenName", "Anna"),
            ("surname", "Smith"),
            ("email", email),
            ("avatarUrl", "https://example.com/anna.png"),
            ("locale", "en-GB"),
        ]),
        metadata: text(&[("tier", "gold")]),
        ..User::known(external_id, email)
    }
}
