//! Either half can be deployed alone, but half of a half cannot.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use crate::cloudformation::{
    CLEANUP, ERASURE, Given, JWT, PUZZEL, SIGNING, Stack, Template, WEBHOOK,
};

const LAMBDA: Given = &[
    ("IdentitySource", "lambda-authorizer"),
    (
        "LambdaAuthorizerArn",
        "arn:aws:lambda:eu-west-1:123456789012:function:session",
    ),
];

fn functions(given: &[Given]) -> BTreeSet<String> {
    let stack = Template::load().deploy(given).unwrap();
    let functions = stack.of_type("AWS::Serverless::Function").into_iter();
    functions
        .map(|(name, _)| name.replace("Function", ""))
        .collect()
}

fn refusals(given: &[Given]) -> Vec<String> {
    Template::load().deploy(given).err().unwrap_or_default()
}

#[test]
fn a_part_creates_its_own_functions_only() {
    for (given, expected) in [
        (&[JWT, SIGNING][..], &["SignToken"][..]),
        (&[JWT, CLEANUP], &["ReportConflict", "CleanConflicts"]),
        (
            &[JWT, CLEANUP, WEBHOOK],
            &["ReportConflict", "CleanConflicts", "ReceiveWebhook"],
        ),
        (&[JWT, PUZZEL], &["ExchangeIdentity"]),
        (
            &[JWT, CLEANUP, ERASURE],
            &["ReportConflict", "CleanConflicts", "ErasePerson"],
        ),
    ] {
        assert_eq!(
            functions(given),
            expected.iter().map(ToString::to_string).collect()
        );
    }
}

#[test]
fn neither_puzzel_alone_nor_signing_alone_stores_anything() {
    for part in [PUZZEL, SIGNING] {
        let stack = Template::load().deploy(&[JWT, part]).unwrap();
        for kind in [
            "AWS::DynamoDB::Table",
            "AWS::S3::Bucket",
            "AWS::Scheduler::Schedule",
            "AWS::SQS::Queue",
        ] {
            assert!(stack.of_type(kind).is_empty(), "{kind} for {part:?}");
        }
    }
}

/// The names in `${…}` of resources that the stack does not have.
fn dangling(stack: &Stack) -> Vec<String> {
    let reference = Regex::new(r"\$\{([A-Za-z0-9]+)[.}]").unwrap();
    let everything: Value = stack
        .resources
        .clone()
        .into_iter()
        .chain(stack.outputs.clone())
        .collect();
    let text = everything.to_string();
    let names = reference
        .captures_iter(&text)
        .map(|found| found[1].to_owned());
    names
        .filter(|name| !stack.resources.contains_key(name))
        .collect()
}

#[test]
fn nothing_refers_to_a_part_that_is_left_out() {
    let template = Template::load();
    let existing: Given = &[
        ("ExistingConflictsTableName", "kept"),
        ("ExistingArchiveBucketName", "kept"),
    ];
    let zendesk = [
        &[][..],
        &[SIGNING],
        &[CLEANUP],
        &[CLEANUP, WEBHOOK],
        &[SIGNING, CLEANUP],
        &[SIGNING, CLEANUP, WEBHOOK],
        &[CLEANUP, ERASURE],
        &[CLEANUP, ERASURE, existing],
        &[SIGNING, CLEANUP, WEBHOOK, ERASURE, existing],
    ];
    let mut stacks = 0;
    for identity in [JWT, LAMBDA] {
        for zendesk in zendesk {
            for puzzel in [&[][..], &[PUZZEL]] {
                let given = [&[identity], zendesk, puzzel].concat();
                if let Ok(stack) = template.deploy(&given) {
                    assert_eq!(dangling(&stack), Vec::<String>::new(), "{given:?}");
                    stacks += 1;
                }
            }
        }
    }
    assert_eq!(stacks, 34, "all except the two without any part");
}

#[test]
fn the_outputs_of_the_whole_stack_name_everything() {
    let outputs = Template::whole().outputs;
    for name in [
        "ApiUrl",
        "HttpApiId",
        "WebhookUrl",
        "SignTokenFunctionName",
        "ReportConflictFunctionName",
        "CleanConflictsFunctionName",
        "ReceiveWebhookFunctionName",
        "ExchangeIdentityFunctionName",
        "ErasePersonFunctionName",
        "ConflictsTableName",
        "ArchiveBucketName",
        "FailedRunsQueueUrl",
    ] {
        assert!(outputs.contains_key(name), "{name}");
    }
}

#[test]
fn a_wrong_deployment_is_refused_early_with_the_reason() {
    for (given, reason) in [
        (&[JWT][..], "there is nothing to deploy"),
        (&[SIGNING, &[("OidcAudience", "web")]], "needs OidcIssuer"),
        (
            &[SIGNING, &[("OidcIssuer", "https://login.example.com")]],
            "needs OidcAudience",
        ),
        (&[SIGNING, JWT, &LAMBDA[1..]], "LambdaAuthorizerArn is for"),
        (&[SIGNING, &LAMBDA[..1]], "needs LambdaAuthorizerArn"),
        (&[JWT, &CLEANUP[..1]], "Give all of SunshineAppId"),
        (&[JWT, SIGNING, &CLEANUP[1..]], "Give all of SunshineAppId"),
        (&[JWT, SIGNING, WEBHOOK], "WebhookSecretArn needs"),
        (&[JWT, &PUZZEL[..1]], "Puzzel needs either"),
        (
            &[JWT, PUZZEL, &[("PuzzelIdpUrl", "https://idp.example.com")]],
            "Puzzel needs either",
        ),
        (&[JWT, SIGNING, &PUZZEL[1..]], "but not PuzzelCustomerId"),
        (&[JWT, SIGNING, ERASURE], "Erasure needs"),
        (
            &[JWT, SIGNING, &[("ExistingConflictsTableName", "kept")]],
            "nothing would use it",
        ),
        (
            &[JWT, SIGNING, &[("ExistingArchiveBucketName", "kept")]],
            "nothing would use it",
        ),
        (
            &[
                JWT,
                SIGNING,
                &[
                    ("AlarmEmail", "on-call@example.com"),
                    (
                        "AlarmTopicArn",
                        "arn:aws:sns:eu-west-1:123456789012:on-call",
                    ),
                ],
            ],
            "not both",
        ),
    ] {
        let refusals = refusals(given);
        assert!(
            refusals.iter().any(|it| it.contains(reason)),
            "{given:?}: {refusals:?}"
        );
    }
}
