//! Each function has the permissions that it needs and no others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cloudformation::{
    ALARMS, CLEANUP, ERASURE, JWT, PUZZEL, SIGNING, Stack, Template, WEBHOOK, plain,
};
use crate::functions::FUNCTIONS;

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000";
const DATA_KEY: &str =
    "arn:aws:kms:eu-west-1:123456789012:key/1a1b2c3d-0000-4000-8000-000000000000";
const XRAY: &str = "arn:${AWS::Partition}:iam::aws:policy/AWSXRayDaemonWriteAccess";

fn whole_with_key() -> Stack {
    whole_with(&[("SecretsKmsKeyArn", KEY)])
}

fn whole_with(given: &[(&str, &str)]) -> Stack {
    Template::load()
        .deploy(&[
            JWT, SIGNING, CLEANUP, WEBHOOK, PUZZEL, ERASURE, ALARMS, given,
        ])
        .unwrap()
}

/// One value or a list of them.
fn each(value: &Value) -> Vec<String> {
    value.as_array().map_or_else(
        || vec![plain(value)],
        |items| items.iter().map(plain).collect(),
    )
}

/// All policy statements anywhere in `value`.
fn statements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) if fields.contains_key("Effect") => vec![value],
        Value::Object(fields) => fields.values().flat_map(statements).collect(),
        Value::Array(items) => items.iter().flat_map(statements).collect(),
        _ => vec![],
    }
}

/// The grants of a role, as pairs of action and resource.
fn grants(stack: &Stack, role: &str) -> BTreeSet<(String, String)> {
    let mut grants = BTreeSet::new();
    for statement in statements(&stack.properties(role)["Policies"]) {
        for action in each(&statement["Action"]) {
            grants.extend(
                each(&statement["Resource"])
                    .into_iter()
                    .map(|resource| (action.clone(), resource)),
            );
        }
    }
    grants
}

/// The grants that a function needs by its design, except for its own log.
fn needs(function: &str) -> Vec<(&'static str, &'static str)> {
    let table = "${ConflictsTable.Arn}";
    match function {
        "SignTokenFunction" => vec![
            ("secretsmanager:GetSecretValue", SIGNING[0].1),
            ("kms:Decrypt", KEY),
        ],
        "ReportConflictFunction" => vec![("dynamodb:PutItem", table)],
        "CleanConflictsFunction" => vec![
            ("dynamodb:GetItem", table),
            ("dynamodb:PutItem", table),
            ("dynamodb:UpdateItem", table),
            ("dynamodb:Query", "${ConflictsTable.Arn}/index/due"),
            ("dynamodb:Query", "${ConflictsTable.Arn}/index/state"),
            ("s3:GetObject", "${ArchiveBucket.Arn}/*"),
            ("s3:PutObject", "${ArchiveBucket.Arn}/*"),
            ("sqs:SendMessage", "${FailedRunsQueue.Arn}"),
            ("secretsmanager:GetSecretValue", CLEANUP[2].1),
            ("kms:Decrypt", KEY),
        ],
        "ReceiveWebhookFunction" => vec![
            ("dynamodb:GetItem", table),
            ("dynamodb:PutItem", table),
            ("secretsmanager:GetSecretValue", WEBHOOK[0].1),
            ("kms:Decrypt", KEY),
        ],
        "ExchangeIdentityFunction" => vec![],
        "ErasePersonFunction" => vec![
            ("dynamodb:DeleteItem", table),
            ("dynamodb:GetItem", table),
            ("dynamodb:PutItem", table),
            ("dynamodb:Scan", table),
            ("s3:ListBucketVersions", "${ArchiveBucket.Arn}"),
            ("s3:DeleteObjectVersion", "${ArchiveBucket.Arn}/*"),
            ("s3:GetObjectVersion", "${ArchiveBucket.Arn}/*"),
        ],
        other => panic!("what does {other} need?"),
    }
}

