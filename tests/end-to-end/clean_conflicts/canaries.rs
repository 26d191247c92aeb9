//! Secrets and personal data appear only in the archive and in the records of the table.

use super::*;

const OLD_ID: &str = "CANARY-old";
const NEW_ID: &str = "CANARY-new";
const MAIL: &str = "canary-mail@example.com";
/// In lower case, because emails are compared so.
const CANARIES: [&str; 4] = ["canary", "int_test", "Basic ", "eyJ"];

fn check(place: &str, text: &str) {
    let text_in_lower_case = text.to_lowercase();
    for canary in CANARIES {
        let canary = canary.to_lowercase();
        assert!(
            !text_in_lower_case.contains(&canary),
            "{canary} in {place}: {text}"
        );
    }
}

fn check_output(function: &Function) {
    let lines = function.output().lines();
    assert!(!lines.is_empty());
    for line in lines {
        check("the log", &line);
    }
}

fn canary() -> User {
    let text = |name: &str| json!(format!("CANARY-{name}"));
    let mut user = linked_holder();
    user.external_id = Some(OLD_ID.to_owned());
    user.identities = vec![Identity::email(MAIL)];
    for (name, value) in &mut user.profile {
        *value = text(name);
    }
    user.metadata.insert("note".to_owned(), text("metadata"));
    user
}

fn resolving(remedy: &str) -> Value {
    json!({
        "action": "resolve", "previousExternalId": OLD_ID,
        "currentExternalId": NEW_ID, "remedy": remedy, "by": "ada",
    })
}

/// Every remedy, every refusal and every failure, with the most verbose logs.
#[tokio::test]
async fn no_personal_data_and_no_secret_leaks() {
    for format in ["Text", "JSON"] {
        let loudly = [
            ("REMEDY", "delete"),
            ("RUST_LOG", "trace"),
            ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
            ("AWS_LAMBDA_LOG_FORMAT", format),
        ];
        let stack = Stack::start(&loudly).await;
        let caller = json!({
            "sub": NEW_ID, "previous": OLD_ID, "email": MAIL, "email_verified": true,
            "name": "CANARY-name",
        });
        let mut responses = Vec::new();

        let user = stack.sunshine.add_user(canary());
        stack.sunshine.add_client(&user.id, Client::sdk());
        let conversation = stack.sunshine.add_conversation(&user.id, 2);
        stack.sunshine.post_message(&conversation.id, "CANARY-text");
        responses.push(stack.report_as(caller.clone()).await.body);
        for fault in [
            Fault::answer(500, r#"{"errors":[{"code":"CANARY","title":"CANARY"}]}"#),
            Fault::answer(403, "CANARY"),
            Fault::answer(200, "CANARY"),
            Fault::Truncate,
            Fault::Reset,
        ] {
            stack.sunshine.faults().add(Rule::new("*", fault));
            let drain = json!({"action": "drain"});
            let report = stack.invoke_within(drain, Duration::from_secs(6)).await;
            responses.push(report.to_string());
            stack.sunshine.faults().clear();
            stack.make_due();
        }
        for remedy in ["release-email", "merge", "delete"] {
            responses.push(stack.invoke(resolving(remedy)).await.to_string());
            responses.push(stack.drain().await.to_string());
        }
        stack.sunshine.set_core_user(ZENDESK_ID, core_user());
        for remedy in ["merge", "delete"] {
            for user in stack.sunshine.users() {
                stack.sunshine.remove_user(&user.id);
            }
            stack.sunshine.add_user(canary());
            responses.push(stack.invoke(resolving(remedy)).await.to_string());
            responses.push(stack.drain().await.to_string());
        }
        for state in [
            "resolved",
            "needs_review",
            "pending",
            "confirming",
            "failed",
        ] {
            responses.push(json!(stack.list(state).await).to_string());
        }
        for event in [
            json!({"action": "CANARY"}),
            json!({"CANARY": 1}),
            json!("CANARY"),
            json!({"action": "resolve", "previousExternalId": "CANARY\n", "currentExternalId": "CANARY"}),
            json!({"action": "approve", "conflictId": "CANARY", "version": 1, "remedy": "CANARY"}),
        ] {
            responses.push(stack.refusal(event).await);
        }
        let aws_fails = [
            AwsFault::error(Service::S3, 403, "AccessDenied"),
            AwsFault::error(Service::DynamoDb, 400, "AccessDeniedException"),
        ];
        for fault in aws_fails {
            stack.aws.set_faults([fault]);
            let outcome = stack.clean.invoke(&resolving("delete")).await;
            responses.push(format!("{outcome:?}"));
            responses.push(format!("{:?}", stack.report_as(caller.clone()).await));
            stack.aws.set_faults([]);
        }

        for response in responses {
            check("a response", &response);
        }
        check_output(&stack.clean);
        check_output(&stack.report);
        for item in stack.aws.items(TABLE) {
            for key in ["pk", "sk", "dueShard", "dueAt", "state", "updatedAt"] {
                check("a key of the table", &item[key].to_string());
            }
        }
        let objects = stack.aws.objects(BUCKET).await;
        assert!(!objects.is_empty());
        for name in objects {
            check("a name in the archive", &name);
        }
    }
}
