//! The backends of the functions, and the variables that point the functions at them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::aws::Aws;
use crate::calls::{Calls, Party};
use crate::issuer::{AUDIENCE, Issuer};
use crate::standins::puzzel::{Provider, Puzzel, PuzzelConfig};
use crate::standins::sunshine::{Sunshine, SunshineConfig};
use crate::tap::{Tap, address};
use harness::lambda::{Function, LambdaError};

/// The id of the only local key that signs messaging JWTs.
pub const KID: &str = "app_local";

const SIGNING_KEYS: &str = "chat-identity/signing-keys";
const API_KEY: &str = "chat-identity/sunshine-api-key";
const WEBHOOK: &str = "chat-identity/webhook";
/// The table of conflicts.
pub const TABLE: &str = "conflicts";
/// The bucket of the archive.
pub const BUCKET: &str = "archive";
const CUSTOMER: &str = "12345";

/// Everything around the functions. The fields are dropped in this order, the reverse of the start.
pub struct Backends {
    /// The embedded AWS.
    pub aws: Aws,
    /// The stand-in for Puzzel.
    pub puzzel: Puzzel,
    /// The stand-in for Zendesk.
    pub sunshine: Sunshine,
    /// The company's login.
    pub issuer: Issuer,
    /// The calls between the functions, the page and the backends.
    pub calls: Calls,
    /// The secret of [`KID`], for tokens that the function would not sign.
    pub signing_secret: String,
    /// The secret that signs Zendesk's webhooks.
    pub webhook_secret: String,
    /// The taps between the functions and their backends.
    taps: Vec<Tap>,
}

impl Backends {
    /// Starts the backends, with DynamoDB's data in `folder` or, without one, in memory.
    pub async fn start(folder: Option<&Path>) -> io::Result<Self> {
        let calls = Calls::default();
        // The issuer's tokens contain its address, so it must know the address of its tap.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let issuer = Issuer::start_behind(format!("http://{}", listener.local_addr()?)).await?;
        let login = address(&issuer.direct_url());
        let from_puzzel = Tap::start(&calls, Party::Puzzel, Party::Login, login).await?;
        let mut taps = vec![Tap::on(
            listener,
            &calls,
            Party::Functions,
            Party::Login,
            login,
        )?];
        let [signing_secret, webhook_secret, api_key] = [(); 3].map(|()| random_secret());
        let sunshine = Sunshine::start(SunshineConfig {
            signing_keys: BTreeMap::from([(KID.to_owned(), signing_secret.clone())]),
            integration_keys: BTreeMap::from([("int_local".to_owned(), api_key.clone())]),
            ..SunshineConfig::default()
        })
        .await?;
        let provider = Provider {
            id: 1,
            issuer: issuer.url(),
            jwks_url: format!("{}/jwks", from_puzzel.url()),
            audience: None,
        };
        let puzzel = Puzzel::start(PuzzelConfig {
            customers: BTreeMap::from([(CUSTOMER.to_owned(), vec![provider])]),
            ..PuzzelConfig::default()
        })
        .await?;

        let aws = match folder {
            Some(folder) => Aws::start_in(folder).await?,
            None => Aws::start().await?,
        };
        for (party, url) in [
            (Party::Aws, aws.url()),
            (Party::Zendesk, sunshine.url()),
            (Party::Puzzel, puzzel.idp_url()),
        ] {
            taps.push(Tap::start(&calls, Party::Functions, party, address(&url)).await?);
        }
        taps.push(from_puzzel);
        let signing = json!({"activeKid": KID, "keys": {KID: signing_secret}});
        aws.put_secret(SIGNING_KEYS, &signing).await;
        let api_key = json!({"keyId": "int_local", "secret": api_key});
        aws.put_secret(API_KEY, &api_key).await;
        let webhook = json!({"signingSecrets": [webhook_secret]});
        aws.put_secret(WEBHOOK, &webhook).await;
        aws.create_table(conflicts_table(TABLE));
        aws.create_bucket(BUCKET).await;
        Ok(Self {
            aws,
            puzzel,
            sunshine,
            issuer,
            calls,
            signing_secret,
            webhook_secret,
            taps,
        })
    }

