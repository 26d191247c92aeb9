//! The backends of the measured functions: the local stack's stand-ins, on loopback, in threads of
//! this program. Each has TLS in front of it, as in the cloud. There are no taps, because no one
//! watches the calls.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use harness::tls::{Authority, TlsFront, address};
use local_stack::aws::Aws;
use local_stack::issuer::{AUDIENCE, Issuer};
use local_stack::stack::{BUCKET, KID, TABLE, conflicts_table};
use local_stack::standins::puzzel::Puzzel;
use local_stack::standins::sunshine::{Sunshine, SunshineConfig};
use serde_json::json;
use tokio::runtime::Runtime;

/// The HMAC secret of all signers, long enough that none of them logs a warning.
pub const SIGNING_SECRET: &str = "a-secret-for-measuring-that-is-long-enough";
/// The HMAC secret of the webhooks.
pub const WEBHOOK_SECRET: &str = "a-webhook-secret-for-measuring";
/// A table that is always empty.
pub const EMPTY_TABLE: &str = "nothing-due";

const SIGNING_KEYS: &str = "signing-keys";
const API_KEY: &str = "sunshine-api-key";
const WEBHOOK: &str = "webhook";
const CUSTOMER: &str = "12345";

/// The connection of a function to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// With TLS, as in the cloud.
    Tls,
    /// Without TLS, to measure the cost of TLS.
    Plain,
}

/// The running stand-ins. They run on the processors of the thread that started them.
pub struct World {
    environment: Vec<(String, String)>,
    /// The company's login.
    pub issuer: Issuer,
    aws: Aws,
    fronts: Vec<TlsFront>,
    // This field only keeps it alive.
    _bundle: Bundle,
    _services: (Sunshine, Puzzel),
    _runtime: Runtime,
}

impl World {
    /// Starts them.
    pub fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(start()).map(|world| world(runtime))
    }

    /// The variables of a function, the same for all.
    pub fn environment(&self, transport: Transport) -> Vec<(String, String)> {
        let mut environment = self.environment.clone();
        if transport == Transport::Plain {
            environment.extend(self.aws.environment());
        }
        environment
    }

    /// Closes every connection with TLS, so that the next request opens a new one.
    pub fn close_connections(&self) {
        for front in &self.fronts {
            front.close_connections();
        }
    }

    /// The number of TLS connections opened so far.
    pub fn connections(&self) -> usize {
        self.fronts.iter().map(TlsFront::opened).sum()
    }
}

/// The file with the functions' trusted roots: a bundle of the size of the system's. It is deleted
/// when dropped.
struct Bundle(PathBuf);

impl Drop for Bundle {
    fn drop(&mut self) {
        // A leftover in the temporary folder does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn bundle(authority: &Authority) -> io::Result<Bundle> {
    let name = format!(
        "roots-{}-{:08x}.pem",
        std::process::id(),
        rand::random::<u32>()
    );
    let file = std::env::temp_dir().join(name);
    authority.write_bundle(&file)?;
    Ok(Bundle(file))
}

async fn start() -> io::Result<impl FnOnce(Runtime) -> World> {
    let authority = Authority::generate()?;
    let issuer_front = authority.bind().await?;
    let issuer = Issuer::start_behind(issuer_front.url()?).await?;
    let direct = issuer.direct_url();
    let issuer_front = issuer_front.serve(address(&direct)?);
    let sunshine = Sunshine::start(SunshineConfig {
        integration_keys: BTreeMap::from([("int_measured".to_owned(), "key".to_owned())]),
        ..SunshineConfig::default()
    })
    .await?;
    let puzzel = Puzzel::start_for(CUSTOMER, &issuer).await?;
    let aws = aws().await?;

    let (aws_front, aws_url) = authority.front(&aws.url()).await?;
    let (sunshine_front, sunshine_url) = authority.front(&sunshine.url()).await?;
    let (idp_front, idp_url) = authority.front(&puzzel.idp_url()).await?;
    let (comm_front, comm_url) = authority.front(&puzzel.comm_url()).await?;
    let bundle = bundle(&authority)?;
    let mut environment = aws.environment();
    environment.extend(trust(&bundle.0));
    environment.extend(
        [
            ("AWS_ENDPOINT_URL", aws_url),
            ("OIDC_ISSUER", issuer.url()),
            ("OIDC_AUDIENCE", AUDIENCE.to_owned()),
            ("SIGNING_KEY_SECRET_ID", SIGNING_KEYS.to_owned()),
            ("CONFLICTS_TABLE", TABLE.to_owned()),
            ("ARCHIVE_BUCKET", BUCKET.to_owned()),
            ("SUNSHINE_BASE_URL", sunshine_url),
            ("SUNSHINE_APP_ID", SunshineConfig::default().app_id),
            ("SUNSHINE_API_KEY_SECRET_ID", API_KEY.to_owned()),
            ("WEBHOOK_SECRET_ID", WEBHOOK.to_owned()),
            ("PUZZEL_IDP_URL", idp_url),
            ("PUZZEL_COMM_URL", comm_url),
            ("PUZZEL_CUSTOMER_ID", CUSTOMER.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok(move |runtime| World {
        environment,
        issuer,
        aws,
        fronts: vec![
            issuer_front,
            aws_front,
            sunshine_front,
            idp_front,
            comm_front,
        ],
        _bundle: bundle,
        _services: (sunshine, puzzel),
        _runtime: runtime,
    })
}

/// The variables with which Rust, Node and Python find their trusted roots.
fn trust(bundle: &Path) -> [(String, String); 3] {
    ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"]
        .map(|name| (name.to_owned(), bundle.display().to_string()))
}

async fn aws() -> io::Result<Aws> {
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
    Ok(aws)
}
