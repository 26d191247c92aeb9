//! The HTTP API: its routes, its permissions, and its access log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cloudformation::{CLEANUP, JWT, PUZZEL, SIGNING, Stack, Template, WEBHOOK};

const ROUTES: [(&str, &str); 6] = [
    ("POST /zendesk/token", "SignToken"),
    ("POST /zendesk/conflicts", "ReportConflict"),
    ("POST /webhooks/zendesk", "ReceiveWebhook"),
    ("POST /puzzel/identity", "ExchangeIdentity"),
    (
        "POST /puzzel/conversations/{conversationId}/route/{queueKey}",
        "ExchangeIdentity",
    ),
    (
        "PUT /puzzel/conversations/{conversationId}/identity",
        "ExchangeIdentity",
    ),
];

const AUTHORIZER_ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:session";

fn behind_lambda_authorizer() -> Stack {
    let identity = &[
        ("IdentitySource", "lambda-authorizer"),
        ("LambdaAuthorizerArn", AUTHORIZER_ARN),
    ];
    Template::load()
        .deploy(&[identity, SIGNING, CLEANUP, WEBHOOK, PUZZEL])
        .unwrap()
}

fn routes(stack: &Stack) -> BTreeMap<&str, &Value> {
    let routes = stack.of_type("AWS::ApiGatewayV2::Route").into_iter();
    routes
        .map(|(_, properties)| (properties["RouteKey"].as_str().unwrap(), properties))
        .collect()
}

#[test]
fn the_routes_are_those_of_the_design_and_lead_to_their_functions() {
    let whole = Template::whole();
    let routes = routes(&whole);
    assert_eq!(
        routes.keys().copied().collect::<BTreeSet<_>>(),
        ROUTES.iter().map(|(key, _)| *key).collect()
    );
    for (key, function) in ROUTES {
        assert_eq!(
            routes[key]["Target"],
            format!("integrations/${{{function}Integration}}"),
            "{key}"
        );
        let integration = whole.properties(&format!("{function}Integration"));
        assert_eq!(
            integration["IntegrationUri"],
            format!("${{{function}Function.Arn}}"),
            "{key}"
        );
        assert_eq!(integration["IntegrationType"], "AWS_PROXY", "{key}");
        assert_eq!(integration["PayloadFormatVersion"], "2.0", "{key}");
    }
}

