//! Keys and tokens, valid and hostile. They are signed with `aws-lc-rs` itself and not with the JWT
//! library that the functions verify with, so that the two cannot share a mistake.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The signature algorithm of an issuer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[allow(missing_docs)] // the names are those of RFC 7518, and of RFC 9864 for the last one
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
    Ed25519,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A private key with its `kid`.
pub struct Key {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A new key pair.
    pub fn generate(kid: impl Into<String>, algorithm: Algorithm) -> Self {
        let rsa = |encoding| {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
            Pair::Rsa(pair, encoding)
        };
        let ec = |curve| Pair::Ec(EcdsaKeyPair::generate(curve).expect("an EC key"));
        let pair = match algorithm {
            Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::PS256 => rsa(&RSA_PSS_SHA256),
            Algorithm::PS384 => rsa(&RSA_PSS_SHA384),
            Algorithm::PS512 => rsa(&RSA_PSS_SHA512),
            Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::ES512 => ec(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDSA | Algorithm::Ed25519 => {
                Pair::Ed(Ed25519KeyPair::generate().expect("an Ed25519 key"))
            }
        };
        Self {
            kid: kid.into(),
            algorithm,
            pair,
        }
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` under which the JWKS has it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair, _) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": base64url(&public.n), "e": base64url(&public.e)})
            }
            Pair::Ec(pair) => {
                // An uncompressed point: 0x04, x, y.
                let (x, y) = {
                    let point = &pair.public_key().as_ref()[1..];
                    point.split_at(point.len() / 2)
                };
                let curve = match self.algorithm {
                    Algorithm::ES384 => "P-384",
                    Algorithm::ES512 => "P-521",
                    _ => "P-256",
                };
                json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref())})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(format!("{:?}", self.algorithm));
        jwk
    }

    /// The public half in PEM, which an `alg` confusion attack uses as the HS256 secret.
    pub fn public_pem(&self) -> String {
        let der = match &self.pair {
            Pair::Rsa(pair, _) => pair.public_key().as_der(),
            Pair::Ec(pair) => pair.public_key().as_der(),
            Pair::Ed(pair) => pair.public_key().as_der(),
        }
        .expect("a public key");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|start| &text[start..text.len().min(start + 64)])
            .collect();
        let body = lines.join("\n");
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    /// The header that a well-behaved issuer writes.
    pub fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "typ": "JWT", "kid": self.kid})
    }

    /// A token with this key's own header.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(&self.header(), claims)
    }

    /// A token with any header, true or false, signed by this key.
    pub fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message.as_bytes(), &mut signature)
                    .expect("a signature");
                signature
            }
            Pair::Ec(pair) => pair
                .sign(&random, message.as_bytes())
                .expect("a signature")
                .as_ref()
                .to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", base64url(&signature))
    }
}

/// An unsecured JWT (RFC 7519, 6): `alg` is `none` unless the header says otherwise.
pub fn unsigned(mut header: Value, claims: &Value) -> String {
    if header.get("alg").is_none() {
        header["alg"] = json!("none");
    }
    format!("{}.", message(&header, claims))
}

/// An HS256 token: a messaging JWT, or an attack with a public key as the secret.
pub fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64url(tag.as_ref()))
}

/// The claims of a token, unverified.
pub fn claims_of(token: &str) -> Option<Value> {
    part(token, 1)
}

/// The header of a token.
pub fn header_of(token: &str) -> Option<Value> {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Option<Value> {
    let part = token.split('.').nth(index)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn message(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| base64url(part.to_string().as_bytes()));
    format!("{header}.{claims}")
}

/// Base64url without padding, as the parts of a token have it.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_of_every_algorithm_verifies_its_signature() {
        for (algorithm, verification) in [
            (
                Algorithm::RS256,
                &signature::RSA_PKCS1_2048_8192_SHA256 as &dyn signature::VerificationAlgorithm,
            ),
            (Algorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
            (Algorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
            (Algorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
            (Algorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
            (Algorithm::ES256, &signature::ECDSA_P256_SHA256_FIXED),
            (Algorithm::ES384, &signature::ECDSA_P384_SHA384_FIXED),
            (Algorithm::ES512, &signature::ECDSA_P521_SHA512_FIXED),
            (Algorithm::EdDSA, &signature::ED25519),
            (Algorithm::Ed25519, &signature::ED25519),
        ] {
            let key = Key::generate("a", algorithm);
            let public = match &key.pair {
                Pair::Rsa(pair, _) => pair.public_key().as_ref().to_vec(),
                Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
                Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
            };
            let token = key.sign(&json!({"sub": "1"}));
            let (message, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            verification
                .verify_sig(&public, message.as_bytes(), &signature)
                .unwrap_or_else(|_| panic!("{algorithm:?}"));
        }
    }
}
