use serde_json::{Value, json};

use super::*;
use crate::id::Flaw;

fn caller(variables: &[(&str, &str)], claims: &Value) -> Result<Caller, IdentityError> {
    let settings = ClaimSettings::from_variables(&variables.iter().copied().collect(), true);
    let claims = claims.as_object().unwrap().clone();
    settings.unwrap().caller(&CallerClaims::typed(claims))
}

fn email(variables: &[(&str, &str)], claims: &Value) -> Result<String, &'static str> {
    let email = caller(variables, claims).unwrap().email;
    email
        .map(|email| email.as_str().to_owned())
        .map_err(EmailOmitted::as_str)
}

const ADA: &str = "ada@example.com";

/// Every claim, value and configuration: only the configured proof makes an email verified.
#[test]
fn an_email_is_signed_only_if_the_configuration_says_that_it_is_verified() {
    let default: &[(&str, &str)] = &[];
    let edov: &[(&str, &str)] = &[
        ("EMAIL_VERIFIED_CLAIM", "xms_edov"),
        ("EMAIL_VERIFIED_VALUES", "true,1"),
    ];
    let nested: &[(&str, &str)] = &[("EMAIL_VERIFIED_CLAIM", "/app_metadata/verified")];
    let always: &[(&str, &str)] = &[("EMAIL_VERIFIED", "always")];
    let always_of_another: &[(&str, &str)] = &[
        ("EMAIL_VERIFIED", "always"),
        ("EMAIL_VERIFIED_CLAIM", "xms_edov"),
    ];
    for (value, with_true, with_one) in [
        (json!(true), true, true),
        (json!("true"), true, true),
        (json!("True"), true, true),
        (json!("TRUE"), true, true),
        (json!(1), false, true),
        (json!("1"), false, true),
        (json!(false), false, false),
        (json!("false"), false, false),
        (json!(0), false, false),
        (json!("0"), false, false),
        (json!(1.0), false, false),
        (json!("yes"), false, false),
        (json!(" true"), false, false),
        (json!(""), false, false),
        (json!(null), false, false),
        (json!([true]), false, false),
        (json!(["true"]), false, false),
        (json!({"true": true}), false, false),
    ] {
        let claims = |flags: Value| {
            let mut claims = json!({"sub": "1", "email": ADA});
            claims
                .as_object_mut()
                .unwrap()
                .extend(flags.as_object().unwrap().clone());
            claims
        };
        let own = claims(json!({"email_verified": value}));
        let of_edov = claims(json!({"xms_edov": value}));
        let of_nested = claims(json!({"app_metadata": {"verified": value}}));
        for (variables, claims, is_verified) in [
            (default, &own, with_true),
            (edov, &of_edov, with_one),
            (nested, &of_nested, with_true),
            (always, &own, true),
            (always_of_another, &of_edov, true),
            // Another claim than the configured one proves nothing.
            (default, &of_edov, false),
            (default, &of_nested, false),
            (edov, &own, false),
            (nested, &own, false),
        ] {
            let expected = if is_verified {
                Ok(ADA.to_owned())
            } else {
                Err("not_verified")
            };
            assert_eq!(email(variables, claims), expected, "{variables:?} {claims}");
        }
    }
}

#[test]
fn the_first_reason_for_omitting_an_email_is_reported() {
    let long = format!("{}@example.com", "a".repeat(117));
    for (claims, reason) in [
        (json!({}), "no_claim"),
        (json!({"email": null, "email_verified": true}), "no_claim"),
        (
            json!({"email": "ada", "email_verified": false}),
            "malformed",
        ),
        (json!({"email": "ada", "email_verified": true}), "malformed"),
        (json!({"email": long, "email_verified": false}), "too_long"),
        (json!({"email": long, "email_verified": true}), "too_long"),
        (json!({"email": ADA}), "not_verified"),
    ] {
        let mut claims = claims;
        claims["sub"] = json!("1");
        assert_eq!(email(&[], &claims), Err(reason), "{claims}");
    }
    let longest = format!("{}@example.com", "a".repeat(116));
    let claims = json!({"sub": "1", "email": longest, "email_verified": true});
    assert_eq!(email(&[], &claims), Ok(longest));
}

