//! Alarms, the dashboard, and the count of requests that API Gateway refuses itself.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

use crate::cloudformation::{ALARMS, CLEANUP, JWT, PUZZEL, SIGNING, Stack, Template, WEBHOOK};

fn alarms(stack: &Stack) -> Vec<(&str, &Value)> {
    stack.of_type("AWS::CloudWatch::Alarm")
}

fn name(alarm: &Value) -> &str {
    let name = alarm["AlarmName"].as_str().unwrap();
    name.strip_prefix("${AWS::StackName}-").unwrap()
}

/// The metrics that an alarm reads: its own, or those of its expression.
fn metrics(alarm: &Value) -> Vec<&Value> {
    alarm["Metrics"].as_array().map_or_else(
        || vec![alarm],
        |queries| {
            let metrics = queries.iter().map(|query| &query["MetricStat"]["Metric"]);
            metrics.filter(|metric| !metric.is_null()).collect()
        },
    )
}

fn reads(alarm: &Value, metric: &str) -> bool {
    metrics(alarm).iter().any(|it| it["MetricName"] == metric)
}

fn dimension<'a>(metric: &'a Value, name: &str) -> Option<&'a str> {
    let mut dimensions = metric["Dimensions"].as_array().unwrap().iter();
    dimensions.find(|it| it["Name"] == name)?["Value"].as_str()
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn each_alarm_has_a_page_that_says_what_to_do_and_each_page_an_alarm() {
    let whole = Template::whole();
    let runbooks = document("runbooks.md");
    let heading = Regex::new(r"(?m)^### `([a-z-]+)`$").unwrap();
    let pages: BTreeSet<_> = heading
        .captures_iter(&runbooks)
        .map(|found| found[1].to_owned())
        .collect();
    let named: BTreeSet<_> = alarms(&whole)
        .into_iter()
        .map(|(id, alarm)| {
            let page = format!("docs/runbooks.md#{}", name(alarm));
            let description = alarm["AlarmDescription"].as_str().unwrap();
            assert!(description.ends_with(&page), "{id}: {description}");
            name(alarm).to_owned()
        })
        .collect();
    assert_eq!(pages, named);
    let operations = document("operations.md");
    for name in named {
        let link = format!("[`{name}`](runbooks.md#{name})");
        assert!(operations.contains(&link), "operations.md: {name}");
    }
}

#[test]
fn alarms_on_our_own_metrics_watch_this_stack_only() {
    let whole = Template::whole();
    let mut ours = 0;
    for (id, alarm) in alarms(&whole) {
        let metrics = metrics(alarm);
        assert!(!metrics.is_empty(), "{id}");
        for metric in metrics {
            if metric["Namespace"] == "chat-identity" {
                let stack = dimension(metric, "stack");
                assert_eq!(stack, Some("${AWS::StackName}"), "{id}");
                ours += 1;
            }
        }
    }
    assert!(ours > 15, "{ours}");
}

#[test]
fn each_fault_that_stops_runs_raises_an_alarm() {
    let whole = Template::whole();
    let stopped: BTreeSet<_> = alarms(&whole)
        .into_iter()
        .flat_map(|(_, alarm)| metrics(alarm))
        .filter(|metric| metric["MetricName"] == "Stopped")
        .filter_map(|metric| dimension(metric, "reason"))
        .collect();
    for reason in [
        "unauthorized",
        "forbidden",
        "keys_unavailable",
        "archive_unavailable",
        "sunshine_unavailable",
        "too_many_failures",
        "upstream_error",
    ] {
        assert!(stopped.contains(reason), "{reason}");
    }
    let fetches = alarms(&whole).into_iter();
    let fetches = fetches.filter(|(_, alarm)| reads(alarm, "SecretFetchFailed"));
    assert_eq!(fetches.count(), 3, "one for each function with a secret");
    // A wrong API key or webhook secret is refused here, and has its own alarm.
    let all = alarms(&whole).into_iter();
    let wrong = all.filter(|(_, alarm)| reads(alarm, "SecretLooksWrong"));
    assert_eq!(wrong.count(), 1, "the signing secret's");
}

/// With a fixed number, a high `SecretTtlSeconds` would raise the alarm in normal operation.
#[test]
fn the_signing_key_is_old_five_minutes_after_its_ttl() {
    for seconds in ["60", "3600"] {
        let ttl = &[("SecretTtlSeconds", seconds)][..];
        let stack = Template::load().deploy(&[JWT, SIGNING, ttl]).unwrap();
        let alarm = stack.properties("SigningKeyOldAlarm");
        let queries = alarm["Metrics"].as_array().unwrap();
        let returned: Vec<_> = queries
            .iter()
            .filter(|it| it["ReturnData"] != false)
            .collect();
        let [returned] = returned[..] else {
            panic!("an alarm is based on one value: {queries:?}");
        };
        assert_eq!(returned["Expression"], format!("age - {seconds}"));
        let age = queries.iter().find(|it| it["Id"] == "age").unwrap();
        assert_eq!(age["MetricStat"]["Metric"]["MetricName"], "KeyAge");
        assert_eq!(age["MetricStat"]["Stat"], "Maximum");
        assert_eq!(alarm["Threshold"], 300);
        assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
    }
}

