//! The functions, their upstreams, and a proxy in front of each upstream.

use std::collections::BTreeMap;

use harness::fault_proxy::FaultProxy;
use harness::under_test::Services;
use local_stack::aws::Aws;
use local_stack::issuer::{AUDIENCE, Issuer};
use local_stack::standins::puzzel::Puzzel;
use local_stack::standins::sunshine::{Sunshine, SunshineConfig};
use local_stack::tap::address;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::schedule::schedule;

pub(crate) const TABLE: &str = "conflicts";
pub(crate) const BUCKET: &str = "archive";
pub(crate) const KID: &str = "app_test";
pub(crate) const SIGNING_SECRET: &str = "CANARY-signing-of-more-than-thirty-two-bytes";
pub(crate) const WEBHOOK_SECRET: &str = "CANARY-webhook";
const API_KEY_SECRET: &str = "CANARY-api-key";
const CUSTOMER: &str = "customer123";

/// The share of faulty requests to each upstream. Rarely used upstreams fail often; a run against
/// Sunshine Conversations stops on its own if every fifth call fails.
const SHARES: [(&str, f64); 7] = [
    ("Sunshine", 0.12),
    ("Puzzel identity", 0.15),
    ("Puzzel chat", 0.15),
    ("OIDC issuer", 0.15),
    ("Secrets Manager", 0.3),
    ("DynamoDB", 0.12),
    ("S3", 0.12),
];

/// Everything except the functions.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) sunshine: Sunshine,
    pub(crate) puzzel: Puzzel,
    pub(crate) issuer: Issuer,
    /// The proxies, by the name of the upstream.
    pub(crate) proxies: BTreeMap<&'static str, FaultProxy>,
}

impl Services for World {
    fn environment(&self) -> Vec<(String, String)> {
        let url = |name: &str| self.proxies[name].url();
        let mut environment = self.aws.environment();
        environment.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
        let ours = [
            ("AWS_ENDPOINT_URL_DYNAMODB", url("DynamoDB")),
            ("AWS_ENDPOINT_URL_S3", url("S3")),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", url("Secrets Manager")),
            ("IDENTITY_SOURCE", "bearer".to_owned()),
            ("OIDC_ISSUER", self.issuer.url()),
            ("OIDC_AUDIENCE", AUDIENCE.to_owned()),
            ("PREVIOUS_EXTERNAL_ID_CLAIM", "previous".to_owned()),
            ("SIGNING_KEY_SECRET_ID", "signing".to_owned()),
            // Short, so that secrets are read often.
            ("SECRET_TTL_SECONDS", "1".to_owned()),
            ("CONFLICTS_TABLE", TABLE.to_owned()),
            ("ARCHIVE_BUCKET", BUCKET.to_owned()),
            ("SUNSHINE_BASE_URL", url("Sunshine") + "/sc"),
            ("SUNSHINE_APP_ID", SunshineConfig::default().app_id),
            ("SUNSHINE_API_KEY_SECRET_ID", "api-key".to_owned()),
            // This is also the number of simultaneous conflicts, so it must suit a debug build.
            ("SUNSHINE_REQUESTS_PER_SECOND", "15".to_owned()),
            ("MAX_ACTIONS_PER_RUN", "100000".to_owned()),
            ("REMEDY", "delete".to_owned()),
            ("RELEASE_AFTER_SECONDS", "0".to_owned()),
            ("TRUST_WEBHOOK_LINEAGE", "true".to_owned()),
            ("WEBHOOK_SECRET_ID", "webhook".to_owned()),
            ("PUZZEL_IDP_URL", url("Puzzel identity")),
            ("PUZZEL_COMM_URL", url("Puzzel chat")),
            ("PUZZEL_CUSTOMER_ID", CUSTOMER.to_owned()),
            ("PUZZEL_TOKEN_KIND", "id".to_owned()),
            // The most verbose logs, to find leaks.
            ("RUST_LOG", "trace".to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ];
        environment.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        environment
    }
}

impl World {
    /// Starts everything, without faults yet.
    pub(crate) async fn start() -> Self {
        // Others know the issuer by its proxy's address.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let known_as = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Issuer::start_behind(known_as).await.unwrap();

        let aws = Aws::start().await.unwrap();
        aws.create_table(local_stack::stack::conflicts_table(TABLE));
        aws.create_bucket(BUCKET).await;
        let signing = json!({"activeKid": KID, "keys": {KID: SIGNING_SECRET}});
        aws.put_secret("signing", &signing).await;
        let api_key = json!({"keyId": "int_test", "secret": API_KEY_SECRET});
        aws.put_secret("api-key", &api_key).await;
        let webhook = json!({"signingSecrets": [WEBHOOK_SECRET]});
        aws.put_secret("webhook", &webhook).await;

        let sunshine = Sunshine::start(SunshineConfig {
            integration_keys: BTreeMap::from([("int_test".into(), API_KEY_SECRET.into())]),
            ..SunshineConfig::default()
        })
        .await
        .unwrap();
        let puzzel = Puzzel::start_for(CUSTOMER, &issuer).await.unwrap();

        let direct = FaultProxy::on(listener, address(&issuer.direct_url())).unwrap();
        let mut proxies = BTreeMap::from([("OIDC issuer", direct)]);
        for (name, url) in [
            ("Sunshine", sunshine.url()),
            ("Puzzel identity", puzzel.idp_url()),
            ("Puzzel chat", puzzel.comm_url()),
            ("Secrets Manager", aws.url()),
            ("DynamoDB", aws.url()),
            ("S3", aws.url()),
        ] {
            let proxy = FaultProxy::start(address(&url)).await.unwrap();
            proxies.insert(name, proxy);
        }
        Self {
            aws,
            sunshine,
            puzzel,
            issuer,
            proxies,
        }
    }

    /// Injects faults from now on.
    pub(crate) fn break_down(&self, seed: u64) {
        for (number, (name, share)) in SHARES.into_iter().enumerate() {
            let seed = seed.wrapping_mul(1000).wrapping_add(number as u64);
            self.proxies[name].set(schedule(seed, share));
        }
    }

    /// Injects no more faults.
    pub(crate) fn mend(&self) {
        self.proxies.values().for_each(FaultProxy::clear);
    }

    /// Every conflict's record.
    pub(crate) fn records(&self) -> Vec<Value> {
        let mut items = self.aws.items(TABLE);
        items.retain(|item| item["sk"] == "conflict");
        items
    }
}
