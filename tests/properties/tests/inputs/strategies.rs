//! Inputs that are almost valid, and wrong in the ways that attackers choose.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// Hostile ids: strings of the characters that parsers treat specially, and of any others.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let special = [
        ".", "..", "%2e", "/", "%2f", "\\", "?", "#", "@", ";", "\0", "\r", "\n", "\u{85}", " ",
        "+", "kø", "\u{4e16}",
    ];
    let part = prop_oneof![
        2 => select(special.to_vec()).prop_map(ToOwned::to_owned),
        3 => "[A-Za-z0-9_-]{1,8}",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn one_of(values: &[Value]) -> impl Strategy<Value = Value> + use<> {
    select(values.to_vec())
}

fn subject() -> impl Strategy<Value = Value> {
    let wrong = [
        json!(1.5),
        json!(null),
        json!(""),
        json!(["1234"]),
        json!(true),
    ];
    prop_oneof![
        5 => one_of(&[json!("1234"), json!(1234)]),
        2 => one_of(&wrong),
        1 => hostile().prop_map(Value::from),
    ]
}

/// Claims of an identity provider, as an authorizer passes them on.
pub(crate) fn claims() -> impl Strategy<Value = Value> {
    let email = one_of(&[
        json!("anna@example.com"),
        json!(" a@b.example "),
        json!(""),
        json!(7),
        json!(null),
    ]);
    let verified = one_of(&[
        json!(true),
        json!("true"),
        json!("True"),
        json!(1),
        json!(false),
        json!(null),
    ]);
    let issuer = one_of(&[
        json!("https://login.example"),
        json!("https://evil.example"),
        json!(null),
        json!(["https://login.example"]),
    ]);
    let expiry = one_of(&[
        json!(4_102_444_800_u64),
        json!(4_102_444_800.5),
        json!(1),
        json!(null),
    ]);
    (subject(), email, verified, issuer, expiry).prop_map(|(sub, email, verified, iss, exp)| {
        json!({"sub": sub, "email": email, "email_verified": verified, "iss": iss, "exp": exp})
    })
}

/// Events of an HTTP API.
pub(crate) fn event() -> impl Strategy<Value = Value> {
    let body = prop_oneof![
        select(vec![
            r#"{"includeEmail":false}"#,
            "{}",
            "[true]",
            r#"{"sub":"eve"}"#,
            "",
            " {\n}"
        ])
        .prop_map(ToOwned::to_owned),
        any::<String>(),
        (16_000_usize..16_800).prop_map(|length| " ".repeat(length)),
    ];
    let kind = select(vec!["jwt", "lambda", "both", "none"]);
    let encoding = select(vec!["text", "base64", "no base64"]);
    (claims(), kind, body, encoding).prop_map(|(claims, kind, body, encoding)| {
        let texts: Value = claims
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), Value::from(value.as_str()?))))
            .collect();
        let mut authorizer = json!({});
        if matches!(kind, "jwt" | "both") {
            authorizer["jwt"] = json!({"claims": texts, "scopes": null});
        }
        if matches!(kind, "lambda" | "both") {
            authorizer["lambda"] = claims;
        }
        json!({
            "version": "2.0",
            "rawPath": "/zendesk/token",
            "headers": {"content-type": "application/json"},
            "requestContext": {"http": {"method": "POST"}, "authorizer": authorizer},
            "body": if encoding == "base64" { BASE64.encode(&body) } else { body },
            "isBase64Encoded": encoding != "text",
        })
    })
}

/// Timestamps of signatures, valid and almost valid.
pub(crate) fn timestamp() -> impl Strategy<Value = String> {
    let time = (1970_u32..2200, 1_u32..14, 1_u32..32, 0_u32..26, 0_u32..61);
    let end = select(vec![
        "Z",
        "Z",
        ".5Z",
        ".123456789Z",
        "",
        "z",
        "+00:00",
        ".Z",
        ".1234567890Z",
        "ZZ",
    ]);
    (time, end).prop_map(|((year, month, day, hour, second), end)| {
        format!("{year}-{month:02}-{day:02}T{hour:02}:59:{second:02}{end}")
    })
}

