//! An issuer with fixed keys, and the attackers who impersonate it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};

/// The signer of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// `d`: the issuer's Ed25519 key.
    Edwards,
    /// `e`: the issuer's P-256 key.
    Elliptic,
    /// `r`: the issuer's RSA key, as RS256.
    Rsa,
    /// `p`: the issuer's RSA key, as PS256.
    RsaPss,
    /// `f`: an Ed25519 key of someone else.
    Foreign,
    /// `h`: HS256, with the public half of the issuer's Ed25519 key as the secret.
    PublicKey,
    /// `o`: HS256, with a symmetric key from the issuer's key set.
    Symmetric,
    /// `g`: no signer; the signature is part of the input.
    Given,
}

impl Signer {
    /// The signer of a letter.
    pub fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "d" => Self::Edwards,
            "e" => Self::Elliptic,
            "r" => Self::Rsa,
            "p" => Self::RsaPss,
            "f" => Self::Foreign,
            "h" => Self::PublicKey,
            "o" => Self::Symmetric,
            "g" => Self::Given,
            _ => return None,
        })
    }

    /// Whether it is the issuer, with one of its keys.
    pub fn is_issuers(self) -> bool {
        matches!(
            self,
            Self::Edwards | Self::Elliptic | Self::Rsa | Self::RsaPss
        )
    }

    /// The `alg` and `kid` of an issuer's key.
    pub fn names(self) -> (Option<&'static Value>, Option<&'static Value>) {
        static NAMES: std::sync::LazyLock<[[Value; 2]; 4]> = std::sync::LazyLock::new(|| {
            [
                ["EdDSA", "ed"],
                ["ES256", "ec"],
                ["RS256", "rsa"],
                ["PS256", "rsa"],
            ]
            .map(|it| it.map(Value::from))
        });
        let names = match self {
            Self::Edwards => &NAMES[0],
            Self::Elliptic => &NAMES[1],
            Self::Rsa => &NAMES[2],
            Self::RsaPss => &NAMES[3],
            _ => return (None, None),
        };
        (Some(&names[0]), Some(&names[1]))
    }
}

/// An issuer that serves discovery and keys.
pub struct Issuer {
    /// Its URL.
    pub url: String,
    edwards: Ed25519KeyPair,
    foreign: Ed25519KeyPair,
    elliptic: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

/// The private key of RFC 7515, A.3, and its public point.
const P256: [&str; 3] = [
    "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
];
const SYMMETRIC: &[u8] = b"a symmetric key has no place here";

impl Issuer {
    /// Starts it on a free port. Its RSA key is new each time, since we have no fixed one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let [private, x, y] = P256.map(|it| BASE64URL.decode(it).expect("base64url"));
        let public = [&[4], x.as_slice(), &y].concat();
        let issuer = Self {
            url,
            edwards: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed"),
            foreign: Ed25519KeyPair::from_seed_unchecked(&[8; 32]).expect("a seed"),
            elliptic: EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &private,
                &public,
            )
            .expect("the RFC's key"),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"),
        };
        let (discovery, keys) = issuer.documents();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // If it fails, the client can ask again.
                let _ = respond(&stream, &discovery, &keys);
            }
        });
        issuer
    }

    fn documents(&self) -> (String, String) {
        let discovery = json!({"issuer": self.url, "jwks_uri": format!("{}/keys", self.url)});
        let rsa = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
        let [n, e] = [&rsa.n, &rsa.e].map(|it| BASE64URL.encode(it));
        let keys = json!({"keys": [
            {"kid": "ed", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA",
             "x": BASE64URL.encode(self.edwards.public_key().as_ref())},
            {"kid": "ec", "kty": "EC", "crv": "P-256", "use": "sig", "x": P256[1], "y": P256[2]},
            {"kid": "rsa", "kty": "RSA", "n": n, "e": e},
            {"kid": "enc", "kty": "RSA", "use": "enc", "n": n, "e": e},
            {"kid": "oct", "kty": "oct", "k": BASE64URL.encode(SYMMETRIC)},
        ]});
        (discovery.to_string(), keys.to_string())
    }

    /// A token with `header` and `claims` unchanged, signed by `signer`.
    pub fn token(&self, signer: Signer, header: &str, claims: &str, given: &str) -> String {
        let [header, claims] = [header, claims].map(|it| BASE64URL.encode(it));
        let message = format!("{header}.{claims}");
        let bytes = message.as_bytes();
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa
                .sign(encoding, &random, bytes, &mut signature)
                .expect("a signature");
            signature
        };
        let hs256 = |secret: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::sign(&key, bytes).as_ref().to_vec()
        };
        let signature = match signer {
            Signer::Edwards => self.edwards.sign(bytes).as_ref().to_vec(),
            Signer::Foreign => self.foreign.sign(bytes).as_ref().to_vec(),
            Signer::Elliptic => {
                let signature = self.elliptic.sign(&random, bytes).expect("a signature");
                signature.as_ref().to_vec()
            }
            Signer::Rsa => rsa(&RSA_PKCS1_SHA256),
            Signer::RsaPss => rsa(&RSA_PSS_SHA256),
            Signer::PublicKey => hs256(self.edwards.public_key().as_ref()),
            Signer::Symmetric => hs256(SYMMETRIC),
            Signer::Given => return format!("{message}.{given}"),
        };
        format!("{message}.{}", BASE64URL.encode(signature))
    }
}

fn respond(mut stream: &TcpStream, discovery: &str, keys: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let body = if asked.starts_with("GET /keys ") {
        keys
    } else {
        discovery
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
