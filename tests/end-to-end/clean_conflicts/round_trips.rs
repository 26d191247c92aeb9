//! Limits the requests to DynamoDB of a report and of an idle drain, so that they cannot creep up.

use super::*;

/// The requests to DynamoDB since they were last forgotten.
fn requests(stack: &Stack) -> Vec<String> {
    let requests = stack.aws.requests().into_iter();
    requests
        .filter(|request| request.service == Service::DynamoDb)
        .map(|request| request.operation)
        .collect()
}

#[tokio::test]
async fn a_report_costs_one_request_and_two_if_it_adds_something() {
    let stack = Stack::start(&[]).await;
    for (external_id, expected) in [
        ("first", &["PutItem"][..]),
        // The refusal of the first put contains the record, and nothing is new.
        ("first", &["PutItem"]),
        ("second", &["PutItem", "PutItem"]),
        ("second", &["PutItem"]),
    ] {
        stack.aws.forget_requests();
        stack.report(external_id, EMAIL).await;
        assert_eq!(requests(&stack), expected, "{external_id}");
    }
}

/// The lease, each queue (reports, events, imports), the planned conflicts if a remedy is allowed,
/// and the lease again.
#[tokio::test]
async fn an_idle_drain_costs_a_lease_and_a_query_for_each_queue() {
    for (remedy, queries) in [("plan", 3), ("release-email", 4)] {
        let stack = Stack::start(&[("REMEDY", remedy)]).await;
        stack.drain().await;
        stack.aws.forget_requests();
        let before = stack.sunshine.traffic().all().len();
        stack.drain().await;
        let mut expected = vec!["Query"; queries];
        expected.insert(0, "PutItem");
        expected.push("PutItem");
        assert_eq!(requests(&stack), expected, "{remedy}");
        assert_eq!(stack.sunshine.traffic().all().len(), before);
        assert_eq!(stack.aws.count("GetSecretValue"), 0);
    }
}
