//! Ids made from data that must not appear in a key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::identity::email::EmailKey;
use crate::sunshine::{AppId, BrandId};

/// The version of the hashed format.
const FORMAT_VERSION: &str = "1";

/// The app, and the brand if users are separated by brand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The Sunshine app.
    pub app_id: AppId,
    /// The brand, if any.
    pub brand_id: Option<BrandId>,
}

impl Scope {
    /// The id of the conflict over an email.
    pub fn conflict_over_email(&self, email: &EmailKey) -> ConflictId {
        self.hash(email.as_str())
    }

    /// The id of the conflict over a user that has no email.
    pub fn conflict_over_user(&self, user_id: &str) -> ConflictId {
        // A verified email has no colon before its first @, so the two kinds cannot collide.
        self.hash(&format!("user:{user_id}"))
    }

    pub(super) fn hash(&self, subject: &str) -> ConflictId {
        let brand = self.brand_id.as_ref().map_or("", BrandId::as_str);
        hash(&[FORMAT_VERSION, self.app_id.as_str(), brand, subject])
    }
}

/// The first 32 hex digits of SHA-256 over the parts, joined with NUL.
pub(super) fn hash(parts: &[&str]) -> ConflictId {
    let sum = digest(&SHA256, parts.join("\0").as_bytes());
    ConflictId(hex::encode(sum.as_ref()).chars().take(32).collect())
}

/// The id of a conflict: the first 32 hex digits of SHA-256 over a format version, the app, the
/// brand and the email (or `user:` and the id of a user without an email), joined with NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ConflictId(String);

/// A string that is not a conflict id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a conflict id has 32 hex digits")]
pub struct InvalidConflictId;

impl ConflictId {
    /// The id's 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ConflictId {
    type Error = InvalidConflictId;

    fn try_from(id: String) -> Result<Self, InvalidConflictId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if id.len() == 32 && id.bytes().all(is_hex) {
            Ok(Self(id))
        } else {
            Err(InvalidConflictId)
        }
    }
}

impl FromStr for ConflictId {
    type Err = InvalidConflictId;

    fn from_str(id: &str) -> Result<Self, InvalidConflictId> {
        id.to_owned().try_into()
    }
}

/// The key of an import pair, and the batch under which it is listed. It contains only hashes of
/// the external ids and of the batch's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairRef {
    pub(super) key: String,
    pub(super) list: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_documented_hash() {
        let scope = Scope {
            app_id: "app".parse().unwrap(),
            brand_id: None,
        };
        let id = scope.conflict_over_email(&EmailKey::from(" Anna@Example.com"));
        // printf '1\0app\0\0anna@example.com' | sha256sum
        assert_eq!(id.as_str(), "c5bbf11f01d421508b6899adf284b4ec");
        let branded = Scope {
            brand_id: Some("b".parse().unwrap()),
            ..scope
        };
        assert_ne!(
            branded.conflict_over_email(&EmailKey::from("anna@example.com")),
            id
        );
    }

    #[test]
    fn only_lowercase_hex_is_an_id() {
        assert!(
            "0123456789abcdef0123456789abcdef"
                .parse::<ConflictId>()
                .is_ok()
        );
        for id in [
            "",
            "0123456789ABCDEF0123456789ABCDEF",
            "../../../../../../../../../../..",
        ] {
            assert!(id.parse::<ConflictId>().is_err(), "{id}");
        }
    }
}