#[test]
fn an_alarm_notifies_the_address_the_topic_or_no_one() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:on-call";
    for (given, notified) in [
        (ALARMS, json!(["${AlarmTopic}"])),
        (&[("AlarmTopicArn", topic)], json!([topic])),
        (&[], Value::Null),
    ] {
        let parts = [JWT, SIGNING, CLEANUP, WEBHOOK, PUZZEL, given];
        let stack = Template::load().deploy(&parts).unwrap();
        for (id, alarm) in alarms(&stack) {
            assert_eq!(alarm["AlarmActions"], notified, "{id}");
            assert_eq!(alarm["OKActions"], notified, "{id}");
        }
        let topics = stack.of_type("AWS::SNS::Topic");
        assert_eq!(topics.len(), usize::from(given == ALARMS));
    }
    let whole = Template::whole();
    let subscription = json!([{"Protocol": "email", "Endpoint": "on-call@example.com"}]);
    assert_eq!(whole.properties("AlarmTopic")["Subscription"], subscription);
    let policy = &whole.properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"];
    assert_eq!(
        policy[0]["Principal"],
        json!({"Service": "cloudwatch.amazonaws.com"})
    );
    let own_account = json!({"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"}});
    assert_eq!(policy[0]["Condition"], own_account);
}

#[test]
fn an_alarm_notices_a_missing_run_only_if_the_schedule_is_frequent() {
    for (given, is_missed) in [
        (&[][..], true),
        (&[("DrainSchedule", "rate(5 minutes)")], true),
        (&[("DrainState", "DISABLED")], false),
        (&[("DrainSchedule", "cron(0 3 ? * * *)")], false),
    ] {
        let stack = Template::load().deploy(&[JWT, CLEANUP, given]).unwrap();
        let alarm = stack.properties("RunsMissingAlarm");
        assert_eq!(!alarm.is_null(), is_missed, "{given:?}");
        if is_missed {
            assert_eq!(alarm["TreatMissingData"], "breaching");
        }
    }
}

#[test]
fn a_part_brings_its_own_alarms_only() {
    let stack = Template::load().deploy(&[JWT, PUZZEL]).unwrap();
    let alarms: BTreeSet<_> = alarms(&stack).into_iter().map(|(_, it)| name(it)).collect();
    assert_eq!(
        alarms,
        BTreeSet::from([
            "gateway-refuses-tokens",
            "gateway-throttles",
            "server-errors"
        ])
    );
}

#[test]
fn a_refusal_by_api_gateway_is_counted_from_the_access_log() {
    let whole = Template::whole();
    for (filter, metric, status) in [
        (
            "GatewayUnauthorizedFilter",
            "GatewayUnauthorized",
            "\"401\"",
        ),
        ("GatewayThrottledFilter", "GatewayThrottled", "\"429\""),
    ] {
        let filter = whole.properties(filter);
        assert_eq!(filter["LogGroupName"], "${HttpApiLogGroup}");
        let pattern = filter["FilterPattern"].as_str().unwrap();
        assert!(pattern.contains(status) && pattern.contains("$.integrationStatus = \"-\""));
        let transformation = &filter["MetricTransformations"][0];
        assert_eq!(transformation["MetricName"], metric);
        assert_eq!(transformation["MetricNamespace"], "chat-identity");
        assert_eq!(
            transformation["Dimensions"],
            json!([{"Key": "stack", "Value": "$.stack"}])
        );
    }
}

#[test]
fn each_widget_of_the_dashboard_asks_a_question() {
    let whole = Template::whole();
    let body = whole.properties("Dashboard")["DashboardBody"]
        .as_str()
        .unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    assert!(widgets.len() >= 8);
    for widget in widgets {
        let title = widget["properties"]["title"].as_str().unwrap();
        assert!(title.contains('?'), "{title}");
        let ours = widget["properties"]["metrics"].as_array().unwrap().iter();
        for metric in ours.filter(|it| it[0] == "chat-identity") {
            assert_eq!(metric[2], "stack", "{title}");
            assert_eq!(metric[3], "${AWS::StackName}", "{title}");
        }
    }
}
