//! The functions: their runtime, timeouts, variables and logs.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::cloudformation::{CLEANUP, ERASURE, JWT, PUZZEL, SIGNING, Template, WEBHOOK, plain};

/// Logical id, binary, and whether an HTTP client waits for the response.
pub(crate) const FUNCTIONS: [(&str, &str, bool); 6] = [
    ("SignTokenFunction", "sign-token", true),
    ("ReportConflictFunction", "report-conflict", true),
    ("CleanConflictsFunction", "clean-conflicts", false),
    ("ReceiveWebhookFunction", "receive-webhook", true),
    ("ExchangeIdentityFunction", "exchange-identity", true),
    ("ErasePersonFunction", "erase-person", false),
];

const CALLER: &[&str] = &[
    "IDENTITY_SOURCE",
    "OIDC_ISSUER",
    "OIDC_AUDIENCE",
    "EXTERNAL_ID_CLAIM",
    "EMAIL_CLAIM",
    "EMAIL_VERIFIED",
    "EMAIL_VERIFIED_VALUES",
    "NAME_CLAIM",
];

/// The variables about the caller that have a parameter without a default.
const CALLER_SOMETIMES: &[&str] = &[
    "EMAIL_VERIFIED_CLAIM",
    "PREVIOUS_EXTERNAL_ID_CLAIM",
    "EXTERNAL_ID_CHANGED_AT_CLAIM",
    "BASE_PATH",
    "OIDC_JWKS_URL",
    "OIDC_AUDIENCE_CLAIM",
    "TOKEN_HEADER",
];

const NONE: &[&str] = &[];

/// The variables of every function.
const EVERY: &str = "STACK_NAME";

#[test]
fn the_functions_are_the_six_of_the_design() {
    let whole = Template::whole();
    let deployed: BTreeSet<_> = whole
        .of_type("AWS::Serverless::Function")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(deployed, FUNCTIONS.iter().map(|(name, ..)| *name).collect());
}

#[test]
fn each_function_is_built_from_the_package_of_its_name() {
    let template = Template::load();
    for (name, binary, _) in FUNCTIONS {
        let metadata = &template.0["Resources"][name]["Metadata"];
        assert_eq!(metadata["BuildMethod"], "rust-cargolambda", "{name}");
        assert_eq!(
            metadata["BuildProperties"],
            json!({"Binary": binary}),
            "{name}"
        );
    }
}

#[test]
fn each_folder_in_functions_is_deployed() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    let mut names = Vec::new();
    for folder in std::fs::read_dir(folders).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let manifest = std::fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "{name}: another package's folder"
        );
        names.push(name);
    }
    let mut deployed: Vec<_> = FUNCTIONS.iter().map(|(_, binary, _)| *binary).collect();
    names.sort_unstable();
    deployed.sort_unstable();
    assert_eq!(names, deployed);
}

#[test]
fn runtime_memory_and_timeout_are_literal_in_the_template() {
    let template = Template::load();
    for (name, _, waited_for) in FUNCTIONS {
        let properties = &template.0["Resources"][name]["Properties"];
        assert_eq!(properties["Architectures"], json!(["arm64"]), "{name}");
        assert_eq!(properties["Runtime"], "provided.al2023", "{name}");
        let timeout = properties["Timeout"].as_u64().unwrap();
        // API Gateway gives up after 30 s. A run may take longer than the schedule's minute, but a
        // killed run must not hold its lease for long.
        let within = if waited_for { 5..29 } else { 120..301 };
        assert!(within.contains(&timeout), "{name}: {timeout} s");
        assert!(
            (128..=1024).contains(&properties["MemorySize"].as_u64().unwrap()),
            "{name}"
        );
    }
}

#[test]
fn each_function_is_traced() {
    let whole = Template::whole();
    for (name, ..) in FUNCTIONS {
        assert_eq!(whole.properties(name)["Tracing"], "Active", "{name}");
        assert_eq!(whole.properties(name)["Handler"], "bootstrap", "{name}");
    }
}

