//! Wrong combinations of variables do not start, in each function that has a caller.

use harness::lambda::LambdaError;
use harness::under_test::Services;

use super::Logins;

#[tokio::test]
async fn a_wrong_configuration_does_not_start_and_names_the_variable_and_its_value() {
    let logins = Logins::start().await;
    let bearer = [
        ("IDENTITY_SOURCE", "bearer"),
        ("OIDC_ISSUER", "https://login.example"),
        ("OIDC_AUDIENCE", "shop"),
    ];
    for (function, variables, log) in [
        (
            "report-conflict",
            &[
                ("EXTERNAL_ID_CLAIM", "/nickname"),
                ("IDENTITY_SOURCE", "lambda-authorizer"),
            ][..],
            "EXTERNAL_ID_CLAIM holds \"/nickname\"; it must hold a claim that users cannot write",
        ),
        (
            "exchange-identity",
            &[("PREVIOUS_EXTERNAL_ID_CLAIM", "given_name")],
            "PREVIOUS_EXTERNAL_ID_CLAIM holds \"given_name\"; it must hold a claim that users",
        ),
        (
            "report-conflict",
            &[("EMAIL_CLAIM", "upn")],
            "EMAIL_CLAIM holds \"upn\"; it must hold email, unless EMAIL_VERIFIED_CLAIM",
        ),
        (
            "exchange-identity",
            &[("EMAIL_VERIFIED", "sometimes")],
            "EMAIL_VERIFIED holds \"sometimes\"; it must hold claim or always",
        ),
        (
            "exchange-identity",
            &[("BASE_PATH", "chat")],
            "BASE_PATH holds \"chat\"; it must hold a path such as /chat",
        ),
        (
            "report-conflict",
            &[("TOKEN_HEADER", "a header")],
            "TOKEN_HEADER holds \"a header\"; it must hold the name of a header",
        ),
        (
            "sign-token",
            &[&bearer[..], &[("OIDC_JWKS_URL", "http://keys.example")]].concat(),
            "OIDC_JWKS_URL holds \"http://keys.example\"; it must hold the URL",
        ),
        (
            "sign-token",
            &[("OIDC_AUDIENCE_CLAIM", "/azp")],
            "OIDC_AUDIENCE_CLAIM holds \"/azp\"; it must hold the name of a claim",
        ),
        (
            "sign-token",
            &bearer[..2],
            "OIDC_AUDIENCE is not set; it must hold the audience",
        ),
    ] {
        match logins.try_launch(function, variables).await {
            Err(LambdaError::Exited { output, .. }) => assert!(output.contains(log), "{output}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{function} starts with {variables:?}"),
        }
    }
}
