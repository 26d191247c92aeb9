//! The state that outlives a request: the table, the archive, and the schedule that works on them.

use serde_json::{Value, json};

use crate::cloudformation::{CLEANUP, ERASURE, JWT, Template};

#[test]
fn there_is_one_table_one_bucket_one_schedule_and_one_queue() {
    let whole = Template::whole();
    for kind in [
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::Scheduler::Schedule",
        "AWS::SQS::Queue",
    ] {
        assert_eq!(whole.of_type(kind).len(), 1, "{kind}");
    }
}

#[test]
fn table_and_archive_outlive_the_stack() {
    let whole = Template::whole();
    for name in ["ConflictsTable", "ArchiveBucket", "ArchiveBucketPolicy"] {
        assert_eq!(whole.resources[name]["DeletionPolicy"], "Retain", "{name}");
        assert_eq!(
            whole.resources[name]["UpdateReplacePolicy"], "Retain",
            "{name}"
        );
    }
    // A fixed name would block the next stack.
    assert_eq!(whole.properties("ConflictsTable")["TableName"], Value::Null);
    assert_eq!(whole.properties("ArchiveBucket")["BucketName"], Value::Null);
}

#[test]
fn the_table_is_protected_and_expires_its_items() {
    let whole = Template::whole();
    let table = whole.properties("ConflictsTable");
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(
        table["PointInTimeRecoverySpecification"],
        json!({"PointInTimeRecoveryEnabled": true})
    );
    assert_eq!(table["SSESpecification"], json!({"SSEEnabled": true}));
    assert_eq!(
        table["TimeToLiveSpecification"],
        json!({"AttributeName": "expiresAt", "Enabled": true})
    );
}

#[test]
fn the_tables_keys_and_indexes_match_the_code() {
    let template = Template::load();
    let table = &template.0["Resources"]["ConflictsTable"]["Properties"];
    let keys = |hash: &str, range: &str| {
        json!([
            {"AttributeName": hash, "KeyType": "HASH"},
            {"AttributeName": range, "KeyType": "RANGE"},
        ])
    };
    assert_eq!(table["KeySchema"], keys("pk", "sk"));
    let all = json!({"ProjectionType": "ALL"});
    let indexes = json!([
        {"IndexName": "due", "KeySchema": keys("dueShard", "dueAt"), "Projection": all},
        {"IndexName": "state", "KeySchema": keys("state", "updatedAt"), "Projection": all},
    ]);
    assert_eq!(table["GlobalSecondaryIndexes"], indexes);
    let types = [
        ("pk", "S"),
        ("sk", "S"),
        ("dueShard", "S"),
        ("dueAt", "N"),
        ("state", "S"),
        ("updatedAt", "N"),
    ];
    let types = types.map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}));
    assert_eq!(table["AttributeDefinitions"], json!(types));
}

#[test]
fn the_local_table_matches_the_template() {
    let template = Template::load();
    let table = &template.0["Resources"]["ConflictsTable"]["Properties"];
    let local = local_stack::stack::conflicts_table("local");
    for (name, value) in local.as_object().unwrap() {
        if name == "TableName" {
            continue;
        }
        assert_eq!(table[name], *value, "{name}");
    }
    for name in [
        "KeySchema",
        "AttributeDefinitions",
        "GlobalSecondaryIndexes",
    ] {
        assert!(local[name].is_array(), "{name}");
    }
    assert!(table["LocalSecondaryIndexes"].is_null());
}