#[test]
fn each_function_logs_json_into_a_group_of_its_own_with_retention() {
    let whole = Template::load().deploy(&[
        JWT,
        SIGNING,
        CLEANUP,
        WEBHOOK,
        PUZZEL,
        ERASURE,
        &[("LogRetentionDays", "14")],
    ]);
    let whole = whole.unwrap();
    let mut groups = BTreeSet::new();
    for (name, binary, _) in FUNCTIONS {
        let group = name.replace("Function", "LogGroup");
        let logging = json!({
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
            "LogGroup": format!("${{{group}}}"),
        });
        assert_eq!(whole.properties(name)["LoggingConfig"], logging, "{name}");
        let properties = whole.properties(&group);
        assert_eq!(
            properties["LogGroupName"],
            format!("/aws/lambda/${{AWS::StackName}}/{binary}")
        );
        assert_eq!(properties["RetentionInDays"], "14", "{group}");
        groups.insert(group);
    }
    let all: BTreeSet<_> = whole
        .of_type("AWS::Logs::LogGroup")
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    // Add the group of the API's access log.
    groups.insert("HttpApiLogGroup".to_owned());
    assert_eq!(all, groups);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_function_gets_the_variables_that_the_design_lists_for_it_and_no_others() {
    let given = &[
        ("IdentitySource", "bearer"),
        ("OidcJwksUrl", "https://login.example.com/jwks"),
        ("OidcAudienceClaim", "azp"),
        ("TokenHeader", "x-id-token"),
        ("BasePath", "/chat"),
        ("EmailVerifiedClaim", "xms_edov"),
        ("PreviousExternalIdClaim", "former_id"),
        ("ExternalIdChangedAtClaim", "former_until"),
        ("SunshineBrandId", "42"),
        ("PuzzelProviderId", "7"),
    ];
    let all = Template::load()
        .deploy(&[JWT, SIGNING, CLEANUP, WEBHOOK, PUZZEL, ERASURE, given])
        .unwrap();
    let least = Template::whole();
    for (name, always, sometimes, never) in [
        (
            "SignTokenFunction",
            [
                CALLER,
                &[
                    "SIGNING_KEY_SECRET_ID",
                    "TOKEN_TTL_SECONDS",
                    "TOKEN_DIALECT",
                    "SECRET_TTL_SECONDS",
                ],
            ]
            .concat(),
            CALLER_SOMETIMES.to_vec(),
            NONE,
        ),
        (
            "ReportConflictFunction",
            [CALLER, &["CONFLICTS_TABLE", "SUNSHINE_APP_ID"]].concat(),
            [CALLER_SOMETIMES, &["SUNSHINE_BRAND_ID"]].concat(),
            NONE,
        ),
        (
            "CleanConflictsFunction",
            vec![
                "CONFLICTS_TABLE",
                "ARCHIVE_BUCKET",
                "SUNSHINE_BASE_URL",
                "SUNSHINE_APP_ID",
                "SUNSHINE_API_KEY_SECRET_ID",
                "REMEDY",
                "SUNSHINE_REQUESTS_PER_SECOND",
                "MAX_ACTIONS_PER_RUN",
                "RELEASE_AFTER_SECONDS",
                "MERGE_CALL",
                "TRUST_WEBHOOK_LINEAGE",
                "SECRET_TTL_SECONDS",
            ],
            vec!["SUNSHINE_BRAND_ID"],
            NONE,
        ),
        (
            "ErasePersonFunction",
            vec!["CONFLICTS_TABLE", "ARCHIVE_BUCKET", "SUNSHINE_APP_ID"],
            vec!["SUNSHINE_BRAND_ID"],
            NONE,
        ),
        (
            "ReceiveWebhookFunction",
            vec![
                "CONFLICTS_TABLE",
                "SUNSHINE_APP_ID",
                "WEBHOOK_SECRET_ID",
                "SECRET_TTL_SECONDS",
            ],
            vec!["SUNSHINE_BRAND_ID", "BASE_PATH"],
            NONE,
        ),
        (
            "ExchangeIdentityFunction",
            [
                CALLER,
                &["PUZZEL_CUSTOMER_ID", "PUZZEL_REGION", "PUZZEL_TOKEN_KIND"],
            ]
            .concat(),
            [CALLER_SOMETIMES, &["PUZZEL_PROVIDER_ID"]].concat(),
            &["PUZZEL_IDP_URL", "PUZZEL_COMM_URL"],
        ),
    ] {
        // A function treats an empty variable as not set.
        let both = [always.as_slice(), &sometimes, never, &[EVERY]].concat();
        for (stack, set) in [
            (&least, [always.as_slice(), &[EVERY]].concat()),
            (&all, [always.as_slice(), &sometimes, &[EVERY]].concat()),
        ] {
            let variables = stack.properties(name)["Environment"]["Variables"]
                .as_object()
                .unwrap();
            let names = |set: bool| {
                let variables = variables.iter();
                let chosen = variables.filter(move |(_, value)| !set || !plain(value).is_empty());
                chosen
                    .map(|(name, _)| name.as_str())
                    .collect::<BTreeSet<_>>()
            };
            assert_eq!(names(false), both.iter().copied().collect(), "{name}");
            assert_eq!(names(true), set.into_iter().collect(), "{name}");
        }
    }
}

#[test]
fn puzzel_gets_its_region_or_both_hosts() {
    let hosts = &[
        ("PuzzelCustomerId", "4711"),
        ("PuzzelIdpUrl", "https://idp.example.com"),
        ("PuzzelCommUrl", "https://comm.example.com"),
    ];
    let stack = Template::load().deploy(&[JWT, hosts]).unwrap();
    let variables = &stack.properties("ExchangeIdentityFunction")["Environment"]["Variables"];
    assert_eq!(variables["PUZZEL_REGION"], "");
    assert_eq!(variables["PUZZEL_IDP_URL"], "https://idp.example.com");
    assert_eq!(variables["PUZZEL_COMM_URL"], "https://comm.example.com");
}

#[test]
fn by_default_nothing_is_changed_at_zendesk() {
    let whole = Template::whole();
    let variables = &whole.properties("CleanConflictsFunction")["Environment"]["Variables"];
    assert_eq!(variables["REMEDY"], "plan");
    assert_eq!(variables["MAX_ACTIONS_PER_RUN"], 25);
    assert_eq!(variables["SUNSHINE_REQUESTS_PER_SECOND"], 5);
}

#[test]
fn only_the_cleanup_reserves_concurrency_and_only_if_configured() {
    let reserved = |given: &[(&str, &str)]| {
        let parts = [JWT, SIGNING, CLEANUP, WEBHOOK, PUZZEL, ERASURE, given];
        let stack = Template::load().deploy(&parts).unwrap();
        let names = FUNCTIONS.iter().map(|(name, ..)| *name);
        let reserved = names.filter_map(|name| {
            let reserved = &stack.properties(name)["ReservedConcurrentExecutions"];
            (!reserved.is_null()).then(|| format!("{name} {}", plain(reserved)))
        });
        reserved.collect::<Vec<_>>()
    };
    // A new account has a limit of 10, and cannot reserve any of it.
    assert_eq!(reserved(&[]), [""; 0]);
    let five = [("CleanupReservedConcurrency", "5")];
    assert_eq!(reserved(&five), ["CleanConflictsFunction 5"]);
}
