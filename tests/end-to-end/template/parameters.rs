//! Parameters: each is documented, and refuses values that would only fail later.

use std::collections::BTreeSet;

use crate::cloudformation::{CLEANUP, JWT, PUZZEL, SIGNING, Template, WEBHOOK, plain};

fn accepts(name: &str, value: &str) -> bool {
    let refusals =
        Template::load().deploy(&[JWT, SIGNING, CLEANUP, WEBHOOK, PUZZEL, &[(name, value)]]);
    let refusals = refusals.err().unwrap_or_default();
    !refusals
        .iter()
        .any(|it| it.starts_with(&format!("{name}: ")))
}

#[test]
fn each_parameter_is_described_and_grouped() {
    let template = Template::load();
    let parameters = template.0["Parameters"].as_object().unwrap();
    let interface = &template.0["Metadata"]["AWS::CloudFormation::Interface"];
    let groups = interface["ParameterGroups"].as_array().unwrap().iter();
    let grouped: Vec<_> = groups
        .flat_map(|it| it["Parameters"].as_array().unwrap())
        .map(plain)
        .collect();
    let all: BTreeSet<_> = parameters.keys().cloned().collect();
    assert_eq!(grouped.len(), all.len(), "each parameter is in one group");
    assert_eq!(grouped.into_iter().collect::<BTreeSet<_>>(), all);
    for (name, declared) in parameters {
        assert!(declared["Description"].is_string(), "{name}");
        let explained = declared["ConstraintDescription"].is_string();
        assert!(
            explained || declared["AllowedPattern"].is_null(),
            "{name}: describe what the pattern accepts"
        );
    }
}

#[test]
fn values_that_would_fail_later_are_refused() {
    for (name, value) in [
        ("OidcIssuer", "http://login.example.com"),
        ("OidcIssuer", "https://login.example.com/?tenant=1"),
        ("OidcIssuer", "https://user@login.example.com/"),
        ("OidcIssuer", "login.example.com"),
        ("OidcIssuer", "https://a.example.com,https://b.example.com"),
        ("MoreOidcIssuers", "https://a.example.com,"),
        ("OidcJwksUrl", "http://login.example.com/jwks"),
        ("OidcAudience", "web,,app"),
        ("OidcAudience", "web, app"),
        ("TokenHeader", "x id"),
        ("EmailVerified", "yes"),
        ("EmailVerifiedValues", ""),
        ("AllowedHeaders", "authorization,*"),
        ("BasePath", "chat"),
        ("BasePath", "/chat/"),
        ("BasePath", "/"),
        ("LambdaAuthorizerArn", "session"),
        ("ExternalIdClaim", ""),
        ("SigningKeySecretArn", "signing"),
        (
            "SigningKeySecretArn",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:signing",
        ),
        (
            "SigningKeySecretArn",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*-AbCdEf",
        ),
        ("TokenTtlSeconds", "59"),
        ("TokenTtlSeconds", "86401"),
        ("TokenDialect", "v1"),
        ("SunshineAppId", "../5f0d"),
        ("SunshineBaseUrl", "http://api.smooch.io"),
        ("Remedy", "everything"),
        ("SunshineRequestsPerSecond", "0"),
        ("DrainSchedule", "rate(5 minute)"),
        ("DrainSchedule", "rate(1 minutes)"),
        ("DrainSchedule", "rate(0 minutes)"),
        ("DrainSchedule", "cron(0 3 * * *)"),
        ("ArchiveRetentionDays", "0"),
        ("PuzzelCustomerId", "12345678901234567890123456"),
        ("PuzzelCustomerId", ".."),
        ("PuzzelRegion", "us"),
        ("PuzzelProviderId", "seven"),
        (
            "SecretsKmsKeyArn",
            "arn:aws:kms:eu-west-1:123456789012:alias/secrets",
        ),
        ("AllowedOrigins", "*"),
        (
            "AllowedOrigins",
            "https://a.example.com,https://*.example.com",
        ),
        ("AllowedOrigins", "https://a.example.com/"),
        ("AllowedOrigins", "http://a.example.com"),
        ("ReleaseAfterSeconds", "-1"),
        ("ReleaseAfterSeconds", "2592001"),
        ("MergeCall", "merge"),
        ("TrustWebhookLineage", "yes"),
        ("CleanupReservedConcurrency", "-1"),
        ("ExistingConflictsTableName", "a/b"),
        ("ExistingArchiveBucketName", "Archive"),
        ("DataKmsKeyArn", "alias/data"),
        ("Erasure", "true"),
        ("DisableExecuteApiEndpoint", "no"),
        ("AlarmTopicArn", "on-call"),
        ("AlarmEmail", "on-call"),
        ("AlarmEmail", "a@example.com,b@example.com"),
        ("LogLevel", "TRACE"),
        ("LogLevel", "DEBUG"),
        ("LogRetentionDays", "2"),
    ] {
        assert!(!accepts(name, value), "{name} takes {value:?}");
    }
}

#[test]
fn valid_values_are_accepted() {
    for (name, value) in [
        (
            "OidcIssuer",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC",
        ),
        ("OidcIssuer", "https://login.example.com:8443/realms/acme"),
        ("OidcIssuer", "stytch.com/project-live-1"),
        ("OidcAudience", "web,ios,android"),
        ("OidcJwksUrl", "https://a.example.com/keys?p=b2c_1_susi"),
        ("EmailVerifiedValues", "true,1"),
        ("BasePath", "/api/chat"),
        (
            "SigningKeySecretArn",
            "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/b+c=d.e@f-g-AbCdEf",
        ),
        ("SunshineBaseUrl", "https://api.eu-1.smooch.io"),
        ("DrainSchedule", "rate(5 minutes)"),
        ("DrainSchedule", "rate(1 hour)"),
        ("DrainSchedule", "cron(0/15 8-18 ? * MON-FRI *)"),
        ("PuzzelProviderId", "7"),
        ("PuzzelProviderId", r#"{"https://login.example.com/":7}"#),
        (
            "SecretsKmsKeyArn",
            "arn:aws:kms:eu-west-1:123456789012:key/mrk-0a1b2c3d",
        ),
        (
            "AllowedOrigins",
            "https://a.example.com,http://localhost:8080",
        ),
        ("ReleaseAfterSeconds", "0"),
        ("MergeCall", "appusers-merge"),
        ("CleanupReservedConcurrency", "5"),
        (
            "ExistingConflictsTableName",
            "chat-identity-ConflictsTable-1A2B3C",
        ),
        (
            "ExistingArchiveBucketName",
            "chat-identity-archivebucket-1a2b3c",
        ),
        (
            "AlarmTopicArn",
            "arn:aws:sns:eu-west-1:123456789012:on-call",
        ),
        ("AlarmEmail", "on-call@example.com"),
        ("LogLevel", "WARN"),
    ] {
        assert!(accepts(name, value), "{name} refuses {value:?}");
    }
}