#[test]
fn each_function_has_a_role_of_its_own_with_exactly_what_it_needs() {
    let stack = whole_with_key();
    for (function, ..) in FUNCTIONS {
        let role = function.replace("Function", "Role");
        assert_eq!(
            stack.properties(function)["Role"],
            format!("${{{role}.Arn}}")
        );
        // Policies beside a role would be silently ignored.
        assert_eq!(stack.properties(function)["Policies"], Value::Null);
        let log = format!("${{{}.Arn}}", function.replace("Function", "LogGroup"));
        let log = [
            ("logs:CreateLogStream", log.as_str()),
            ("logs:PutLogEvents", &log),
        ];
        let needs = log.into_iter().chain(needs(function));
        let expected = needs
            .map(|(action, resource)| (action.to_owned(), resource.to_owned()))
            .collect();
        assert_eq!(grants(&stack, &role), expected, "{role}");
        assert_eq!(
            stack.properties(&role)["ManagedPolicyArns"],
            json!([XRAY]),
            "{role}"
        );
    }
}

#[test]
fn the_schedule_may_start_the_cleanup_and_keep_failed_events() {
    let stack = whole_with_key();
    let expected = [
        ("lambda:InvokeFunction", "${CleanConflictsFunction.Arn}"),
        ("sqs:SendMessage", "${FailedRunsQueue.Arn}"),
    ];
    let expected = expected.map(|(action, resource)| (action.to_owned(), resource.to_owned()));
    assert_eq!(grants(&stack, "DrainRole"), expected.into());
    assert_eq!(
        stack.properties("DrainRole")["ManagedPolicyArns"],
        Value::Null
    );
}

#[test]
fn no_grant_contains_a_wildcard() {
    let stack = whole_with_key();
    let resources: Value = stack.resources.into_iter().collect();
    let allows: Vec<_> = statements(&resources)
        .into_iter()
        .filter(|it| it["Effect"] != "Deny")
        .collect();
    assert!(allows.len() > 15, "{} statements found", allows.len());
    for statement in allows {
        for refused in ["NotAction", "NotResource", "NotPrincipal"] {
            assert_eq!(statement[refused], Value::Null, "{statement}");
        }
        let keys = "${ArchiveBucket.Arn}/*";
        let resources = each(&statement["Resource"])
            .into_iter()
            .filter(|it| it != keys);
        let granted = resources
            .chain(each(&statement["Action"]))
            .chain([statement["Principal"].to_string()]);
        assert!(
            !granted.into_iter().any(|it| it.contains(['*', '?'])),
            "{statement}"
        );
    }
}

#[test]
fn only_its_service_can_assume_a_role() {
    let stack = whole_with_key();
    let roles = stack.of_type("AWS::IAM::Role");
    assert_eq!(roles.len(), 7);
    for (name, properties) in roles {
        let trust = statements(&properties["AssumeRolePolicyDocument"]);
        assert_eq!(trust.len(), 1, "{name}");
        let service = if name == "DrainRole" {
            "scheduler.amazonaws.com"
        } else {
            "lambda.amazonaws.com"
        };
        assert_eq!(trust[0]["Principal"], json!({"Service": service}), "{name}");
    }
    let drain = &stack.properties("DrainRole")["AssumeRolePolicyDocument"];
    let group =
        "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/default";
    let own_schedules = json!({"StringEquals": {
        "aws:SourceAccount": "${AWS::AccountId}",
        "aws:SourceArn": group,
    }});
    assert_eq!(statements(drain)[0]["Condition"], own_schedules);
}

#[test]
fn the_key_decrypts_the_functions_own_secret_and_only_through_secrets_manager() {
    let stack = whole_with_key();
    for (role, secret) in [
        ("SignTokenRole", SIGNING[0].1),
        ("CleanConflictsRole", CLEANUP[2].1),
        ("ReceiveWebhookRole", WEBHOOK[0].1),
    ] {
        let all = statements(&stack.properties(role)["Policies"]);
        let decrypt = all
            .into_iter()
            .find(|it| it["Action"] == "kms:Decrypt")
            .unwrap();
        let condition = json!({"StringEquals": {
            "kms:ViaService": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}",
            "kms:EncryptionContext:SecretARN": secret,
        }});
        assert_eq!(decrypt["Condition"], condition, "{role}");
    }
}

