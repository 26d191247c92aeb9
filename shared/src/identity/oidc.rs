//! Verifies bearer tokens of the company's OpenID Connect issuer.
//!
//! Sources: OpenID Connect Discovery 1.0; RFC 7517 (JWK); RFC 7519 (JWT); RFC 8725 (what goes
//! wrong with them).

use std::time::Duration;

use http::Method;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::aws::cache::{Cache, FetchError, Held, Policy};
use crate::http::client::{HttpClient, TransportError};
use crate::http::upstream_url::{self, UpstreamUrl};
use crate::lambda::config::{ConfigError, Variables};
use crate::lambda::deadline::Deadline;

/// What `OIDC_ISSUER` may hold.
pub(crate) const ISSUER: &str = "the issuer's URL: https, or http on a loopback host";
/// How old the issuer's keys may be before they are fetched again.
const KEYS_TTL: Duration = Duration::from_hours(1);
/// How much longer they serve while the issuer does not answer.
const STALE_FOR: Duration = Duration::from_hours(1);
/// How long after a fetch for an unknown key, or a failed one, none is made: tokens come from
/// anybody, and must not make us call the issuer at will.
pub(crate) const REFETCH_FLOOR: Duration = Duration::from_mins(1);
/// How long discovery and keys may take together.
const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// What is kept back of a request's time, to answer that there are no keys.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// How far clocks may differ.
const LEEWAY_SECONDS: u64 = 60;

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The token is not one that proves anything.
    #[error("the bearer token is not valid: {0}")]
    Invalid(&'static str),
    /// The issuer's keys cannot be had, so nothing can be said of the token.
    #[error("the issuer's keys cannot be had: {0}")]
    KeysUnavailable(#[from] KeysError),
}

/// Why the issuer's keys cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The issuer did not answer as it should.
    #[error("{document}: {cause}")]
    Transport {
        /// Discovery or keys.
        document: &'static str,
        /// What happened on the wire.
        cause: String,
    },
    /// The issuer answered with another status than 200.
    #[error("{document}: status {status}")]
    Status {
        /// Discovery or keys.
        document: &'static str,
        /// The status.
        status: u16,
    },
    /// The document is not what it should be.
    #[error("{document}: {problem}")]
    Document {
        /// Discovery or keys.
        document: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Verifies the tokens of one issuer for one audience.
pub struct Verifier {
    issuer: String,
    audience: String,
    discovery: UpstreamUrl,
    http: HttpClient,
    keys: Cache<KeySet, KeysError>,
}

impl Verifier {
    /// Reads `OIDC_ISSUER` and `OIDC_AUDIENCE`. Nothing is fetched yet.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        let issuer: String = variables.required("OIDC_ISSUER", ISSUER)?;
        Ok(Self {
            discovery: variables.required("OIDC_ISSUER", ISSUER)?,
            issuer,
            audience: variables.required(
                "OIDC_AUDIENCE",
                "the audience of the tokens (with Cognito's access tokens, the client id)",
            )?,
            http: HttpClient::new()
                .map_err(|_| ConfigError::Conflict("the HTTP client cannot be made"))?,
            keys: Cache::new(Policy {
                ttl: KEYS_TTL,
                stale_for: STALE_FOR,
                retry_stale: REFETCH_FLOOR,
                retry_empty: REFETCH_FLOOR,
                again_floor: REFETCH_FLOOR,
            }),
        })
    }

    /// The first fetch of the keys, for init. Where it fails the function starts all the same.
    pub async fn warm_up(&self) {
        // The failure is told by whoever fetched.
        let _ = self.keys(Deadline::after(FETCH_LIMIT)).await;
    }

    /// The claims of `token`, where it is valid now.
    pub async fn verify(
        &self,
        token: &str,
        deadline: Deadline,
    ) -> Result<Map<String, Value>, VerifyError> {
        let header =
            decode_header(token).map_err(|_| VerifyError::Invalid("it is no JSON Web Token"))?;
        if !ALLOWED.contains(&header.alg) {
            return Err(VerifyError::Invalid("its algorithm is not allowed"));
        }
        // What an extension changes about the token is not known here (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(VerifyError::Invalid("it needs an extension"));
        }
        let kid = header.kid.ok_or(VerifyError::Invalid("it names no key"))?;
        let mut keys = self.keys(deadline).await?;
        if keys.value.find(&kid, header.alg).is_none() {
            keys = self
                .keys
                .fetch_again(&keys, async || self.fetch(deadline).await)
                .await?;
        }
        let key = keys.value.find(&kid, header.alg).ok_or_else(|| {
            // Where the issuer's newest keys could not be had, it may be one of them.
            self.keys.failure().map_or(
                VerifyError::Invalid("its key is not the issuer's"),
                VerifyError::KeysUnavailable,
            )
        })?;
        self.check(token, header.alg, key)
    }

    fn check(
        &self,
        token: &str,
        algorithm: Algorithm,
        key: &DecodingKey,
    ) -> Result<Map<String, Value>, VerifyError> {
        use jsonwebtoken::errors::ErrorKind;

        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        // The others are checked below. The library takes a list of issuers for one, no number for
        // a subject, and Cognito's access tokens have a `client_id` in place of `aud`.
        validation.validate_aud = false;
        let claims = decode::<Map<String, Value>>(token, key, &validation)
            .map_err(|error| {
                VerifyError::Invalid(match error.kind() {
                    ErrorKind::InvalidSignature => "its signature is wrong",
                    ErrorKind::ExpiredSignature => "it has expired",
                    ErrorKind::ImmatureSignature => "it is not valid yet",
                    ErrorKind::MissingRequiredClaim(_) => "it never expires",
                    _ => "it is malformed",
                })
            })?
            .claims;
        if claims.get("iss").is_none_or(|it| *it != *self.issuer) {
            return Err(VerifyError::Invalid("it is another issuer's"));
        }
        if !self.is_for_us(&claims) {
            return Err(VerifyError::Invalid("it is for another audience"));
        }
        if claims.get("sub").is_none_or(|it| it.is_null() || *it == "") {
            return Err(VerifyError::Invalid("it has no subject"));
        }
        Ok(claims)
    }

    fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        match claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(|it| *it == *self.audience),
            Some(audience) => *audience == *self.audience,
            None => claims
                .get("client_id")
                .is_some_and(|client| *client == *self.audience),
        }
    }

    async fn keys(&self, deadline: Deadline) -> Result<Held<KeySet>, KeysError> {
        self.keys.get(async || self.fetch(deadline).await).await
    }

    async fn fetch(&self, deadline: Deadline) -> Result<KeySet, FetchError<KeysError>> {
        let deadline = deadline.less(ANSWER_MARGIN).at_most(FETCH_LIMIT);
        self.discover(deadline).await.map_err(|error| {
            tracing::warn!(%error, "the issuer's keys could not be fetched");
            FetchError::Unavailable(error)
        })
    }

    async fn discover(&self, deadline: Deadline) -> Result<KeySet, KeysError> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
            jwks_uri: String,
        }
        const DISCOVERY: &str = "discovery";
        const KEYS: &str = "keys";
        let problem = |document, problem| KeysError::Document { document, problem };

        let url = self
            .discovery
            .join(&[".well-known", "openid-configuration"], &[])
            .map_err(|_| problem(DISCOVERY, "its URL cannot be built"))?;
        let body = self.get(DISCOVERY, url, deadline).await?;
        let discovery: Discovery = serde_json::from_slice(&body)
            .map_err(|_| problem(DISCOVERY, "it is no discovery document"))?;
        if discovery.issuer != self.issuer {
            return Err(problem(DISCOVERY, "its issuer is not OIDC_ISSUER"));
        }
        let url = upstream_url::endpoint(&discovery.jwks_uri)
            .map_err(|_| problem(DISCOVERY, "its jwks_uri is neither https nor on loopback"))?;
        let body = self.get(KEYS, url, deadline).await?;
        let keys: JwkDocument =
            serde_json::from_slice(&body).map_err(|_| problem(KEYS, "it is no key set"))?;
        Ok(KeySet::from(keys))
    }

    async fn get(
        &self,
        document: &'static str,
        url: url::Url,
        deadline: Deadline,
    ) -> Result<Vec<u8>, KeysError> {
        let request = self.http.request(Method::GET, url);
        let answer = self
            .http
            .send(request, deadline, MAX_DOCUMENT_BYTES)
            .await
            .map_err(|cause: TransportError| KeysError::Transport {
                document,
                cause: cause.to_string(),
            })?;
        match answer.status.as_u16() {
            200 => Ok(answer.body),
            status => Err(KeysError::Status { document, status }),
        }
    }
}

