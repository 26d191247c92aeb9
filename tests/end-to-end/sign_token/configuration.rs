//! A function does not start with a wrong configuration, and logs the mistake.

use super::*;

async fn refusal(variables: &[(&str, &str)]) -> String {
    let aws = Aws::start().await.unwrap();
    let secrets = Secrets { aws };
    match secrets.try_launch(Secrets::FUNCTION, variables).await {
        Err(LambdaError::Exited { status, output }) => {
            assert!(!status.success());
            assert!(
                secrets.aws.requests().is_empty(),
                "it still requested a secret"
            );
            output
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started with {variables:?}"),
    }
}

#[tokio::test]
async fn the_error_names_a_wrong_variable_its_value_and_the_allowed_values() {
    const TTL: &str = "a whole number of seconds from 60 to 86400";
    const SECRET_TTL: &str = "a whole number of seconds from 1 to 86400";
    for (variable, held, expected) in [
        (
            "IDENTITY_SOURCE",
            "header",
            "jwt-authorizer, lambda-authorizer or bearer",
        ),
        ("TOKEN_DIALECT", "Sunshine-V2", "sunshine-v2 or smooch-v1"),
        ("TOKEN_TTL_SECONDS", "59", TTL),
        ("TOKEN_TTL_SECONDS", "86401", TTL),
        ("TOKEN_TTL_SECONDS", "15m", TTL),
        ("SECRET_TTL_SECONDS", "0", SECRET_TTL),
        ("SECRET_TTL_SECONDS", "-1", SECRET_TTL),
    ] {
        let output = refusal(&[(variable, held)]).await;
        let message = format!("{variable} holds {held:?}; it must hold {expected}");
        assert!(output.contains(&message), "{output}");
    }
    for (issuer, shown) in [
        ("http://idp.example", "http://idp.example"),
        ("idp.example", "idp.example"),
        ("https://user:pass@idp.example", "a URL with credentials"),
    ] {
        let variables = [
            ("IDENTITY_SOURCE", "bearer"),
            ("OIDC_AUDIENCE", "shop"),
            ("OIDC_ISSUER", issuer),
        ];
        let output = refusal(&variables).await;
        let message = format!("OIDC_ISSUER holds {shown:?}; it must hold the issuer's URL: https");
        assert!(output.contains(&message), "{output}");
    }
}

#[tokio::test]
async fn the_error_names_a_missing_variable_and_its_allowed_values() {
    let bearer = ("IDENTITY_SOURCE", "bearer");
    let issuer = ("OIDC_ISSUER", "https://idp.example");
    for (variables, message) in [
        (
            &[("SIGNING_KEY_SECRET_ID", "")][..],
            "SIGNING_KEY_SECRET_ID is not set; it must hold the name or ARN",
        ),
        (
            &[bearer],
            "OIDC_ISSUER is not set; it must hold the issuer's URL",
        ),
        (
            &[bearer, issuer],
            "OIDC_AUDIENCE is not set; it must hold the audience",
        ),
    ] {
        let output = refusal(variables).await;
        assert!(output.contains(message), "{output}");
    }
}