/// Events of Zendesk.
pub(crate) fn zendesk_event() -> impl Strategy<Value = Value> {
    let name = select(vec![
        "external_id_changed",
        "identity_changed",
        "merged",
        "created",
    ]);
    let prefix = select(vec!["zen:event-type:", "zen:event-type/", "zen:event-type"]);
    let role = select(vec!["end-user", "end-user", "agent"]);
    let id = one_of(&[
        json!("01HX"),
        json!(7),
        json!("01HX"),
        json!(""),
        json!(1.5),
    ]);
    let email = one_of(&[json!("Anna@Example.com"), json!(" "), json!(null)]);
    let primary = one_of(&[json!(true), json!(true), json!(false), json!("true")]);
    let kinds = (prefix, name, role, primary);
    let time = prop_oneof![4 => Just("2026-11-23T10:20:30Z".to_owned()), 1 => timestamp()];
    (kinds, id, subject(), subject(), email, time).prop_map(
        |((prefix, name, role, primary), id, previous, current, email, time)| {
            let identity = json!({"type": "email", "primary": primary, "value": email});
            let changed = if name == "identity_changed" {
                identity
            } else {
                current.clone()
            };
            json!({
                "type": format!("{prefix}user.{name}"),
                "id": id,
                "time": time,
                "detail": {"id": previous, "role": role, "external_id": current, "email": email},
                "event": {"previous": previous, "current": changed, "user": {"id": current}},
            })
        },
    )
}

/// Signed tokens, see [`properties::token`].
pub(crate) fn signed() -> impl Strategy<Value = String> {
    // The error in the header, if any: a field and its value.
    let header = one_of(&[
        json!([]),
        json!([]),
        json!([]),
        json!(["alg", "none"]),
        json!(["alg", "HS256"]),
        json!(["alg", "RS512"]),
        json!(["kid", "oct"]),
        json!(["kid", "enc"]),
        json!(["kid", "../ed"]),
        json!(["kid", null]),
        json!(["crit", ["exp"]]),
    ]);
    let claim = one_of(&[
        json!([]),
        json!([]),
        json!([]),
        json!(["iss", "https://evil.example"]),
        json!(["iss", ["ISSUER"]]),
        json!(["aud", "api"]),
        json!(["aud", ["api", "web"]]),
        json!(["aud", ["api"]]),
        json!(["sub", ""]),
        json!(["sub", 7]),
        json!(["exp", 1]),
        json!(["exp", "4102444800"]),
        json!(["exp", 4_102_444_800.5]),
        json!(["nbf", 4_102_444_800_u64]),
        json!(["nbf", 1]),
    ]);
    let signer = prop_oneof![4 => select(vec!["d", "e", "r", "p"]), 1 => select(vec!["f", "h", "o", "g", "?"])];
    (signer, header, claim, "[A-Za-z0-9_-]{0,86}").prop_map(|(signer, wrong, claim, signature)| {
        let (algorithm, kid) = match signer {
            "e" => ("ES256", "ec"),
            "r" => ("RS256", "rsa"),
            "p" => ("PS256", "rsa"),
            "h" => ("HS256", "ed"),
            "o" => ("HS256", "oct"),
            _ => ("EdDSA", "ed"),
        };
        let mut header = json!({"alg": algorithm, "kid": kid, "typ": "JWT"});
        let mut claims =
            json!({"iss": "ISSUER", "aud": "web", "sub": "1234", "exp": 4_102_444_800_u64});
        for (object, change) in [(&mut header, wrong), (&mut claims, claim)] {
            if let Some(name) = change[0].as_str() {
                object[name] = change[1].clone();
            }
        }
        format!("{signer}\n{header}\n{claims}\n{signature}")
    })
}

/// Tokens to forward, see [`properties::unverified_token`].
pub(crate) fn forwarded(claims: impl Strategy<Value = Value>) -> impl Strategy<Value = String> {
    let header =
        prop_oneof![4 => select(vec![r#"{"alg":"RS256"}"#, "{}"]), 1 => select(vec!["[]", ""])];
    let wrong = select(vec!["", "c2ln.", "c2ln=", "c2ln\n"]);
    let signature = prop_oneof![4 => select(vec!["c2ln", "-_"]), 1 => wrong];
    (header, claims, signature)
        .prop_map(|(header, claims, signature)| format!("{header}\n{claims}\n{signature}"))
}