#[test]
fn without_a_customer_key_nothing_is_decrypted() {
    let whole = Template::whole();
    for (role, _) in whole.of_type("AWS::IAM::Role") {
        assert!(
            !grants(&whole, role)
                .iter()
                .any(|(action, _)| action.starts_with("kms:")),
            "{role}"
        );
    }
}

#[test]
fn only_erase_person_may_delete() {
    let stack = whole_with_key();
    for (role, _) in stack.of_type("AWS::IAM::Role") {
        let deletes = grants(&stack, role)
            .iter()
            .any(|(action, _)| action.contains("Delete") || action.contains("BatchWrite"));
        assert_eq!(deletes, role == "ErasePersonRole", "{role}");
    }
}

#[test]
fn reports_and_webhooks_write_their_own_items_only() {
    let stack = whole_with_key();
    for (role, keys) in [
        ("ReportConflictRole", json!(["conflict#*"])),
        (
            "ReceiveWebhookRole",
            json!(["conflict#*", "event#*", "external-id#*", "zendesk-id#*"]),
        ),
    ] {
        let all = statements(&stack.properties(role)["Policies"]);
        let mut on_table = all.into_iter();
        let on_table = on_table.find(|it| it["Action"].to_string().contains("dynamodb:"));
        assert_eq!(
            on_table.unwrap()["Condition"],
            json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}),
            "{role}"
        );
    }
}

#[test]
fn an_existing_table_and_bucket_are_granted_by_their_names() {
    let existing = [
        ("ExistingConflictsTableName", "restored"),
        ("ExistingArchiveBucketName", "kept-archive"),
    ];
    let stack = whole_with(&existing);
    let table = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/restored";
    let bucket = "arn:${AWS::Partition}:s3:::kept-archive";
    for (function, ..) in FUNCTIONS {
        let role = function.replace("Function", "Role");
        let expected: BTreeSet<_> = needs(function)
            .into_iter()
            .filter(|(action, _)| *action != "kms:Decrypt")
            .map(|(action, resource)| {
                let resource = resource
                    .replace("${ConflictsTable.Arn}", table)
                    .replace("${ArchiveBucket.Arn}", bucket);
                (action.to_owned(), resource)
            })
            .collect();
        let granted = grants(&stack, &role).into_iter();
        let granted: BTreeSet<_> = granted
            .filter(|(action, _)| !action.starts_with("logs:"))
            .collect();
        assert_eq!(granted, expected, "{role}");
    }
}

#[test]
fn a_customer_key_is_used_only_through_the_services_that_store_data() {
    let stack = whole_with(&[("DataKmsKeyArn", DATA_KEY)]);
    for (role, services) in [
        ("SignTokenRole", &[][..]),
        ("ExchangeIdentityRole", &[]),
        ("ReportConflictRole", &["dynamodb"]),
        ("ReceiveWebhookRole", &["dynamodb"]),
        ("CleanConflictsRole", &["dynamodb", "s3", "sqs"]),
        ("ErasePersonRole", &["dynamodb", "s3"]),
        ("DrainRole", &["sqs"]),
    ] {
        let all = statements(&stack.properties(role)["Policies"]);
        let on_key: Vec<_> = all
            .into_iter()
            .filter(|it| it["Resource"] == DATA_KEY)
            .map(|it| it["Condition"].clone())
            .collect();
        let services = services.iter();
        let via: Vec<_> = services
            .map(|name| format!("{name}.${{AWS::Region}}.${{AWS::URLSuffix}}"))
            .collect();
        let expected = (!via.is_empty()).then(|| json!({"StringEquals": {"kms:ViaService": via}}));
        assert_eq!(on_key, Vec::from_iter(expected), "{role}");
    }
}
