//! `report-conflict`.

use super::*;

#[tokio::test]
async fn a_report_is_accepted_and_the_same_again_is_the_same_conflict() {
    let stack = Stack::start(&[]).await;
    let caller = json!({"sub": NEW, "email": EMAIL, "email_verified": "true"});
    let first = stack.report_as(caller.clone()).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let body = first.json();
    assert_eq!(body.as_object().unwrap().len(), 2);
    assert_eq!(body["state"], "pending");
    let record = stack.the_record();
    assert_eq!(body["conflictId"], record["conflictId"]);

    // The same is true for another spelling, and nothing is written.
    let spelt = json!({"sub": NEW, "email": " Anna@EXAMPLE.com", "email_verified": true});
    assert_eq!(stack.report_as(spelt).await.json(), body);
    assert_eq!(stack.the_record(), record);
}

#[tokio::test]
async fn a_caller_without_a_verified_email_cannot_have_a_conflict() {
    let stack = Stack::start(&[]).await;
    for caller in [
        json!({"sub": NEW}),
        json!({"sub": NEW, "email": EMAIL}),
        json!({"sub": NEW, "email": EMAIL, "email_verified": "yes"}),
        json!({"sub": NEW, "email": " ", "email_verified": true}),
    ] {
        let response = stack.report_as(caller).await;
        assert_eq!(
            (response.status, &response.json()["code"]),
            (422, &json!("email_not_verified"))
        );
    }
    let nobody = stack
        .report_as(json!({"email": EMAIL, "email_verified": true}))
        .await;
    assert_eq!(nobody.status, 401);
    assert_eq!(stack.records(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_hanging_table_causes_a_timely_response_that_asks_for_a_retry() {
    let stack = Stack::start(&[]).await;
    let hang = AwsFault::new(Service::DynamoDb, Effect::Delay).after(Duration::from_mins(1));
    stack.aws.set_faults([hang]);
    let caller = json!({"sub": NEW, "email": EMAIL, "email_verified": true});
    let event = HttpEvent::post("/zendesk/conflicts").authorizer(json!({ "lambda": caller }));
    let event = event.api_gateway();
    let response = stack.report.invoke_within(&event, Duration::from_secs(2));
    let response = HttpResponse::new(response.await.unwrap());
    assert_eq!(
        (response.status, &response.json()["code"]),
        (503, &json!("upstream_busy"))
    );
    assert!(response.header("retry-after").is_some());
    let list = json!({"action": "list"});
    let list = stack.clean.invoke_within(&list, Duration::from_secs(2));
    assert!(matches!(list.await, Err(LambdaError::Function(_))));
    stack.sunshine.add_user(holder());
    let mut dry_run = resolve(None);
    dry_run["dryRun"] = json!(true);
    let report = stack.invoke_within(dry_run, Duration::from_secs(2)).await;
    assert_eq!(report["stoppedBecause"], "out_of_time", "{report}");
}

#[tokio::test]
async fn an_ended_conflict_is_reported_as_ended_and_stays() {
    let stack = Stack::start(&[("REMEDY", "release-email")]).await;
    stack.sunshine.add_user(holder());
    let caller = json!({"sub": NEW, "email": EMAIL, "email_verified": true});
    stack.report_as(caller.clone()).await;
    stack.drain().await;
    assert_eq!(
        stack.report_as(caller.clone()).await.json()["state"],
        "resolved"
    );
    let record = stack.the_record();
    let [ended, expires] = ["endedAt", "expiresAt"].map(|it| record[it].as_u64().unwrap());
    assert_eq!(expires, (ended + 90 * DAY) / 1000);

    // Ten minutes later it opens again.
    let id = record["conflictId"].as_str().unwrap();
    stack.edit(id, |it| it["endedAt"] = json!(ended - 10 * 60 * 1000));
    assert_eq!(stack.report_as(caller).await.json()["state"], "pending");
    assert_eq!(outcome(&stack.drain().await), ("not_a_conflict", None));
}
