use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const IN_TIME: Duration = Duration::from_secs(20);

/// A private key of the issuer, or of someone else.
enum Signer {
    Edwards(Ed25519KeyPair),
    Elliptic(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    fn edwards(seed: u8) -> Self {
        Self::Edwards(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn elliptic() -> Self {
        Self::Elliptic(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Edwards(_) => "EdDSA",
            Self::Elliptic(_) => "ES256",
            Self::Rsa(_) => "RS256",
        }
    }

    fn jwk(&self) -> Value {
        match self {
            Self::Edwards(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(key.public_key())})
            }
            Self::Elliptic(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)})
            }
            Self::Rsa(key) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "n": base64(public.n), "e": base64(public.e)})
            }
        }
    }

    fn named(&self, kid: &str) -> Value {
        let mut jwk = self.jwk();
        jwk["kid"] = json!(kid);
        jwk
    }

    fn token(&self, kid: Option<&str>, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": kid});
        let parts = [&header, claims].map(|part| base64(part.to_string()));
        let message = parts.join(".");
        let bytes = message.as_bytes();
        let random = SystemRandom::new();
        let signature = match self {
            Self::Edwards(key) => base64(key.sign(bytes)),
            Self::Elliptic(key) => base64(key.sign(&random, bytes).unwrap()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature)
                    .unwrap();
                base64(signature)
            }
        };
        format!("{message}.{signature}")
    }
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Serves the issuer's documents, the keys with much that is not known beside them.
async fn serve(server: &MockServer, keys: &Value) {
    let url = server.uri();
    let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
    let keys = json!({"keys": keys, "more": "x".repeat(200_000)});
    for (at, document) in [
        ("/.well-known/openid-configuration", discovery),
        ("/keys", keys),
    ] {
        let response = ResponseTemplate::new(200).set_body_json(document);
        let mock = Mock::given(path(at)).respond_with(response);
        mock.mount(server).await;
    }
}

/// A verifier for the audiences `shop` and `app`, and its issuer, which has these keys.
struct Issuer {
    server: MockServer,
    verifier: Verifier,
}

impl Issuer {
    async fn with(keys: Value) -> Self {
        let server = MockServer::start().await;
        serve(&server, &keys).await;
        let url = server.uri();
        let variables = [
            ("OIDC_ISSUER", url.as_str()),
            ("OIDC_AUDIENCE", "shop, app"),
            ("OIDC_AUDIENCE_CLAIM", "azp"),
        ];
        Self {
            verifier: Verifier::from_variables(&variables.into_iter().collect()).unwrap(),
            server,
        }
    }

