//! Zendesk's webhooks about users, and their signature.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::lambda::HttpEvent;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

/// The path to which they are sent.
pub const PATH: &str = "/webhooks/zendesk";
/// The header with the time of the signature.
pub const TIMESTAMP: &str = "X-Zendesk-Webhook-Signature-Timestamp";
/// The header with the signature.
pub const SIGNATURE: &str = "X-Zendesk-Webhook-Signature";

/// An event about an end user. `kind` is the type without its prefix.
pub fn event(kind: &str, id: &str, time: &str, detail: &Value, event: &Value) -> Value {
    let mut body = json!({
        "type": format!("zen:event-type:{kind}"),
        "account_id": 12_514_403,
        "id": id,
        "time": time,
        "zendesk_event_version": "2022-06-20",
        "subject": "zen:user:6596848315901",
        "detail": {
            "id": "6596848315901", "role": "end-user",
            "created_at": "2022-06-27T20:30:25Z", "updated_at": time,
        },
        "event": event,
    });
    for (name, value) in detail.as_object().into_iter().flatten() {
        body["detail"][name] = value.clone();
    }
    body
}

/// The event for a changed external id. Its `id` and `time` identify it.
pub fn external_id_changed(id: &str, time: &str, email: &str, ids: (&str, &str)) -> Value {
    let detail = json!({"email": email, "external_id": ids.1});
    let change = json!({"previous": ids.0, "current": ids.1});
    event("user.external_id_changed", id, time, &detail, &change)
}

/// The signature of a body sent at `timestamp`.
pub fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let key = Key::new(HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(sign(&key, &[timestamp.as_bytes(), body].concat()))
}

/// The request that delivers a body, signed now.
pub fn delivery(secret: &str, body: &str) -> HttpEvent {
    let now = seconds_from_now(0);
    HttpEvent::post(PATH)
        .header("content-type", "application/json")
        .header(TIMESTAMP, &now)
        .header(SIGNATURE, &signature(secret, &now, body.as_bytes()))
        .body(body)
}

/// The time in this many seconds, in Zendesk's format.
pub fn seconds_from_now(seconds: i64) -> String {
    let then = OffsetDateTime::now_utc() + Duration::seconds(seconds);
    let (date, (hour, minute, second)) = (then.date(), then.to_hms());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
