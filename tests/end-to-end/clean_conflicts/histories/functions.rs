//! The functions in the test's own process, so that a minute is enough for hundreds of histories.
//! `kills.rs` checks that a killed process loses no more than a dropped invocation.

use clean_conflicts::CleanConflicts;
use receive_webhook::ReceiveWebhook;
use report_conflict::ReportConflict;
use shared::aws::sdk::{SdkConfig, http_client};
use shared::lambda::config::Variables;
use shared::lambda::deadline::Deadline;
use shared::lambda::http::Request;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use local_stack::aws::REGION;
use local_stack::webhook;

use crate::fixture::*;

const WEBHOOK_SECRET_ID: &str = "webhook";
const WEBHOOK_SECRET: &str = "CANARY-webhook-secret";

/// The three functions, and the services that they use.
pub(super) struct Functions {
    pub(super) services: CleanupServices,
    clean: CleanConflicts,
    report: ReportConflict,
    receive: ReceiveWebhook,
    sdk: SdkConfig,
    variables: BTreeMap<String, String>,
}

impl Functions {
    pub(super) async fn start() -> Self {
        let services = CleanupServices::start().await;
        let secret = json!({"signingSecrets": [WEBHOOK_SECRET]});
        services.aws.put_secret(WEBHOOK_SECRET_ID, &secret).await;
        let webhook = [("WEBHOOK_SECRET_ID", WEBHOOK_SECRET_ID)];
        let variables: BTreeMap<_, _> = services.environment_with(&webhook).into_iter().collect();
        let credentials = Credentials::new("local", "local", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(services.aws.url())
            .http_client(http_client().unwrap())
            .build();
        let of = || Variables::from_iter(variables.clone());
        let report = report_conflict::Config::from_variables(&of()).unwrap();
        let receive = receive_webhook::Config::from_variables(&of()).unwrap();
        Self {
            clean: start_clean(&variables, &sdk).await,
            report: ReportConflict::start(report, &sdk).await,
            receive: ReceiveWebhook::start(receive, &sdk).await,
            services,
            sdk,
            variables,
        }
    }

    /// Forgets everything that has happened, and deploys `clean-conflicts` with these variables.
    pub(super) async fn begin_again(&mut self, variables: &[(&str, &str)]) {
        self.services.sunshine.begin_again();
        self.services.aws.delete_table(TABLE);
        let table = local_stack::stack::conflicts_table(TABLE);
        self.services.aws.create_table(table);
        self.services.aws.forget_requests();
        self.variables = self
            .services
            .environment_with(variables)
            .into_iter()
            .collect();
        self.restart().await;
    }

    /// A cold start of `clean-conflicts`.
    pub(super) async fn restart(&mut self) {
        self.clean = start_clean(&self.variables, &self.sdk).await;
    }

    /// Deploys `clean-conflicts` with another value of a variable.
    pub(super) async fn deploy(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
        self.restart().await;
    }

    /// The response of `clean-conflicts`. Dropping the future kills it.
    pub(super) async fn clean(&self, event: Value) -> Result<Value, String> {
        let deadline = now() + u64::try_from(DEADLINE.as_millis()).unwrap();
        let response = self.clean.handle(event, "request", deadline).await;
        response.map_err(|error| error.to_string())
    }

    /// Reports a conflict with these values of the Lambda authorizer.
    pub(super) async fn report_as(&self, caller: Value) {
        let event = HttpEvent::post("/zendesk/conflicts").authorizer(json!({ "lambda": caller }));
        let response = self.report.handle(&request(&event)).await;
        let response = response.unwrap_or_else(|problem| panic!("{problem:?}"));
        assert_eq!(response.status, 202);
    }

    /// Signs and delivers an event of Zendesk.
    pub(super) async fn deliver(&self, event: &Value) {
        let event = webhook::delivery(WEBHOOK_SECRET, &event.to_string());
        let response = self.receive.handle(&request(&event)).await;
        let response = response.unwrap_or_else(|problem| panic!("{problem:?}"));
        assert_eq!(response.status, 200);
    }
}

async fn start_clean(variables: &BTreeMap<String, String>, sdk: &SdkConfig) -> CleanConflicts {
    let variables = Variables::from_iter(variables.clone());
    let config = clean_conflicts::Config::from_variables(&variables).unwrap();
    CleanConflicts::start(config, sdk).await.unwrap()
}

fn request(event: &HttpEvent) -> Request {
    let event = event.api_gateway().to_string();
    let mut request = Request::from_event(&event).unwrap().unwrap();
    request.deadline = Deadline::after(DEADLINE);
    request
}
