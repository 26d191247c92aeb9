//! Proof Key for Code Exchange (RFC 7636), with S256 only: Puzzel's request has no field for the
//! method.

use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::id::InvalidId;

/// The secret half of a pair: 43 characters, from 256 random bits (section 4.1).
#[derive(Debug)]
pub struct CodeVerifier(SecretString);

/// The public half of a pair: base64url without padding of the verifier's SHA-256 (section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeVerifier {
    /// Generates a verifier from random bytes that the operating system seeds.
    ///
    /// # Errors
    /// If no randomness is available.
    pub fn generate() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice())?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()))
    }

    /// The challenge that this verifier proves.
    pub fn challenge(&self) -> CodeChallenge {
        let hash = digest(&SHA256, self.expose().as_bytes());
        CodeChallenge(URL_SAFE_NO_PAD.encode(hash))
    }

    /// The verifier itself, for Puzzel only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl CodeChallenge {
    /// The challenge as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CodeChallenge {
    type Err = InvalidId;

    /// Accepts only what can be the S256 of a verifier. (A plain verifier that was made from 32
    /// bytes has the same form and cannot be distinguished; its proof then fails at Puzzel.)
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // Decoding is strict: it rejects padding, other alphabets, and a last character with either
        // of its two spare bits set.
        let is_hash = URL_SAFE_NO_PAD
            .decode(text)
            .is_ok_and(|hash| hash.len() == SHA256.output_len());
        if is_hash {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId(
                "the S256 challenge of RFC 7636: 43 characters of base64url without padding, the last of them one of AEIMQUYcgkosw048",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_challenge_matches_the_example_of_the_rfc() {
        let verifier = CodeVerifier(VERIFIER.into());
        assert_eq!(verifier.challenge(), CHALLENGE.parse().unwrap());
    }

    #[test]
    fn a_verifier_is_new_each_time_and_43_unreserved_characters() {
        let verifiers: std::collections::HashSet<_> = (0..100)
            .map(|_| CodeVerifier::generate().unwrap().expose().to_owned())
            .collect();
        assert_eq!(verifiers.len(), 100);
        for verifier in verifiers {
            assert_eq!(verifier.len(), 43);
            assert!(
                verifier
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            );
        }
    }

    #[test]
    fn the_challenge_of_a_verifier_parses() {
        let challenge = CodeVerifier::generate().unwrap().challenge();
        assert_eq!(challenge.as_str().parse(), Ok(challenge.clone()));
    }

    #[test]
    fn only_an_s256_challenge_parses() {
        let stem = CHALLENGE.strip_suffix('M').unwrap();
        for last in ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .chain(['-', '_'])
        {
            let possible = "AEIMQUYcgkosw048".contains(last);
            let parsed = format!("{stem}{last}").parse::<CodeChallenge>();
            assert_eq!(parsed.is_ok(), possible, "{last}");
        }
        for other in [
            String::new(),
            stem.to_owned(),
            format!("{CHALLENGE}="),
            format!("{CHALLENGE}A"),
            format!("{stem}="),
            CHALLENGE.replace('-', "+"),
            CHALLENGE.replace('-', "."),
            format!("{CHALLENGE}\n"),
            format!(" {stem}"),
            format!("{VERIFIER}~"),
        ] {
            assert!(other.parse::<CodeChallenge>().is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_verifier_is_not_printed() {
        let verifier = CodeVerifier::generate().unwrap();
        assert!(!format!("{verifier:?}").contains(verifier.expose()));
    }
}
