//! The name of a claim, or the path to a value inside an object.

use std::str::FromStr;

use serde_json::{Map, Value};

/// The name of a claim. A name that begins with `/` is a JSON Pointer (RFC 6901): `/customer/id` is
/// the field `id` of the claim `customer`, and `/email` is the claim `email`.
#[derive(Debug, Clone)]
pub struct ClaimName {
    /// The name as it was configured.
    text: String,
    claim: String,
    /// The path inside the claim.
    steps: Vec<String>,
}

/// A `~` in a JSON Pointer that is neither `~0` nor `~1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPointer;

impl ClaimName {
    /// A name that is not a pointer.
    pub(super) fn plain(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            claim: name.to_owned(),
            steps: Vec::new(),
        }
    }

    /// The name as it was configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a JSON Pointer, which finds nothing in claims that are all text.
    pub fn is_pointer(&self) -> bool {
        self.text.starts_with('/')
    }

    /// Whether it names the claim `name` itself, however it is written.
    pub fn is(&self, name: &str) -> bool {
        self.claim == name && self.steps.is_empty()
    }

    /// Whether it names the claim `name` or anything in it.
    pub fn is_in(&self, name: &str) -> bool {
        self.claim == name
    }

    /// The value in `claims`, if there is one.
    pub fn of<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        self.steps
            .iter()
            .try_fold(claims.get(&self.claim)?, |value, step| match value {
                Value::Object(fields) => fields.get(step),
                Value::Array(items) => items.get(index(step)?),
                _ => None,
            })
    }
}

/// Two names are equal if they lead to the same value.
impl PartialEq for ClaimName {
    fn eq(&self, other: &Self) -> bool {
        self.claim == other.claim && self.steps == other.steps
    }
}

impl FromStr for ClaimName {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        let Some(pointer) = text.strip_prefix('/') else {
            return Ok(Self::plain(text));
        };
        let mut steps = pointer.split('/').map(unescape);
        Ok(Self {
            text: text.to_owned(),
            claim: steps.next().unwrap_or(Err(InvalidPointer))?,
            steps: steps.collect::<Result<_, _>>()?,
        })
    }
}

/// RFC 6901, section 4: `~1` is a slash, `~0` a tilde, and no other escape is allowed.
fn unescape(step: &str) -> Result<String, InvalidPointer> {
    let mut parts = step.split('~');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', part.get(1..)),
            Some(b'1') => ('/', part.get(1..)),
            _ => return Err(InvalidPointer),
        };
        unescaped.push(escaped);
        unescaped.push_str(rest.unwrap_or_default());
    }
    Ok(unescaped)
}

/// RFC 6901, section 4: digits without a leading zero.
fn index(step: &str) -> Option<usize> {
    let is_index = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| is_index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> ClaimName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_a_claim_and_a_pointer_leads_into_it() {
        let claims = json!({
            "sub": "1",
            "customer.id": "2",
            "https://example.com/id": "3",
            "customer": {"id": "4", "a/b": {"c~d": "5"}, "": "6", "ids": ["7", {"id": "8"}]},
            "a/b": "9",
        });
        let claims = claims.as_object().unwrap();
        for (text, value) in [
            ("sub", Some("1")),
            ("/sub", Some("1")),
            ("customer.id", Some("2")),
            ("https://example.com/id", Some("3")),
            ("/https:~1~1example.com~1id", Some("3")),
            ("/customer/id", Some("4")),
            ("/customer/a~1b/c~0d", Some("5")),
            ("/customer/", Some("6")),
            ("/customer/ids/0", Some("7")),
            ("/customer/ids/1/id", Some("8")),
            ("a/b", Some("9")),
            ("/a/b", None),
            ("/customer/ids/2", None),
            ("/customer/ids/00", None),
            ("/customer/ids/+1", None),
            ("/customer/ids/-", None),
            ("/customer/id/0", None),
            ("/sub/0", None),
            ("/", None),
            ("Sub", None),
        ] {
            assert_eq!(
                name(text).of(claims).and_then(Value::as_str),
                value,
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_escape_is_not_a_pointer() {
        for text in ["/~", "/a~", "/a~2b", "/a/~~0", "/a~ /b"] {
            assert!(text.parse::<ClaimName>().is_err(), "{text}");
        }
        // A name without a slash in front has no escapes.
        assert!(name("a~b").is("a~b"));
    }

    #[test]
    fn a_name_and_a_pointer_to_the_same_value_are_equal() {
        assert_eq!(name("/email"), name("email"));
        assert_eq!(name("/a~1b"), name("a/b"));
        assert_ne!(name("/a/b"), name("a/b"));
        assert_ne!(name("/email/0"), name("email"));
        assert!(name("/user_metadata/id").is_in("user_metadata"));
        assert!(name("user_metadata").is_in("user_metadata"));
        assert!(!name("/user_metadata/id").is("user_metadata"));
        assert!(!name("user_metadata.id").is_in("user_metadata"));
    }
}
