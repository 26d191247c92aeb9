//! The embedded AWS, as a client uses it: over HTTP.

use std::time::{Duration, Instant};

use local_stack::aws::{Aws, Effect, Fault, Service};
use reqwest::{Client, Response};
use serde_json::{Value, json};

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/x/aws4_request, \
                      SignedHeaders=host, Signature=00";

async fn call(aws: &Aws, target: &str, body: Value) -> Result<(u16, Value), reqwest::Error> {
    let response = Client::new()
        .post(aws.url())
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", SIGNED)
        .header("x-amz-date", "20260101T000000Z")
        .body(body.to_string())
        .send()
        .await?;
    let status = response.status().as_u16();
    Ok((status, response.json().await.unwrap_or_default()))
}

async fn secret(aws: &Aws, id: &str) -> Result<(u16, Value), reqwest::Error> {
    call(
        aws,
        "secretsmanager.GetSecretValue",
        json!({"SecretId": id}),
    )
    .await
}

async fn dynamodb(aws: &Aws, operation: &str, body: Value) -> (u16, Value) {
    let target = format!("DynamoDB_20120810.{operation}");
    call(aws, &target, body).await.unwrap()
}

fn table() -> Value {
    json!({
        "TableName": "conflicts",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

fn item() -> Value {
    json!({"TableName": "conflicts", "Item": {"pk": {"S": "1"}},
           "ConditionExpression": "attribute_not_exists(pk)"})
}

#[tokio::test]
async fn a_secret_is_read_replaced_and_deleted() {
    let aws = Aws::start().await.unwrap();
    aws.put_secret("signing", &json!({"activeKid": "a"})).await;
    let (status, response) = secret(&aws, "signing").await.unwrap();
    assert_eq!(status, 200, "{response}");
    assert_eq!(response["SecretString"], r#"{"activeKid":"a"}"#);

    aws.put_secret("signing", &json!("no JSON")).await;
    let (_, response) = secret(&aws, "signing").await.unwrap();
    assert_eq!(response["SecretString"], "no JSON");

    aws.delete_secret("signing").await;
    let (status, response) = secret(&aws, "signing").await.unwrap();
    assert_eq!(status, 400);
    assert!(response.to_string().contains("ResourceNotFoundException"));
    assert_eq!(aws.count("GetSecretValue"), 3);
}

#[tokio::test]
async fn dynamodb_checks_conditions_and_keeps_its_data() {
    let folder = std::env::temp_dir().join(format!("chat-identity-aws-{}", std::process::id()));
    {
        let aws = Aws::start_in(&folder).await.unwrap();
        aws.create_table(table());
        assert_eq!(dynamodb(&aws, "PutItem", item()).await.0, 200);
        let (status, again) = dynamodb(&aws, "PutItem", item()).await;
        assert_eq!(status, 400);
        let kind = again["__type"].as_str().unwrap();
        assert!(kind.ends_with("ConditionalCheckFailedException"), "{again}");
    }
    let aws = Aws::start_in(&folder).await.unwrap();
    aws.create_table(table());
    let (_, found) = dynamodb(&aws, "Scan", json!({"TableName": "conflicts"})).await;
    assert_eq!(found["Count"], 1);
    drop(aws);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_object_is_written_and_read_by_its_path() {
    let aws = Aws::start().await.unwrap();
    aws.create_bucket("archive").await;
    let object = format!("{}/archive/conflict/page-1.jsonl", aws.url());
    let put = Client::new().put(&object).body("{}\n");
    assert_eq!(put.send().await.unwrap().status(), 200);
    let got: Response = reqwest::get(&object).await.unwrap();
    assert_eq!(got.text().await.unwrap(), "{}\n");

    let recorded = aws.requests();
    assert_eq!(recorded.len(), 2);
    assert_eq!(recorded[0].service, Service::S3);
    assert_eq!(recorded[0].operation, "PUT");
    assert_eq!(recorded[0].path, "/archive/conflict/page-1.jsonl");
}

#[tokio::test]
async fn an_error_hits_its_operation_as_often_as_configured() {
    let aws = Aws::start().await.unwrap();
    aws.put_secret("a", &json!({})).await;
    let denied = Fault::error(Service::SecretsManager, 400, "AccessDeniedException");
    aws.set_faults([denied.on("GetSecretValue").times(1)]);

    let (status, response) = secret(&aws, "a").await.unwrap();
    assert_eq!(
        (status, &response["__type"]),
        (400, &json!("AccessDeniedException"))
    );
    assert_eq!(secret(&aws, "a").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_dropped_request_has_no_effect_and_a_dropped_response_has() {
    let aws = Aws::start().await.unwrap();
    aws.create_table(table());
    let scan = json!({"TableName": "conflicts"});

    aws.set_faults([Fault::new(Service::DynamoDb, Effect::DropRequest).on("PutItem")]);
    let target = "DynamoDB_20120810.PutItem";
    assert!(call(&aws, target, item()).await.is_err());
    assert_eq!(dynamodb(&aws, "Scan", scan.clone()).await.1["Count"], 0);

    aws.set_faults([Fault::new(Service::DynamoDb, Effect::DropResponse).on("PutItem")]);
    assert!(call(&aws, target, item()).await.is_err());
    assert_eq!(dynamodb(&aws, "Scan", scan).await.1["Count"], 1);
}

#[tokio::test]
async fn faults_can_be_set_over_http_and_may_only_delay() {
    let aws = Aws::start().await.unwrap();
    aws.put_secret("a", &json!({})).await;
    let faults = json!([{"service": "secretsmanager", "delayMs": 50, "effect": "delay"}]);
    let put = Client::new().put(format!("{}/_faults", aws.url()));
    assert_eq!(put.json(&faults).send().await.unwrap().status(), 200);

    let began = Instant::now();
    assert_eq!(secret(&aws, "a").await.unwrap().0, 200);
    assert!(began.elapsed() >= Duration::from_millis(50));
    let requests: Value = reqwest::get(format!("{}/_requests", aws.url()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(requests[0]["operation"], "GetSecretValue");
}
