//! A function for the tests of the harness: it follows the commands in its event.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    println!("hello from {:?}", std::env::vars().collect::<Vec<_>>());
    if std::env::var("REFUSE_TO_START").is_ok() {
        return Err("told not to start".into());
    }
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload.get("do").and_then(Value::as_str) {
        Some("fail") => Err("told to fail".into()),
        Some("exit") => std::process::exit(3),
        Some("hang") => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok(Value::Null)
        }
        Some("wait") => {
            let millis = event.payload["millis"].as_u64().unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(Value::Null)
        }
        Some("write") => {
            println!("{}", event.payload);
            Ok(Value::Null)
        }
        _ => Ok(json!({
            "event": event.payload,
            "request": event.context.request_id,
            "deadline": event.context.deadline,
            "function": event.context.invoked_function_arn,
        })),
    }
}
