use super::*;

fn read(keeps_objects: bool, variables: &[(&str, &str)]) -> Result<ClaimSettings, String> {
    ClaimSettings::from_variables(&variables.iter().copied().collect(), keeps_objects)
        .map_err(|error| error.to_string())
}

/// Asserts that the function does not start, and that the error names the variable and its value.
fn assert_refused(variables: &[(&str, &str)], variable: &str) {
    let error = read(true, variables).unwrap_err();
    let held = variables.iter().find(|(name, _)| *name == variable);
    let (_, held) = held.unwrap();
    assert!(
        error.starts_with(&format!("{variable} holds {held:?}; it must hold ")),
        "{variables:?}: {error}"
    );
}

#[test]
fn the_defaults_are_those_of_openid_connect() {
    let settings = read(false, &[]).unwrap();
    assert!(settings.external_id.is("sub"));
    assert!(settings.email.is("email"));
    assert!(settings.name.is("name"));
    assert!(settings.previous_external_id.is_none());
    assert!(settings.external_id_changed_at.is_none());
    let EmailProof::Claim(name, values) = settings.proof else {
        panic!("{:?}", settings.proof);
    };
    assert!(name.is("email_verified"));
    assert_eq!(values, ["true"]);
}

#[test]
fn an_id_that_users_can_write_does_not_start() {
    for variable in ["EXTERNAL_ID_CLAIM", "PREVIOUS_EXTERNAL_ID_CLAIM"] {
        for claim in [
            "preferred_username",
            "nickname",
            "name",
            "given_name",
            "family_name",
            "profile",
            "/preferred_username",
            "/profile",
            "user_metadata",
            "/user_metadata",
            "/user_metadata/id",
            "/user_metadata/customer/0/id",
            "/unsafe_metadata/id",
        ] {
            assert_refused(&[(variable, claim)], variable);
        }
        for claim in [
            "oid",
            "custom:id",
            "Preferred_username",
            "user_metadata.id",
            "/app_metadata/id",
            "/profile/id",
            "/user_metadata~1id",
        ] {
            assert!(read(true, &[(variable, claim)]).is_ok(), "{claim}");
        }
    }
}

#[test]
fn an_email_or_a_proof_that_users_can_write_does_not_start() {
    for object in ["user_metadata", "unsafe_metadata"] {
        let email = format!("/{object}/email");
        let verified = format!("/{object}/email_verified");
        assert_refused(&[("EMAIL_CLAIM", &email)], "EMAIL_CLAIM");
        let always = [
            ("EMAIL_CLAIM", email.as_str()),
            ("EMAIL_VERIFIED", "always"),
        ];
        assert_refused(&always, "EMAIL_CLAIM");
        assert_refused(
            &[("EMAIL_VERIFIED_CLAIM", &verified)],
            "EMAIL_VERIFIED_CLAIM",
        );
        let changed = [("EXTERNAL_ID_CHANGED_AT_CLAIM", email.as_str())];
        assert_refused(&changed, "EXTERNAL_ID_CHANGED_AT_CLAIM");
        let name = format!("/{object}/full_name");
        assert!(read(true, &[("NAME_CLAIM", &name)]).is_ok());
    }
}

#[test]
fn the_email_is_an_id_only_if_it_is_the_email_that_is_verified() {
    let mail = [("EMAIL_CLAIM", "mail"), ("EMAIL_VERIFIED_CLAIM", "mail_ok")];
    for variable in ["EXTERNAL_ID_CLAIM", "PREVIOUS_EXTERNAL_ID_CLAIM"] {
        for claim in ["email", "/email"] {
            assert_refused(&[&mail[..], &[(variable, claim)]].concat(), variable);
            assert!(read(true, &[(variable, claim)]).is_ok());
            assert!(read(true, &[(variable, claim), ("EMAIL_CLAIM", "/email")]).is_ok());
        }
    }
}

#[test]
fn another_email_needs_its_own_proof() {
    for email in [
        "mail",
        "preferred_username",
        "/contact/email",
        "https://example.com/email",
    ] {
        assert_refused(&[("EMAIL_CLAIM", email)], "EMAIL_CLAIM");
        assert_refused(
            &[("EMAIL_CLAIM", email), ("EMAIL_VERIFIED", "claim")],
            "EMAIL_CLAIM",
        );
        for (variable, value) in [
            ("EMAIL_VERIFIED_CLAIM", "email_verified"),
            ("EMAIL_VERIFIED_CLAIM", "mail_ok"),
            ("EMAIL_VERIFIED", "always"),
        ] {
            assert!(read(true, &[("EMAIL_CLAIM", email), (variable, value)]).is_ok());
        }
    }
    for email in ["email", "/email"] {
        assert!(read(true, &[("EMAIL_CLAIM", email)]).is_ok());
    }
}

#[test]
fn a_pointer_needs_claims_that_keep_their_objects() {
    for variable in [
        "EXTERNAL_ID_CLAIM",
        "PREVIOUS_EXTERNAL_ID_CLAIM",
        "EXTERNAL_ID_CHANGED_AT_CLAIM",
        "EMAIL_CLAIM",
        "EMAIL_VERIFIED_CLAIM",
        "NAME_CLAIM",
    ] {
        let always = ("EMAIL_VERIFIED", "always");
        assert!(
            read(true, &[(variable, "/a/b"), always]).is_ok(),
            "{variable}"
        );
        let named = read(false, &[(variable, "custom:id"), always]);
        assert!(named.is_ok(), "{variable}");
        for pointer in ["/a/b", "/a", "/email"] {
            let error = read(false, &[(variable, pointer)]).unwrap_err();
            let start = format!("{variable} holds {pointer:?}; it must hold the name of a claim");
            assert!(error.starts_with(&start), "{error}");
        }
        for keeps_objects in [true, false] {
            let error = read(keeps_objects, &[(variable, "/a~2")]).unwrap_err();
            assert!(
                error.starts_with(&format!("{variable} holds \"/a~2\"")),
                "{error}"
            );
        }
    }
}

#[test]
fn the_proof_is_one_of_two_and_its_values_are_a_list() {
    let error = read(true, &[("EMAIL_VERIFIED", "yes")]).unwrap_err();
    assert_eq!(
        error,
        "EMAIL_VERIFIED holds \"yes\"; it must hold claim or always"
    );
    for values in ["true,,1", ",", "true,"] {
        let error = read(true, &[("EMAIL_VERIFIED_VALUES", values)]).unwrap_err();
        assert!(
            error.starts_with(&format!("EMAIL_VERIFIED_VALUES holds {values:?}")),
            "{error}"
        );
    }
}
