//! The workload of each function, and the expected responses.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::world::{EMPTY_TABLE, SIGNING_SECRET, WEBHOOK_SECRET, World};
use harness::lambda::{HttpEvent, HttpResponse};
use local_stack::issuer::Issuer;
use local_stack::webhook;

/// The user of the signed tokens.
const USER: &str = "123456";
/// RFC 7636 Appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// A time that is longer than any run.
const TOKEN_SECONDS: u32 = 86_400;

/// A function's workload.
pub struct Work {
    /// The events, one for each invocation.
    pub event: Box<dyn FnMut() -> String>,
    /// Checks a response; the error says what is wrong with it.
    pub check: fn(&[u8]) -> Result<(), String>,
    /// The variables of this workload only.
    pub variables: &'static [(&'static str, &'static str)],
}

/// The kinds of workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the functions' own names
pub enum Kind {
    Constant,
    Sign,
    SignBearer,
    ReportConflict,
    CleanConflicts,
    ReceiveWebhook,
    ExchangeIdentity,
}

impl Kind {
    /// A description of one event, for the reader of the table.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Constant => "an HTTP API event; a constant comes back",
            Self::Sign => "`POST /zendesk/token` with a JWT authorizer's claims; no network",
            Self::SignBearer => {
                "`POST /zendesk/token` with a bearer token (RS256) that the function verifies itself; \
                 no network"
            }
            Self::ReportConflict => {
                "`POST /zendesk/conflicts`, each of another user: a new conflict in the table"
            }
            Self::CleanConflicts => {
                "`{\"action\":\"drain\"}` with nothing due: the run lease is taken and released, \
                 and the due index read"
            }
            Self::ReceiveWebhook => {
                "`POST /webhooks/zendesk`, a signed change of an external_id, each another; \
                 verified, deduplicated and recorded in the table"
            }
            Self::ExchangeIdentity => {
                "`POST /puzzel/identity`; Puzzel verifies the token (RS256) and responds"
            }
        }
    }

    /// Whether a request needs an upstream.
    pub fn calls_upstream(self) -> bool {
        match self {
            Self::ReportConflict | Self::ReceiveWebhook | Self::ExchangeIdentity => true,
            Self::Constant | Self::Sign | Self::SignBearer | Self::CleanConflicts => false,
        }
    }

    /// Its workload in this world.
    pub fn work(self, world: &World) -> Work {
        match self {
            Self::Constant => Work::constant(&request("/zendesk/token", world), accept),
            Self::Sign => Work::constant(&request("/zendesk/token", world), check_token),
            Self::SignBearer => Work {
                variables: &[("IDENTITY_SOURCE", "bearer")],
                ..Work::constant(&request("/zendesk/token", world), check_token)
            },
            Self::ReportConflict => Work {
                event: each_another(reported),
                check: |response| check_status(response, 202),
                variables: &[],
            },
            Self::CleanConflicts => Work {
                variables: &[("CONFLICTS_TABLE", EMPTY_TABLE)],
                ..Work::constant(&json!({"action": "drain"}), check_drain)
            },
            Self::ReceiveWebhook => Work {
                event: each_another(delivered),
                check: |response| check_status(response, 200),
                variables: &[],
            },
            Self::ExchangeIdentity => {
                let event = exchanged(&world.issuer);
                Work::constant(&event, |response| check_status(response, 200))
            }
        }
    }
}

impl Work {
    fn constant(event: &Value, check: fn(&[u8]) -> Result<(), String>) -> Self {
        let event = event.to_string();
        Self {
            event: Box::new(move || event.clone()),
            check,
            variables: &[],
        }
    }
}

fn each_another(event: fn(u64) -> Value) -> Box<dyn FnMut() -> String> {
    let mut number = 0;
    Box::new(move || {
        number += 1;
        event(number).to_string()
    })
}

/// A request as a browser sends it and API Gateway passes it on.
fn from_a_browser(event: HttpEvent) -> HttpEvent {
    event
        .header("accept", "*/*")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("accept-language", "en-GB,en;q=0.9")
        .header("content-length", "0")
        .header("host", "api.example.com")
        .header("origin", "https://shop.example.com")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
        )
        .header(
            "x-amzn-trace-id",
            "Root=1-00000000-000000000000000000000000",
        )
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-port", "443")
        .header("x-forwarded-proto", "https")
}

fn request(path: &str, world: &World) -> Value {
    let claims = json!({
        "sub": USER, "name": "Ada Example", "email": "ada@example.com",
        "email_verified": true, "ttl_seconds": TOKEN_SECONDS,
    });
    let token = world.issuer.id_token(claims.clone());
    // The authorizer passes on all claims of the token, as strings.
    let claims = world.issuer.claims(claims);
    let claims = claims.as_object().into_iter().flatten();
    let claims: serde_json::Map<String, Value> = claims
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), Value::from(text))
        })
        .collect();
    from_a_browser(HttpEvent::post(path))
        .bearer(&token)
        .claims(Value::Object(claims))
        .api_gateway()
}