#[test]
fn the_archive_is_private_encrypted_and_versioned() {
    let whole = Template::whole();
    let bucket = whole.properties("ArchiveBucket");
    let blocked = json!({
        "BlockPublicAcls": true,
        "BlockPublicPolicy": true,
        "IgnorePublicAcls": true,
        "RestrictPublicBuckets": true,
    });
    assert_eq!(bucket["PublicAccessBlockConfiguration"], blocked);
    assert_eq!(
        bucket["OwnershipControls"],
        json!({"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    );
    let encryption = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
    assert_eq!(
        encryption["ServerSideEncryptionByDefault"],
        json!({"SSEAlgorithm": "AES256"})
    );
    assert_eq!(
        bucket["VersioningConfiguration"],
        json!({"Status": "Enabled"})
    );
}

#[test]
fn the_archive_is_accessible_over_tls_only() {
    let whole = Template::whole();
    let policy = whole.properties("ArchiveBucketPolicy");
    assert_eq!(policy["Bucket"], "${ArchiveBucket}");
    let statement = json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["${ArchiveBucket.Arn}", "${ArchiveBucket.Arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    });
    assert_eq!(policy["PolicyDocument"]["Statement"][0], statement);
}

#[test]
fn the_archive_is_kept_for_the_configured_time() {
    let stack = Template::load()
        .deploy(&[JWT, CLEANUP, &[("ArchiveRetentionDays", "30")]])
        .unwrap();
    let rules = &stack.properties("ArchiveBucket")["LifecycleConfiguration"]["Rules"];
    assert_eq!(rules[0]["ExpirationInDays"], "30");
    assert_eq!(rules[0]["Status"], "Enabled");
    // Without these rules, expired objects would stay for ever as old versions.
    assert_eq!(
        rules[0]["NoncurrentVersionExpiration"],
        json!({"NoncurrentDays": 7})
    );
    assert_eq!(rules[1]["ExpiredObjectDeleteMarker"], true);
}

#[test]
fn the_schedule_sends_a_drain_and_never_retries_it() {
    let whole = Template::whole();
    let schedule = whole.properties("Drain");
    assert_eq!(schedule["ScheduleExpression"], "rate(1 minute)");
    assert_eq!(schedule["State"], "ENABLED");
    assert_eq!(schedule["FlexibleTimeWindow"], json!({"Mode": "OFF"}));
    let target = &schedule["Target"];
    assert_eq!(target["Arn"], "${CleanConflictsFunction.Arn}");
    assert_eq!(target["RoleArn"], "${DrainRole.Arn}");
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    assert_eq!(input, json!({"action": "drain"}));
    assert_eq!(
        target["RetryPolicy"],
        json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
    );
    assert_eq!(
        target["DeadLetterConfig"],
        json!({"Arn": "${FailedRunsQueue.Arn}"})
    );
}

#[test]
fn a_failed_run_is_kept_for_a_person_and_never_retried() {
    let whole = Template::whole();
    let invoke = json!({
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": "${FailedRunsQueue.Arn}"}},
    });
    assert_eq!(
        whole.properties("CleanConflictsFunction")["EventInvokeConfig"],
        invoke
    );
    assert_eq!(
        whole.properties("FailedRunsQueue")["SqsManagedSseEnabled"],
        true
    );
}

#[test]
fn an_object_of_the_archive_is_never_overwritten() {
    let whole = Template::whole();
    let policy = whole.properties("ArchiveBucketPolicy");
    let statement = json!({
        "Sid": "NewObjectsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "${ArchiveBucket.Arn}/*",
        "Condition": {"Null": {"s3:if-none-match": "true"}},
    });
    assert_eq!(policy["PolicyDocument"]["Statement"][1], statement);
}

#[test]
fn an_object_that_a_check_wrote_expires_after_a_day() {
    let whole = Template::whole();
    let rules = &whole.properties("ArchiveBucket")["LifecycleConfiguration"]["Rules"];
    let rules = rules.as_array().unwrap();
    let checks = rules.iter().find(|rule| rule["Prefix"] == "checks/");
    let checks = checks.unwrap();
    assert_eq!(checks["Status"], "Enabled");
    assert_eq!(checks["ExpirationInDays"], 1);
    assert_eq!(
        checks["NoncurrentVersionExpiration"],
        json!({"NoncurrentDays": 1})
    );
}

#[test]
fn an_existing_table_and_bucket_are_used_instead_of_new_ones() {
    let existing = &[
        ("ExistingConflictsTableName", "restored"),
        ("ExistingArchiveBucketName", "kept-archive"),
    ];
    let stack = Template::load()
        .deploy(&[JWT, CLEANUP, ERASURE, existing])
        .unwrap();
    for kind in [
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
    ] {
        assert!(stack.of_type(kind).is_empty(), "{kind}");
    }
    for function in ["CleanConflictsFunction", "ErasePersonFunction"] {
        let variables = &stack.properties(function)["Environment"]["Variables"];
        assert_eq!(variables["CONFLICTS_TABLE"], "restored", "{function}");
        assert_eq!(variables["ARCHIVE_BUCKET"], "kept-archive", "{function}");
    }
    assert_eq!(stack.outputs["ConflictsTableName"]["Value"], "restored");
    assert_eq!(stack.outputs["ArchiveBucketName"]["Value"], "kept-archive");
}

#[test]
fn a_customer_key_encrypts_everything_that_is_stored() {
    let key = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000";
    let stack = Template::load()
        .deploy(&[JWT, CLEANUP, ERASURE, &[("DataKmsKeyArn", key)]])
        .unwrap();
    assert_eq!(
        stack.properties("ConflictsTable")["SSESpecification"],
        json!({"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": key})
    );
    let encryption = &stack.properties("ArchiveBucket")["BucketEncryption"];
    assert_eq!(
        encryption["ServerSideEncryptionConfiguration"],
        json!([{
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
            "BucketKeyEnabled": true,
        }])
    );
    let queue = stack.properties("FailedRunsQueue");
    assert_eq!(queue["KmsMasterKeyId"], key);
    assert!(queue["SqsManagedSseEnabled"].is_null());
    for (name, group) in stack.of_type("AWS::Logs::LogGroup") {
        assert_eq!(group["KmsKeyId"], key, "{name}");
    }
}