/// The algorithms that are accepted. None of them is symmetric: with one that is, the issuer's
/// public key would sign.
const ALLOWED: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
    Algorithm::PS256,
];

/// A key set as it is sent. A key that cannot be read is left out, not the whole set.
#[derive(Deserialize)]
struct JwkDocument {
    keys: Vec<Value>,
}

struct Key {
    kid: String,
    algorithms: &'static [Algorithm],
    verifies: DecodingKey,
}

/// The issuer's keys, each with the algorithms that it may be used with.
struct KeySet(Vec<Key>);

impl KeySet {
    fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.0
            .iter()
            .find(|key| key.kid == kid && key.algorithms.contains(&algorithm))
            .map(|key| &key.verifies)
    }
}

impl From<JwkDocument> for KeySet {
    fn from(document: JwkDocument) -> Self {
        let keys = document.keys.into_iter().filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key).ok()?;
            Some(Key {
                kid: jwk.common.key_id.clone()?,
                algorithms: algorithms(&jwk)?,
                verifies: DecodingKey::from_jwk(&jwk).ok()?,
            })
        });
        Self(keys.collect())
    }
}

/// The algorithms that a key is for: by its type, and narrowed by its `alg` where it has one.
fn algorithms(jwk: &Jwk) -> Option<&'static [Algorithm]> {
    use jsonwebtoken::jwk::{KeyAlgorithm, PublicKeyUse};

    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return None;
    }
    match (&jwk.algorithm, jwk.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), None) => Some(&[Algorithm::RS256, Algorithm::PS256]),
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS256)) => Some(&[Algorithm::RS256]),
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::PS256)) => Some(&[Algorithm::PS256]),
        (AlgorithmParameters::EllipticCurve(key), None | Some(KeyAlgorithm::ES256))
            if key.curve == EllipticCurve::P256 =>
        {
            Some(&[Algorithm::ES256])
        }
        (AlgorithmParameters::OctetKeyPair(key), None | Some(KeyAlgorithm::EdDSA))
            if key.curve == EllipticCurve::Ed25519 =>
        {
            Some(&[Algorithm::EdDSA])
        }
        _ => None,
    }
}