    /// Claims of a valid token, with these changes.
    fn claims(&self, changes: &Value) -> Value {
        let mut claims = json!({
            "iss": self.server.uri(), "sub": "7", "aud": "shop", "exp": now() + 600,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    /// The subject of a valid token, or the cause of the refusal.
    async fn verify(&self, token: &str) -> Result<String, String> {
        match self.verifier.verify(token, Deadline::after(IN_TIME)).await {
            Ok(claims) => Ok(claims["sub"].as_str().unwrap().to_owned()),
            Err(VerifyError::Invalid(cause)) => Err(cause.into_owned()),
            Err(error) => panic!("{error}"),
        }
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[tokio::test]
async fn the_claims_of_a_token_must_be_for_us_and_for_now() {
    let key = Signer::edwards(1);
    let issuer = Issuer::with(json!([key.named("a")])).await;
    let (past, future) = (|by| now() - by, |by| now() + by);
    let (expired, early) = ("it has expired", "it is not valid yet");
    let (elsewhere, no_one) = ("it is for another audience", "it has no subject");
    for (changes, refusal) in [
        (json!({}), None),
        // A minute between the clocks is tolerated.
        (json!({"exp": past(50)}), None),
        (json!({"exp": past(62)}), Some(expired)),
        (json!({"exp": null}), Some("it never expires")),
        (json!({"exp": "soon"}), Some("it never expires")),
        (json!({"nbf": future(50)}), None),
        (json!({"nbf": future(80)}), Some(early)),
        (json!({"nbf": null}), None),
        (json!({"nbf": "now"}), Some("its nbf is not a number")),
        (json!({"aud": "app"}), None),
        (json!({"aud": ["other", "app"]}), None),
        (json!({"aud": "other"}), Some(elsewhere)),
        (json!({"aud": ["other"]}), Some(elsewhere)),
        (json!({"aud": 7}), Some(elsewhere)),
        // Other claims decide only without an audience.
        (
            json!({"aud": "other", "client_id": "shop"}),
            Some(elsewhere),
        ),
        (json!({"aud": null}), Some(elsewhere)),
        (json!({"aud": []}), Some(elsewhere)),
        (json!({"aud": null, "client_id": "shop"}), None),
        (json!({"aud": [], "client_id": "shop"}), None),
        (json!({"aud": null, "client_id": "other"}), Some(elsewhere)),
        (json!({"aud": null, "azp": "app"}), None),
        (json!({"aud": null, "azp": "other"}), Some(elsewhere)),
        (json!({"sub": null}), Some(no_one)),
        (json!({"sub": ""}), Some(no_one)),
        (
            json!({"iss": "https://other.example"}),
            Some("it is another issuer's"),
        ),
        (json!({"iss": null}), Some("it is another issuer's")),
    ] {
        let token = key.token(Some("a"), &issuer.claims(&changes));
        let expected = refusal.map_or(Ok("7".to_owned()), |cause| Err(cause.to_owned()));
        assert_eq!(issuer.verify(&token).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn a_token_is_signed_with_a_key_of_its_issuer() {
    let (edwards, elliptic, rsa) = (Signer::edwards(1), Signer::elliptic(), Signer::rsa());
    let mut encrypts = Signer::edwards(2).named("encrypts");
    encrypts["use"] = json!("enc");
    let keys = json!([
        edwards.named("ed"),
        elliptic.named("ec"),
        rsa.named("rsa"),
        encrypts
    ]);
    let issuer = Issuer::with(keys).await;
    let (wrong, unknown) = (
        "its signature is wrong",
        "it is not signed with a key of its issuer",
    );
    let foreign = Signer::edwards(3);
    for (signer, kid, refusal) in [
        (&edwards, Some("ed"), None),
        (&elliptic, Some("ec"), None),
        (&rsa, Some("rsa"), None),
        // Without a name each key that fits is tried.
        (&edwards, None, None),
        (&rsa, None, None),
        (&foreign, None, Some(unknown)),
        (&foreign, Some("ed"), Some(wrong)),
        // A key of another name, or of another type, is not tried.
        (&edwards, Some("other"), Some(unknown)),
        (&edwards, Some("rsa"), Some(unknown)),
        (&Signer::edwards(2), Some("encrypts"), Some(unknown)),
    ] {
        let token = signer.token(kid, &issuer.claims(&json!({})));
        let expected = refusal.map_or(Ok("7".to_owned()), |cause| Err(cause.to_owned()));
        let algorithm = signer.algorithm();
        assert_eq!(issuer.verify(&token).await, expected, "{algorithm} {kid:?}");
    }
}

#[tokio::test]
async fn a_token_with_a_new_name_may_be_signed_with_a_key_without_one() {
    let (named, unnamed) = (Signer::edwards(1), Signer::edwards(2));
    let issuer = Issuer::with(json!([named.named("a"), unnamed.jwk()])).await;
    let claims = issuer.claims(&json!({}));
    for (signer, kid, is_valid) in [
        (&unnamed, Some("new"), true),
        (&unnamed, None, true),
        (&named, None, true),
        (&named, Some("new"), false),
        (&unnamed, Some("a"), false),
    ] {
        let token = signer.token(kid, &claims);
        assert_eq!(issuer.verify(&token).await.is_ok(), is_valid, "{kid:?}");
    }
}

#[tokio::test]
async fn a_token_may_be_signed_with_a_key_that_cannot_be_fetched_now() {
    let (known, newer) = (Signer::edwards(1), Signer::edwards(2));
    let issuer = Issuer::with(json!([known.named("a")])).await;
    let claims = issuer.claims(&json!({}));
    let known = known.token(Some("a"), &claims);
    assert!(issuer.verify(&known).await.is_ok());
    issuer.server.reset().await;
    let newer = newer.token(Some("b"), &claims);
    for _ in 0..2 {
        let refused = issuer
            .verifier
            .verify(&newer, Deadline::after(IN_TIME))
            .await;
        let status = KeysError::Status {
            document: "discovery",
            status: 404,
        };
        assert_eq!(refused, Err(VerifyError::KeysUnavailable(status)));
        assert!(issuer.verify(&known).await.is_ok());
    }
    assert_eq!(issuer.server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (old, new) = (Signer::edwards(1), Signer::edwards(2));
    let issuer = Issuer::with(json!([old.named("a")])).await;
    let claims = issuer.claims(&json!({}));
    assert!(issuer.verify(&old.token(Some("a"), &claims)).await.is_ok());
    issuer.server.reset().await;
    serve(&issuer.server, &json!([new.named("b")])).await;
    assert!(issuer.verify(&new.token(Some("b"), &claims)).await.is_ok());
    // The issuer has dropped the old key.
    assert!(issuer.verify(&old.token(Some("a"), &claims)).await.is_err());
}