#[test]
fn an_email_is_an_external_id_only_if_it_is_verified() {
    let id = |claims: Value| {
        let id = caller(&[("EXTERNAL_ID_CLAIM", "email")], &claims);
        id.map(|caller| caller.external_id.as_str().to_owned())
    };
    let long = format!("{}@example.com", "a".repeat(200));
    for email in [ADA, " Ada@Example.com", &long] {
        let claims = json!({"sub": "7", "email": email, "email_verified": "true"});
        assert_eq!(id(claims).ok(), Some(email.trim().to_ascii_lowercase()));
        for unverified in [json!(false), json!("1"), json!(null)] {
            let claims = json!({"sub": "7", "email": email, "email_verified": unverified});
            assert!(matches!(id(claims), Err(IdentityError::EmailNotVerified)));
        }
    }
    for email in [
        json!(null),
        json!(""),
        json!("victim"),
        json!(["a@b", "c@d"]),
        json!("a\n@b"),
    ] {
        for verified in [true, false] {
            let claims = json!({"sub": "7", "email": email, "email_verified": verified});
            assert!(
                matches!(id(claims), Err(IdentityError::NoSubject)),
                "{email}"
            );
        }
    }
    let too_long = format!("{}@example.com", "a".repeat(250));
    let claims = json!({"email": too_long, "email_verified": true});
    let refused = id(claims).unwrap_err();
    assert!(matches!(
        refused,
        IdentityError::InvalidExternalId(Flaw::TooLong(255))
    ));
}

#[test]
fn claims_have_the_names_that_are_configured() {
    let variables = [
        ("EXTERNAL_ID_CLAIM", "/customer/ids/0"),
        ("EMAIL_CLAIM", "mail"),
        ("EMAIL_VERIFIED_CLAIM", "mail_ok"),
        ("NAME_CLAIM", "/user_metadata/full_name"),
        ("PREVIOUS_EXTERNAL_ID_CLAIM", "was"),
        ("EXTERNAL_ID_CHANGED_AT_CLAIM", "since"),
    ];
    let claims = json!({"sub": 9, "iss": "https://idp.example", "customer": {"ids": [7, 8]},
        "was": 6, "since": "2026-01-02T03:04:05Z", "mail": "a@example.com", "mail_ok": "true",
        "user_metadata": {"full_name": " Anna "}, "email": "other@example.com",
        "email_verified": false, "name": "Other"});
    let caller = caller(&variables, &claims).unwrap();
    assert_eq!(caller.external_id.as_str(), "7");
    assert_eq!(caller.previous_external_id.unwrap().as_str(), "6");
    assert_eq!(caller.external_id_changed_at, Some(1_767_323_045_000));
    assert_eq!(caller.email.ok().unwrap().as_str(), "a@example.com");
    assert_eq!(caller.name.as_deref(), Some("Anna"));
    assert_eq!(caller.subject.as_deref(), Some("9"));
    assert_eq!(caller.issuer.as_deref(), Some("https://idp.example"));
}

#[test]
fn a_previous_external_id_that_proves_nothing_is_ignored() {
    let variables = [
        ("PREVIOUS_EXTERNAL_ID_CLAIM", "was"),
        ("EXTERNAL_ID_CHANGED_AT_CLAIM", "since"),
    ];
    for was in [
        json!(null),
        json!(""),
        json!(".."),
        json!("7"),
        json!(7),
        json!([6]),
    ] {
        let claims = json!({"sub": "7", "was": was, "since": 1});
        let caller = caller(&variables, &claims).unwrap();
        assert!(caller.previous_external_id.is_none(), "{was}");
    }
    for since in [
        json!(null),
        json!("soon"),
        json!(9_999_999_999_u64),
        json!([]),
    ] {
        let claims = json!({"sub": "7", "was": "6", "since": since});
        let caller = caller(&variables, &claims).unwrap();
        assert!(caller.previous_external_id.is_some());
        assert_eq!(caller.external_id_changed_at, None, "{since}");
    }
}

#[test]
fn an_email_is_a_previous_external_id_only_if_it_is_verified() {
    let was = |verified: bool| {
        let claims = json!({"sub": "7", "email": "Victim@example.com", "email_verified": verified});
        let caller = caller(&[("PREVIOUS_EXTERNAL_ID_CLAIM", "email")], &claims).unwrap();
        caller.previous_external_id.map(|id| id.as_str().to_owned())
    };
    assert_eq!(was(true).as_deref(), Some("victim@example.com"));
    assert_eq!(was(false), None);
}

#[test]
fn a_name_has_up_to_128_characters() {
    let name = |name: Value| {
        caller(&[], &json!({"sub": "1", "name": name}))
            .unwrap()
            .name
    };
    assert_eq!(name(json!(" Anna ")).as_deref(), Some("Anna"));
    assert_eq!(
        name(json!("\u{e5}".repeat(128))),
        Some("\u{e5}".repeat(128))
    );
    for none in [
        json!("\u{e5}".repeat(129)),
        json!(" "),
        json!(null),
        json!(7),
        json!(["Anna"]),
    ] {
        assert_eq!(name(none), None);
    }
}

#[test]
fn a_subject_that_everyone_has_is_not_compared_with_anything() {
    let placeholder = "Not supported currently. Use oid claim.";
    let claims = json!({"sub": placeholder, "oid": "1"});
    let caller = caller(&[("EXTERNAL_ID_CLAIM", "oid")], &claims).unwrap();
    assert_eq!(caller.external_id.as_str(), "1");
    assert_eq!(caller.subject, None);
}
