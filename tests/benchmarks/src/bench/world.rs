//! What the measured functions talk to: the local stack's stand-ins, on loopback, in threads of
//! this program. There are no taps in front of them, because nobody watches.

use std::collections::BTreeMap;
use std::io;

use serde_json::json;
use tokio::runtime::Runtime;

use local_stack::aws::Aws;
use local_stack::issuer::Issuer;
use local_stack::stack::{BUCKET, KID, TABLE, conflicts_table};
use local_stack::standins::puzzel::{Provider, Puzzel, PuzzelConfig};
use local_stack::standins::sunshine::{Sunshine, SunshineConfig};

/// The HMAC secret that all signers sign with, long enough that none of them warns.
pub const SIGNING_SECRET: &str = "a-secret-for-measuring-that-is-long-enough";
/// The HMAC secret of the webhooks.
pub const WEBHOOK_SECRET: &str = "a-webhook-secret-for-measuring";
/// A table that nothing is ever put into.
pub const EMPTY_TABLE: &str = "nothing-due";

const SIGNING_KEYS: &str = "signing-keys";
const API_KEY: &str = "sunshine-api-key";
const WEBHOOK: &str = "webhook";
const CUSTOMER: &str = "12345";

/// The running stand-ins. They run where the thread that started them ran then.
pub struct World {
    environment: Vec<(String, String)>,
    /// The company's login.
    pub issuer: Issuer,
    // Kept only so that they run on.
    _services: (Aws, Sunshine, Puzzel),
    _runtime: Runtime,
}

impl World {
    /// Starts them.
    pub fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let (environment, issuer, services) = runtime.block_on(services())?;
        Ok(Self {
            environment,
            issuer,
            _services: services,
            _runtime: runtime,
        })
    }

    /// What the functions are told, the same for all.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }
}

type Services = (Aws, Sunshine, Puzzel);

async fn services() -> io::Result<(Vec<(String, String)>, Issuer, Services)> {
    let issuer = Issuer::start().await?;
    let sunshine = Sunshine::start(SunshineConfig {
        integration_keys: BTreeMap::from([("int_measured".to_owned(), "key".to_owned())]),
        ..SunshineConfig::default()
    })
    .await?;
    let provider = Provider {
        id: 1,
        issuer: issuer.url(),
        jwks_url: format!("{}/jwks", issuer.url()),
        audience: None,
    };
    let puzzel = Puzzel::start(PuzzelConfig {
        customers: BTreeMap::from([(CUSTOMER.to_owned(), vec![provider])]),
        ..PuzzelConfig::default()
    })
    .await?;
    let aws = Aws::start().await?;
    for (name, secret) in [
        (
            SIGNING_KEYS,
            json!({"activeKid": KID, "keys": {KID: SIGNING_SECRET}}),
        ),
        (API_KEY, json!({"keyId": "int_measured", "secret": "key"})),
        (WEBHOOK, json!({"signingSecrets": [WEBHOOK_SECRET]})),
    ] {
        aws.put_secret(name, &secret).await;
    }
    aws.create_table(conflicts_table(TABLE));
    aws.create_table(conflicts_table(EMPTY_TABLE));
    aws.create_bucket(BUCKET).await;

    let mut environment = aws.environment();
    environment.extend(
        [
            ("SIGNING_KEY_SECRET_ID", SIGNING_KEYS.to_owned()),
            ("CONFLICTS_TABLE", TABLE.to_owned()),
            ("ARCHIVE_BUCKET", BUCKET.to_owned()),
            ("SUNSHINE_BASE_URL", sunshine.url()),
            ("SUNSHINE_APP_ID", SunshineConfig::default().app_id),
            ("SUNSHINE_API_KEY_SECRET_ID", API_KEY.to_owned()),
            ("WEBHOOK_SECRET_ID", WEBHOOK.to_owned()),
            ("PUZZEL_IDP_URL", puzzel.idp_url()),
            ("PUZZEL_COMM_URL", puzzel.comm_url()),
            ("PUZZEL_CUSTOMER_ID", CUSTOMER.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok((environment, issuer, (aws, sunshine, puzzel)))
}