    /// The id of the app at Zendesk.
    pub fn app_id(&self) -> String {
        SunshineConfig::default().app_id
    }

    /// Starts clean-conflicts with other variables than the stack's, in a separate process: `cargo
    /// lambda watch` gives all functions the same environment.
    pub async fn clean_conflicts(
        &self,
        variables: &[(&str, &str)],
    ) -> Result<Function, LambdaError> {
        let mut environment: BTreeMap<String, String> = self.environment().into_iter().collect();
        for (name, value) in variables {
            environment.insert((*name).to_owned(), (*value).to_owned());
        }
        Function::start("clean-conflicts", environment).await
    }

    /// The variables of the functions, the same for all of them.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.direct_environment();
        for tap in &self.taps {
            for (_, value) in &mut environment {
                *value = tap.instead_of(value);
            }
        }
        environment
    }

    /// The same without the taps, except the issuer's, because the issuer's URL is its identity.
    pub fn direct_environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        environment.extend(
            [
                ("IDENTITY_SOURCE", "bearer".to_owned()),
                ("OIDC_ISSUER", self.issuer.url()),
                ("OIDC_AUDIENCE", AUDIENCE.to_owned()),
                (
                    "PREVIOUS_EXTERNAL_ID_CLAIM",
                    "previous_external_id".to_owned(),
                ),
                (
                    "EXTERNAL_ID_CHANGED_AT_CLAIM",
                    "external_id_changed_at".to_owned(),
                ),
                // Here no single sign-on changes an external id.
                ("TRUST_WEBHOOK_LINEAGE", "true".to_owned()),
                ("MERGE_CALL", "appusers-merge".to_owned()),
                ("SIGNING_KEY_SECRET_ID", SIGNING_KEYS.to_owned()),
                ("CONFLICTS_TABLE", TABLE.to_owned()),
                ("ARCHIVE_BUCKET", BUCKET.to_owned()),
                ("SUNSHINE_BASE_URL", self.sunshine.url()),
                ("SUNSHINE_APP_ID", SunshineConfig::default().app_id),
                ("SUNSHINE_API_KEY_SECRET_ID", API_KEY.to_owned()),
                ("RELEASE_AFTER_SECONDS", "0".to_owned()),
                // The stand-in serves no one else.
                ("SUNSHINE_REQUESTS_PER_SECOND", "50".to_owned()),
                ("WEBHOOK_SECRET_ID", WEBHOOK.to_owned()),
                ("PUZZEL_IDP_URL", self.puzzel.idp_url()),
                ("PUZZEL_COMM_URL", self.puzzel.comm_url()),
                ("PUZZEL_CUSTOMER_ID", CUSTOMER.to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        environment
    }
}

/// The table of `template.yaml`, as a `CreateTable` request.
pub fn conflicts_table(name: &str) -> Value {
    let attribute = |name, kind| json!({"AttributeName": name, "AttributeType": kind});
    let key = |hash, range| {
        json!([{"AttributeName": hash, "KeyType": "HASH"},
               {"AttributeName": range, "KeyType": "RANGE"}])
    };
    let index = |name, hash, range| {
        json!({"IndexName": name, "KeySchema": key(hash, range),
               "Projection": {"ProjectionType": "ALL"}})
    };
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            attribute("pk", "S"), attribute("sk", "S"),
            attribute("dueShard", "S"), attribute("dueAt", "N"),
            attribute("state", "S"), attribute("updatedAt", "N"),
        ],
        "KeySchema": key("pk", "sk"),
        "GlobalSecondaryIndexes": [
            index("due", "dueShard", "dueAt"),
            index("state", "state", "updatedAt"),
        ],
    })
}

fn random_secret() -> String {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
