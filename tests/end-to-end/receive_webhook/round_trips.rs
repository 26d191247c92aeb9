//! Limits the requests to DynamoDB of each event, so that they cannot creep up.

use super::*;

/// The requests to DynamoDB for the delivery of an event.
async fn requests(stack: &Stack, event: &Value) -> Vec<String> {
    stack.aws.forget_requests();
    stack.deliver(event).await;
    let requests = stack.aws.requests().into_iter();
    requests
        .filter(|request| request.service == Service::DynamoDb)
        .map(|request| request.operation)
        .collect()
}

const WRITE: &str = "TransactWriteItems";
const READ: &str = "GetItem";

fn of(kind: &str, id: &str, role: &str, change: &Value) -> Value {
    let detail = json!({"role": role, "external_id": "123456", "email": EMAIL});
    webhook::event(kind, id, &seconds_from_now(0), &detail, change)
}

#[tokio::test]
async fn each_event_costs_one_write_and_at_most_one_read_before_it() {
    let email = json!({"type": "email", "value": EMAIL, "primary": true});
    let (current, with) = (json!({"current": email}), json!({"user": {"id": "78"}}));
    let cases = [
        (
            "a changed external id",
            changed("1", "1234", "123456"),
            &[WRITE][..],
        ),
        (
            "the first email",
            of("user.identity_created", "2", "end-user", &current),
            &[READ, WRITE],
        ),
        (
            "another email",
            of("user.identity_changed", "3", "end-user", &current),
            &[READ, WRITE],
        ),
        (
            "a merge",
            of("user.merged", "4", "end-user", &with),
            &[WRITE],
        ),
        (
            "an agent",
            of("user.external_id_changed", "5", "agent", &current),
            &[READ],
        ),
        (
            "a deletion",
            of("user.deleted", "6", "end-user", &json!({})),
            &[READ],
        ),
        (
            "an agent's email",
            of("user.identity_changed", "7", "agent", &current),
            &[],
        ),
        (
            "another type",
            of("user.created", "8", "end-user", &json!({})),
            &[],
        ),
    ];
    for (name, event, expected) in cases {
        let stack = Stack::start(&[]).await;
        assert_eq!(requests(&stack, &event).await, expected, "{name}");
        let again = requests(&stack, &event).await;
        assert!(again.len() <= expected.len(), "{name} again: {again:?}");
    }
}

/// The refusal of the first write contains the current items.
#[tokio::test]
async fn an_event_of_a_known_user_costs_two_writes() {
    let stack = Stack::start(&[]).await;
    assert_eq!(requests(&stack, &changed("1", "A", "B")).await, [WRITE]);
    for (id, previous, current) in [("2", "B", "C"), ("3", "C", "D")] {
        let event = changed(id, previous, current);
        assert_eq!(requests(&stack, &event).await, [WRITE, WRITE]);
    }
    assert_eq!(stack.claimants(EMAIL), ids(["D"]));
}
