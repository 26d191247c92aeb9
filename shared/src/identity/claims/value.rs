//! Claims as typed values: an identifier, a text, an email, a flag, a time.

use std::borrow::Cow;

use serde_json::{Map, Value};
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

use super::ClaimName;
use crate::identity::email::{Address, EmailOmitted};

/// The beginning of Azure AD B2C's `sub` for every user, if the subject is switched off.
const PLACEHOLDER: &str = "Not supported currently.";
/// Maximum difference between the clocks of the identity provider and of this service.
const LEEWAY_MILLIS: u64 = 60_000;

/// The claims about a caller.
pub struct CallerClaims {
    values: Map<String, Value>,
    is_spelled: bool,
}

impl CallerClaims {
    /// Claims of any JSON type, as the identity provider or an authorizer made them.
    pub fn typed(values: Map<String, Value>) -> Self {
        Self {
            values,
            is_spelled: false,
        }
    }

    /// Claims that API Gateway has turned into text: a list is `[a b]`, an object `map[k:v]`, null
    /// `<nil>`, and a large number `1.2e+18`. A value that is not text is taken as it is.
    pub fn spelled(values: Map<String, Value>) -> Self {
        Self {
            values,
            is_spelled: true,
        }
    }

    /// The identifier in a claim, as a string whatever its type. `None` if it identifies no one.
    pub fn identifier(&self, name: &ClaimName) -> Option<String> {
        let value = name.of(&self.values)?;
        if self.is_spelled && value.as_str().is_some_and(was_not_text) {
            return None;
        }
        identifier(value).filter(|id| !id.is_empty() && !id.starts_with(PLACEHOLDER))
    }

    /// The text in a claim.
    pub fn text(&self, name: &ClaimName) -> Option<&str> {
        let text = name.of(&self.values)?.as_str()?;
        (!self.is_spelled || !was_not_text(text)).then_some(text)
    }

    /// The email in a claim, of any length. A list with exactly one element counts as that element.
    pub fn email(&self, name: &ClaimName) -> Result<Address<'_>, EmailOmitted> {
        let element = match name.of(&self.values) {
            Some(Value::Array(items)) => match items.as_slice() {
                [one] => one,
                _ => return Err(EmailOmitted::Malformed),
            },
            Some(value) => value,
            None => &Value::Null,
        };
        let text = match element {
            Value::Null => return Err(EmailOmitted::NoClaim),
            Value::String(text) if self.is_spelled => the_one_element(text),
            Value::String(text) => Some(text.as_str()),
            _ => None,
        };
        text.and_then(Address::parse).ok_or(EmailOmitted::Malformed)
    }

    /// A flag in its written form: the words and numbers that mean yes or no.
    pub fn flag(&self, name: &ClaimName) -> Option<Cow<'_, str>> {
        match name.of(&self.values)? {
            Value::String(text) => Some(text.into()),
            Value::Bool(flag) => Some(if *flag { "true" } else { "false" }.into()),
            Value::Number(number) => Some(number.to_string().into()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A time that is not in the future, in milliseconds since 1970. The claim contains seconds
    /// since 1970, or ISO 8601, in UTC unless it has an offset.
    pub fn time(&self, name: &ClaimName, now_millis: u64) -> Option<u64> {
        let millis = match name.of(&self.values)? {
            Value::Number(seconds) => from_seconds(seconds.as_f64()?),
            Value::String(text) => match text.trim().parse() {
                Ok(seconds) => from_seconds(seconds),
                Err(_) => from_iso_8601(text.trim()),
            },
            _ => None,
        };
        millis.filter(|millis| *millis <= now_millis + LEEWAY_MILLIS)
    }
}

/// An identifier as a string: text, or a whole number. Any other number has more than one spelling,
/// and two large ones may be read as the same, so it identifies no one.
pub fn identifier(claim: &Value) -> Option<String> {
    match claim {
        Value::String(id) => Some(id.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// Whether API Gateway's text stands for a list, an object, null, a boolean, or a number that has
/// gone through a double.
fn was_not_text(text: &str) -> bool {
    matches!(text, "<nil>" | "null" | "true" | "false")
        || (text.ends_with(']') && (text.starts_with('[') || text.starts_with("map[")))
        || is_scientific(text)
}

/// A number as Go writes it in scientific notation: `1e+06`, `-1.2345e-07`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return false;
    };
    let is_digits =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    is_digits(whole)
        && is_digits(fraction)
        && exponent.strip_prefix(['+', '-']).is_some_and(is_digits)
}

/// API Gateway's text itself, or the element if it stands for a list of one. An element with a
/// separator or a bracket in it is more than one.
fn the_one_element(text: &str) -> Option<&str> {
    let list = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match list {
        Some(element) => {
            let is_several = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"' | ',');
            let element = element.trim();
            (!element.contains(is_several) && !was_not_text(element)).then_some(element)
        }
        None => (!was_not_text(text)).then_some(text),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number from 1 to 1e15 is whole in both types"
)]
fn from_seconds(seconds: f64) -> Option<u64> {
    let millis = (seconds * 1000.0).floor();
    (1.0..1e15).contains(&millis).then_some(millis as u64)
}

fn from_iso_8601(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Iso8601::PARSING)
        .or_else(|_| {
            PrimitiveDateTime::parse(text, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc)
        })
        .or_else(|_| {
            Date::parse(text, &Iso8601::PARSING)
                .map(|day| PrimitiveDateTime::new(day, Time::MIDNIGHT).assume_utc())
        })
        .ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests;