#[test]
fn only_the_api_may_call_the_function_of_a_route() {
    let whole = Template::whole();
    let api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}";
    let permissions: BTreeMap<_, _> = whole
        .of_type("AWS::Lambda::Permission")
        .into_iter()
        .map(|(name, properties)| {
            assert_eq!(
                properties["Principal"], "apigateway.amazonaws.com",
                "{name}"
            );
            assert_eq!(properties["Action"], "lambda:InvokeFunction", "{name}");
            (
                properties["FunctionName"].as_str().unwrap(),
                properties["SourceArn"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        (
            "${SignTokenFunction}",
            format!("{api}/*/POST/zendesk/token"),
        ),
        (
            "${ReportConflictFunction}",
            format!("{api}/*/POST/zendesk/conflicts"),
        ),
        (
            "${ReceiveWebhookFunction}",
            format!("{api}/*/POST/webhooks/zendesk"),
        ),
        ("${ExchangeIdentityFunction}", format!("{api}/*/*/puzzel/*")),
    ];
    assert_eq!(
        permissions,
        expected
            .iter()
            .map(|(function, source)| (*function, source.as_str()))
            .collect()
    );
}

fn bearer(more: &[(&str, &str)]) -> Result<Stack, Vec<String>> {
    let identity = [JWT, &[("IdentitySource", "bearer")], more].concat();
    Template::load().deploy(&[&identity, SIGNING, CLEANUP, WEBHOOK, PUZZEL])
}

#[test]
fn with_bearer_no_route_has_an_authorizer_and_the_functions_verify() {
    let stack = bearer(&[
        ("MoreOidcIssuers", "https://old.example.com/"),
        ("OidcJwksUrl", "https://login.example.com/jwks"),
        ("OidcAudienceClaim", "azp"),
        ("TokenHeader", "x-id-token"),
    ])
    .unwrap();
    for (key, route) in routes(&stack) {
        assert_eq!(route["AuthorizationType"], "NONE", "{key}");
        assert_eq!(route["AuthorizerId"], Value::Null, "{key}");
    }
    assert!(stack.of_type("AWS::ApiGatewayV2::Authorizer").is_empty());
    for function in ["SignToken", "ReportConflict", "ExchangeIdentity"] {
        let properties = stack.properties(&format!("{function}Function"));
        let variables = &properties["Environment"]["Variables"];
        for (name, value) in [
            ("IDENTITY_SOURCE", "bearer"),
            (
                "OIDC_ISSUER",
                "https://login.example.com/,https://old.example.com/",
            ),
            ("OIDC_JWKS_URL", "https://login.example.com/jwks"),
            ("OIDC_AUDIENCE", "web"),
            ("OIDC_AUDIENCE_CLAIM", "azp"),
            ("TOKEN_HEADER", "x-id-token"),
        ] {
            assert_eq!(variables[name], value, "{function}: {name}");
        }
    }
}

#[test]
fn a_wrong_identity_does_not_deploy_and_says_why() {
    let with_jwt = |more: &[(&str, &str)]| Template::load().deploy(&[JWT, SIGNING, more]);
    for (given, says) in [
        (bearer(&[("OidcIssuer", "")]), "bearer needs OidcIssuer"),
        (bearer(&[("OidcAudience", "")]), "bearer needs OidcAudience"),
        (
            bearer(&[("LambdaAuthorizerArn", AUTHORIZER_ARN)]),
            "LambdaAuthorizerArn is for",
        ),
        (
            with_jwt(&[("OidcJwksUrl", "https://a.example.com/jwks")]),
            "for IdentitySource bearer",
        ),
        (
            with_jwt(&[("MoreOidcIssuers", "https://a.example.com")]),
            "for IdentitySource bearer",
        ),
        (
            with_jwt(&[("TokenHeader", "x-id-token")]),
            "for IdentitySource bearer",
        ),
        (
            with_jwt(&[("OidcAudienceClaim", "azp")]),
            "for IdentitySource bearer",
        ),
        (
            with_jwt(&[("ExternalIdClaim", "nickname")]),
            "ExternalIdClaim is a claim that users",
        ),
        (
            with_jwt(&[("PreviousExternalIdClaim", "profile")]),
            "PreviousExternalIdClaim is a claim",
        ),
        (
            with_jwt(&[("EmailClaim", "upn")]),
            "With another EmailClaim",
        ),
        (
            with_jwt(&[
                ("EmailClaim", "upn"),
                ("EmailVerified", "always"),
                ("ExternalIdClaim", "email"),
            ]),
            "An email can be an external_id only",
        ),
        (
            with_jwt(&[("ExternalIdChangedAtClaim", "since")]),
            "needs PreviousExternalIdClaim",
        ),
    ] {
        let refusals = given.err().unwrap_or_default();
        assert!(
            refusals.iter().any(|it| it.contains(says)),
            "{says}: {refusals:?}"
        );
    }
    for given in [
        &[("EmailClaim", "upn"), ("EmailVerified", "always")][..],
        &[
            ("EmailClaim", "upn"),
            ("EmailVerifiedClaim", "xms_edov"),
            ("EmailVerifiedValues", "true,1"),
        ],
        &[("ExternalIdClaim", "email")],
        &[
            ("PreviousExternalIdClaim", "was"),
            ("ExternalIdChangedAtClaim", "since"),
        ],
    ] {
        assert!(with_jwt(given).is_ok(), "{given:?}");
    }
}

#[test]
fn every_route_except_the_webhook_has_an_authorizer() {
    for (stack, kind, authorizer) in [
        (Template::whole(), "JWT", "${JwtAuthorizer}"),
        (behind_lambda_authorizer(), "CUSTOM", "${LambdaAuthorizer}"),
    ] {
        for (key, route) in routes(&stack) {
            let (kind, authorizer) = match key {
                "POST /webhooks/zendesk" => ("NONE", Value::Null),
                _ => (kind, json!(authorizer)),
            };
            assert_eq!(route["AuthorizationType"], kind, "{key}");
            assert_eq!(route["AuthorizerId"], authorizer, "{key}");
        }
        assert_eq!(
            stack.of_type("AWS::ApiGatewayV2::Authorizer").len(),
            1,
            "the chosen authorizer"
        );
    }
}

#[test]
fn the_jwt_authorizer_accepts_one_issuer_and_each_audience() {
    let whole = Template::whole();
    let authorizer = whole.properties("JwtAuthorizer");
    assert_eq!(authorizer["AuthorizerType"], "JWT");
    assert_eq!(
        authorizer["IdentitySource"],
        json!(["$request.header.Authorization"])
    );
    let configuration = json!({"Issuer": "https://login.example.com/", "Audience": ["web"]});
    assert_eq!(authorizer["JwtConfiguration"], configuration);
    let three = &[("OidcAudience", "web,ios,android")];
    let stack = Template::load().deploy(&[JWT, SIGNING, three]).unwrap();
    let configuration = &stack.properties("JwtAuthorizer")["JwtConfiguration"];
    assert_eq!(configuration["Audience"], json!(["web", "ios", "android"]));
}

#[test]
fn a_companys_own_authorizer_is_asked_for_every_request() {
    let stack = behind_lambda_authorizer();
    let authorizer = stack.properties("LambdaAuthorizer");
    assert_eq!(authorizer["AuthorizerType"], "REQUEST");
    assert_eq!(authorizer["AuthorizerPayloadFormatVersion"], "2.0");
    assert_eq!(authorizer["EnableSimpleResponses"], true);
    assert_eq!(authorizer["AuthorizerResultTtlInSeconds"], 0);
    assert!(
        authorizer["AuthorizerUri"]
            .as_str()
            .unwrap()
            .contains(&format!("/functions/{AUTHORIZER_ARN}/"))
    );
    let permission = stack.properties("LambdaAuthorizerPermission");
    assert_eq!(permission["FunctionName"], AUTHORIZER_ARN);
    assert!(
        permission["SourceArn"]
            .as_str()
            .unwrap()
            .ends_with(":${HttpApi}/authorizers/${LambdaAuthorizer}")
    );
}

#[test]
fn calls_are_throttled() {
    let stack = Template::whole();
    let settings = &stack.properties("HttpApiStage")["DefaultRouteSettings"];
    assert_eq!(settings["ThrottlingRateLimit"], 100);
    assert_eq!(settings["ThrottlingBurstLimit"], 200);
}

#[test]
fn only_the_configured_origins_may_call_from_a_browser() {
    assert_eq!(
        Template::whole().properties("HttpApi")["CorsConfiguration"],
        Value::Null
    );
    let origins = &[(
        "AllowedOrigins",
        "https://a.example.com,https://b.example.com",
    )];
    let stack = Template::load().deploy(&[JWT, SIGNING, origins]).unwrap();
    let cors = &stack.properties("HttpApi")["CorsConfiguration"];
    assert_eq!(
        cors["AllowOrigins"],
        json!(["https://a.example.com", "https://b.example.com"])
    );
    assert_eq!(cors["AllowMethods"], json!(["POST", "PUT"]));
    assert_eq!(
        cors["AllowHeaders"],
        json!([
            "authorization",
            "content-type",
            "baggage",
            "sentry-trace",
            "traceparent",
            "tracestate",
            "request-id",
            "request-context",
        ])
    );
    assert_eq!(
        cors["AllowCredentials"], false,
        "a bearer token needs no cookie"
    );
}

#[test]
fn the_access_log_contains_no_personal_data() {
    let whole = Template::whole();
    let settings = &whole.properties("HttpApiStage")["AccessLogSettings"];
    assert_eq!(settings["DestinationArn"], "${HttpApiLogGroup.Arn}");
    let format: Value = serde_json::from_str(settings["Format"].as_str().unwrap()).unwrap();
    let expected = json!({
        "stack": "${AWS::StackName}",
        "requestId": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "route": "$context.routeKey",
        "status": "$context.status",
        "integrationStatus": "$context.integrationStatus",
        "latency": "$context.responseLatency",
        "authorizerError": "$context.authorizer.error",
        "error": "$context.error.responseType",
    });
    assert_eq!(format, expected);
}

#[test]
fn the_apis_own_address_can_be_turned_off() {
    let disabled = |given: &[(&str, &str)]| {
        let stack = Template::load().deploy(&[JWT, SIGNING, given]).unwrap();
        stack.properties("HttpApi")["DisableExecuteApiEndpoint"].clone()
    };
    assert_eq!(disabled(&[]), "false");
    assert_eq!(disabled(&[("DisableExecuteApiEndpoint", "true")]), "true");
}
