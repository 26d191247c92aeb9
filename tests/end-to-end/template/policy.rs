//! Rules for everything in the template, now and later: they select resources by type, not by name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cloudformation::{Stack, Template};

/// The types that the rules below, and the tests beside this file, were written for.
const KNOWN: [&str; 18] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::DynamoDB::Table",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
];
/// The two types that run code.
const RUN: [&str; 2] = ["AWS::Serverless::Function", "AWS::Scheduler::Schedule"];

/// The resources of a type, of which there must be at least one.
fn all<'a>(stack: &'a Stack, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let found = stack.of_type(kind);
    assert!(!found.is_empty(), "no {kind}");
    found
}

#[test]
fn a_new_type_of_resource_needs_its_own_rules() {
    let whole = Template::whole();
    let kinds: BTreeSet<_> = whole
        .resources
        .values()
        .map(|it| it["Type"].as_str().unwrap())
        .collect();
    let known: BTreeSet<_> = KNOWN.into_iter().chain(RUN).collect();
    let unknown: Vec<_> = kinds.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "{unknown:?}: add the rules for it below"
    );
}

/// `CloudWatch` encrypts logs without a setting.
#[test]
fn every_store_is_encrypted() {
    let whole = Template::whole();
    for (name, table) in all(&whole, "AWS::DynamoDB::Table") {
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{name}");
    }
    for (name, bucket) in all(&whole, "AWS::S3::Bucket") {
        let rules = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"];
        let algorithm = &rules[0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"];
        assert!(algorithm == "AES256" || algorithm == "aws:kms", "{name}");
    }
    for (name, queue) in all(&whole, "AWS::SQS::Queue") {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name}");
    }
}

#[test]
fn every_store_expires_its_data() {
    let whole = Template::whole();
    for (name, group) in all(&whole, "AWS::Logs::LogGroup") {
        assert!(group["RetentionInDays"].as_u64().unwrap() > 0, "{name}");
    }
    for (name, table) in all(&whole, "AWS::DynamoDB::Table") {
        assert_eq!(table["TimeToLiveSpecification"]["Enabled"], true, "{name}");
    }
    for (name, bucket) in all(&whole, "AWS::S3::Bucket") {
        let rules = bucket["LifecycleConfiguration"]["Rules"].as_array();
        let expires = |rule: &Value| {
            rule["Status"] == "Enabled"
                && rule["ExpirationInDays"].as_u64().is_some()
                && rule["NoncurrentVersionExpiration"].is_object()
                && rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1
        };
        assert!(rules.unwrap().iter().any(expires), "{name}");
    }
    for (name, queue) in all(&whole, "AWS::SQS::Queue") {
        // The longest time that SQS allows, so that a long holiday does not lose one.
        assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 3600, "{name}");
    }
}

#[test]
fn a_table_can_be_restored_and_is_not_deleted_by_mistake() {
    let whole = Template::whole();
    for (name, table) in all(&whole, "AWS::DynamoDB::Table") {
        let recovery = &table["PointInTimeRecoverySpecification"];
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{name}");
        assert_eq!(table["DeletionProtectionEnabled"], true, "{name}");
        assert_eq!(whole.resources[name]["DeletionPolicy"], "Retain", "{name}");
    }
}

#[test]
fn no_bucket_is_public() {
    let whole = Template::whole();
    for (name, bucket) in all(&whole, "AWS::S3::Bucket") {
        for block in [
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        ] {
            let blocked = &bucket["PublicAccessBlockConfiguration"][block];
            assert_eq!(*blocked, true, "{name}: {block}");
        }
    }
}

/// A policy of a resource denies unencrypted access, and allows nothing: the roles contain the
/// permissions.
#[test]
fn each_bucket_and_queue_is_accessible_over_tls_only() {
    let whole = Template::whole();
    for (kind, policy, subject) in [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
    ] {
        let policies = all(&whole, policy);
        for (name, _) in all(&whole, kind) {
            let reference = json!(format!("${{{name}}}"));
            let (_, policy) = policies
                .iter()
                .find(|(_, it)| it[subject] == reference || it[subject] == json!([reference]))
                .unwrap_or_else(|| panic!("{name} has no policy"));
            let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
            assert!(statements.iter().all(|it| it["Effect"] == "Deny"), "{name}");
            let tls_only = json!({"Bool": {"aws:SecureTransport": "false"}});
            let statement = statements.iter().find(|it| it["Condition"] == tls_only);
            let statement =
                statement.unwrap_or_else(|| panic!("{name} can be accessed without TLS"));
            assert_eq!(statement["Principal"], "*", "{name}");
            assert!(
                statement["Action"].as_str().unwrap().ends_with(":*"),
                "{name}"
            );
            let arn = format!("${{{name}.Arn}}");
            assert!(
                statement["Resource"].to_string().contains(&arn),
                "{name}: {}",
                statement["Resource"]
            );
        }
    }
}

#[test]
fn asynchronous_invocations_keep_failed_events() {
    let whole = Template::whole();
    let queues: Vec<_> = all(&whole, "AWS::SQS::Queue")
        .into_iter()
        .map(|(name, _)| json!(format!("${{{name}.Arn}}")))
        .collect();
    for (name, schedule) in all(&whole, "AWS::Scheduler::Schedule") {
        let target = &schedule["Target"];
        assert!(
            queues.contains(&target["DeadLetterConfig"]["Arn"]),
            "{name}"
        );
        let started = all(&whole, "AWS::Serverless::Function")
            .into_iter()
            .find(|(function, _)| target["Arn"] == format!("${{{function}.Arn}}"));
        let (function, properties) = started.unwrap_or_else(|| panic!("{name} starts nothing"));
        let on_failure = &properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
        assert!(queues.contains(&on_failure["Destination"]), "{function}");
    }
}

/// The API's throttling, authorizers and routes are the only way in.
#[test]
fn no_function_has_an_address_of_its_own() {
    let whole = Template::whole();
    for (name, function) in all(&whole, "AWS::Serverless::Function") {
        for way_in in ["FunctionUrlConfig", "Events"] {
            assert_eq!(function[way_in], Value::Null, "{name}: {way_in}");
        }
    }
}