fn reported(number: u64) -> Value {
    let email = format!("user-{number}@example.com");
    from_a_browser(HttpEvent::post("/zendesk/conflicts"))
        .claims(json!({"sub": number.to_string(), "email": email, "email_verified": "true"}))
        .api_gateway()
}

fn delivered(number: u64) -> Value {
    let (previous, current) = (format!("old-{number}"), format!("new-{number}"));
    let email = format!("changed-{number}@example.com");
    let now = webhook::seconds_from_now(0);
    let id = format!("measured-{number}");
    let body = webhook::external_id_changed(&id, &now, &email, (&previous, &current)).to_string();
    webhook::delivery(WEBHOOK_SECRET, &body).api_gateway()
}

fn exchanged(issuer: &Issuer) -> Value {
    let claims = json!({"sub": USER, "ttl_seconds": TOKEN_SECONDS});
    from_a_browser(HttpEvent::post("/puzzel/identity"))
        .bearer(&issuer.login(claims).access_token)
        .claims(json!({"sub": USER, "iss": issuer.url()}))
        .json(&json!({"codeChallenge": CHALLENGE}))
        .api_gateway()
}

fn accept(response: &[u8]) -> Result<(), String> {
    match response {
        b"\"constant\"" => Ok(()),
        other => Err(wrong("not the constant", other)),
    }
}

fn check_status(response: &[u8], status: u16) -> Result<(), String> {
    let value: Value = serde_json::from_slice(response).map_err(|error| error.to_string())?;
    if value["statusCode"] == status {
        return Ok(());
    }
    Err(wrong(&format!("not status {status}"), response))
}

fn check_drain(response: &[u8]) -> Result<(), String> {
    let report: Value = serde_json::from_slice(response).map_err(|error| error.to_string())?;
    if report["examined"] == 0 && report["stoppedBecause"].is_null() {
        return Ok(());
    }
    Err(wrong("not a whole run with nothing due", response))
}

/// Checks that the response contains a token that Zendesk would accept for the user of the event.
pub fn check_token(response: &[u8]) -> Result<(), String> {
    check_status(response, 200)?;
    let value = serde_json::from_slice(response).map_err(|error| error.to_string())?;
    let body: Value =
        serde_json::from_str(&HttpResponse::new(value).body).map_err(|error| error.to_string())?;
    let token = body["token"].as_str().ok_or("no token")?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp"]);
    let key = DecodingKey::from_secret(SIGNING_SECRET.as_bytes());
    let decoded = decode::<Value>(token, &key, &validation).map_err(|error| error.to_string())?;
    let (header, claims) = (decoded.header, decoded.claims);
    let is_right = header.kid.as_deref() == Some(local_stack::stack::KID)
        && claims["scope"] == "user"
        && claims["external_id"] == USER
        && claims["email"] == "ada@example.com"
        && claims["email_verified"] == true
        && claims["exp"].is_u64();
    if is_right {
        Ok(())
    } else {
        Err(format!(
            "a token that is signed, but not for the user: {claims}"
        ))
    }
}

fn wrong(what: &str, response: &[u8]) -> String {
    format!("{what}: {}", String::from_utf8_lossy(response))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};

    fn response(secret: &str, changes: &Value) -> Vec<u8> {
        let mut claims = json!({
            "scope": "user", "external_id": USER, "email": "ada@example.com",
            "email_verified": true, "exp": 4_000_000_000_u64,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(local_stack::stack::KID.to_owned());
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&header, &claims, &key).unwrap();
        let body = json!({ "token": token }).to_string();
        json!({"statusCode": 200, "body": body}).to_string().into()
    }

    #[test]
    fn only_a_valid_token_for_the_user_is_right() {
        assert_eq!(check_token(&response(SIGNING_SECRET, &json!({}))), Ok(()));
        for wrong in [
            json!({"external_id": "654321"}),
            json!({"external_id": 123_456}),
            json!({"exp": "4000000000"}),
            json!({"exp": 1}),
            json!({"scope": "app"}),
            json!({"email_verified": "true"}),
        ] {
            assert!(
                check_token(&response(SIGNING_SECRET, &wrong)).is_err(),
                "{wrong}"
            );
        }
        assert!(check_token(&response("another-secret", &json!({}))).is_err());
        assert!(check_token(br#"{"statusCode":200,"body":"{}"}"#).is_err());
        assert!(check_token(br#"{"statusCode":401,"body":"{}"}"#).is_err());
    }

    #[test]
    fn a_response_with_another_status_or_a_run_that_did_something_is_wrong() {
        assert_eq!(check_status(br#"{"statusCode":202}"#, 202), Ok(()));
        assert!(check_status(br#"{"statusCode":503}"#, 202).is_err());
        assert_eq!(check_drain(br#"{"examined":0}"#), Ok(()));
        assert!(check_drain(br#"{"examined":1}"#).is_err());
        assert!(check_drain(br#"{"examined":0,"stoppedBecause":"another_run"}"#).is_err());
        assert!(accept(b"\"else\"").is_err());
    }
}
