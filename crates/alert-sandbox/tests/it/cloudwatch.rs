use std::time::{Duration, Instant, SystemTime};

use alert_sandbox::Sandbox;
use alert_sandbox::aws::Fault;
use alert_sandbox::cloudwatch::{DESCRIBED_MAX, QUERIES_MAX};
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::operation::get_metric_data::builders::GetMetricDataFluentBuilder;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StandardUnit,
    StateValue, StatusCode,
};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use serde_json::json;

/// A whole hour, some hours ago.
fn hour() -> SystemTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(now - now % 3600 - 2 * 3600)
}

fn minute(minute: u64) -> SystemTime {
    hour() + Duration::from_mins(minute)
}

fn query(id: &str, stat: &str, period: i32) -> MetricDataQuery {
    query_of(id, stat, period, Metric::builder().namespace("App").metric_name("Errors").build())
}

fn query_of(id: &str, stat: &str, period: i32, metric: Metric) -> MetricDataQuery {
    let stat = MetricStat::builder().metric(metric).stat(stat).period(period).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

fn math(id: &str, expression: &str) -> MetricDataQuery {
    MetricDataQuery::builder().id(id).expression(expression).build()
}

/// The hour from [`hour`].
fn request(
    sandbox: &Sandbox,
    queries: impl IntoIterator<Item = MetricDataQuery>,
) -> GetMetricDataFluentBuilder {
    super::sdk::cloudwatch(&sandbox.cloudwatch.url())
        .get_metric_data()
        .set_metric_data_queries(Some(queries.into_iter().collect()))
        .start_time(DateTime::from(hour()))
        .end_time(DateTime::from(minute(60)))
}

async fn data(
    sandbox: &Sandbox,
    queries: impl IntoIterator<Item = MetricDataQuery>,
) -> Vec<MetricDataResult> {
    request(sandbox, queries).send().await.unwrap().metric_data_results.unwrap()
}

async fn refusal(request: GetMetricDataFluentBuilder) -> (String, String) {
    let error = request.send().await.unwrap_err();
    (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
}

#[tokio::test]
async fn alarms_are_described_as_they_were_put() {
    let sandbox = super::sandbox().await;
    let of_metric = json!({
        "AlarmName": "errors", "AlarmDescription": "Too many", "Namespace": "App", "MetricName": "Errors",
        "Dimensions": [{"Name": "Service", "Value": "checkout"}], "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 10,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "missing", "Unit": "Count",
        "StateValue": "ALARM", "StateUpdatedTimestamp": "2026-01-02T03:04:05.5Z",
        "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:alerts"],
    });
    sandbox.cloudwatch.put_metric_alarm(&of_metric).unwrap();
    let stat = json!({"Metric": {"Namespace": "App", "MetricName": "Errors"}, "Period": 60, "Stat": "p99"});
    let of_math = json!({
        "AlarmName": "band", "ComparisonOperator": "GreaterThanUpperThreshold", "EvaluationPeriods": 1,
        "ThresholdMetricId": "ad1", "Metrics": [
            {"Id": "m1", "MetricStat": stat, "ReturnData": true},
            {"Id": "ad1", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)", "Label": "Errors (expected)"},
        ],
    });
    sandbox.cloudwatch.put_metric_alarm(&of_math).unwrap();
    let rule = json!({"AlarmName": "all", "AlarmRule": "ALARM(errors) AND ALARM(band)"});
    sandbox.cloudwatch.put_composite_alarm(&rule).unwrap();

    let client = super::sdk::cloudwatch(&sandbox.cloudwatch.url());
    let both = [AlarmType::MetricAlarm, AlarmType::CompositeAlarm];
    let names = ["errors", "band", "all", "never was"].map(str::to_owned);
    let answer = client
        .describe_alarms()
        .set_alarm_names(Some(names.to_vec()))
        .set_alarm_types(Some(both.to_vec()))
        .send()
        .await
        .unwrap();
    let [band, errors] = answer.metric_alarms() else { panic!("{answer:?}") };
    assert_eq!(errors.threshold(), Some(10.0));
    assert_eq!(errors.period(), Some(60));
    assert_eq!(errors.statistic(), Some(&Statistic::Sum));
    assert_eq!(errors.comparison_operator(), Some(&ComparisonOperator::GreaterThanThreshold));
    assert_eq!(errors.unit(), Some(&StandardUnit::Count));
    assert_eq!(errors.dimensions()[0].value(), Some("checkout"));
    assert_eq!(errors.state_value(), Some(&StateValue::Alarm));
    assert_eq!(errors.state_updated_timestamp(), Some(&DateTime::from_millis(1_767_323_045_500)));
    assert_eq!(errors.alarm_arn(), Some("arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"));
    assert_eq!(errors.actions_enabled(), Some(true));
    assert_eq!(band.metrics()[1].expression(), Some("ANOMALY_DETECTION_BAND(m1, 2)"));
    assert_eq!(band.metrics()[0].metric_stat().unwrap().stat(), Some("p99"));
    assert_eq!((band.threshold_metric_id(), band.threshold()), (Some("ad1"), None));
    assert_eq!(band.state_value(), Some(&StateValue::InsufficientData));
    assert_eq!(answer.composite_alarms()[0].alarm_rule(), Some("ALARM(errors) AND ALARM(band)"));

    // Composite alarms come only to those who ask for them.
    let answer = client.describe_alarms().alarm_names("all").alarm_names("errors").send().await.unwrap();
    assert_eq!((answer.metric_alarms().len(), answer.composite_alarms().len()), (1, 0));
    let answer = client.describe_alarms().alarm_types(AlarmType::CompositeAlarm).send().await.unwrap();
    assert_eq!((answer.metric_alarms().len(), answer.composite_alarms().len()), (0, 1));
    let answer = client.describe_alarms().state_value(StateValue::Alarm).send().await.unwrap();
    assert_eq!(answer.metric_alarms()[0].alarm_name(), Some("errors"));
    let answer = client.describe_alarms().action_prefix("arn:aws:sns:").send().await.unwrap();
    assert_eq!(answer.metric_alarms().len(), 1);

    // A definition that comes again keeps the state.
    let mut again = of_metric;
    again.as_object_mut().unwrap().retain(|name, _| !name.starts_with("State"));
    again["Threshold"] = json!(20.5);
    sandbox.cloudwatch.put_metric_alarm(&again).unwrap();
    let answer = client.describe_alarms().alarm_name_prefix("err").send().await.unwrap();
    assert_eq!(answer.metric_alarms()[0].threshold(), Some(20.5));
    assert_eq!(answer.metric_alarms()[0].state_value(), Some(&StateValue::Alarm));
    sandbox.cloudwatch.delete_alarm("errors");
    let answer = client.describe_alarms().alarm_names("errors").send().await.unwrap();
    assert!(answer.metric_alarms().is_empty());
    assert_eq!(sandbox.cloudwatch.count("DescribeAlarms"), 7);
}

#[tokio::test]
async fn alarms_come_in_pages_and_up_to_a_hundred_names() {
    let sandbox = super::sandbox().await;
    for number in 0..60 {
        let alarm = json!({
            "AlarmName": format!("alarm-{number:02}"), "MetricName": "m", "Namespace": "n",
            "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1,
        });
        sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
    }
    let client = super::sdk::cloudwatch(&sandbox.cloudwatch.url());
    let first = client.describe_alarms().send().await.unwrap();
    assert_eq!(first.metric_alarms().len(), 50);
    let second = client.describe_alarms().set_next_token(first.next_token).send().await.unwrap();
    assert_eq!((second.metric_alarms().len(), second.next_token()), (10, None));
    let whole = client.describe_alarms().max_records(100).send().await.unwrap();
    assert_eq!((whole.metric_alarms().len(), whole.next_token()), (60, None));
    let names = |count: usize| Some((0..count).map(|number| format!("alarm-{number:02}")).collect());
    let most = client.describe_alarms().set_alarm_names(names(DESCRIBED_MAX)).max_records(100).send().await;
    assert_eq!(most.unwrap().metric_alarms().len(), 60);
    for (request, code) in [
        (client.describe_alarms().set_alarm_names(names(DESCRIBED_MAX + 1)), "ValidationError"),
        (client.describe_alarms().max_records(101), "ValidationError"),
        (client.describe_alarms().max_records(0), "ValidationError"),
        (client.describe_alarms().next_token("x"), "InvalidNextToken"),
        (client.describe_alarms().alarm_names("a").alarm_name_prefix("a"), "InvalidParameterCombination"),
        (client.describe_alarms().alarm_types("Alarm".into()), "ValidationError"),
        (client.describe_alarms().children_of_alarm_name("a"), "ValidationError"),
    ] {
        assert_eq!(request.send().await.unwrap_err().code(), Some(code));
    }
}

#[tokio::test]
async fn a_definition_that_is_none_is_refused_where_it_is_put() {
    let sandbox = super::sandbox().await;
    let fine = json!({
        "AlarmName": "a", "MetricName": "m", "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1,
    });
    sandbox.cloudwatch.put_metric_alarm(&fine).unwrap();
    for (member, value) in [
        ("AlarmName", json!("")),
        ("AlarmName", json!("a".repeat(256))),
        ("Metrics", json!([])),
        ("Treshold", json!(1)),
        ("AlarmRule", json!("ALARM(a)")),
        ("StateUpdatedTimestamp", json!("yesterday")),
    ] {
        let mut alarm = fine.clone();
        alarm[member] = value;
        assert!(sandbox.cloudwatch.put_metric_alarm(&alarm).is_err(), "{alarm}");
    }
    assert!(sandbox.cloudwatch.put_composite_alarm(&json!({"AlarmName": "a"})).is_err());
}

#[tokio::test]
async fn values_are_taken_together_by_period() {
    let sandbox = super::sandbox().await;
    let half_a_minute = Duration::from_secs(30);
    let points = [(minute(1), 1.0), (minute(1) + half_a_minute, 3.0), (minute(4), 8.0), (minute(7), 5.0)];
    sandbox.cloudwatch.put_data("App", "Errors", &[], points);
    sandbox.cloudwatch.put_data("App", "Errors", &[("Service", "checkout")], [(minute(1), 100.0)]);
    for (stat, values) in [
        ("Sum", [5.0, 12.0]),
        ("Average", [5.0, 4.0]),
        ("Minimum", [5.0, 1.0]),
        ("Maximum", [5.0, 8.0]),
        ("SampleCount", [1.0, 3.0]),
        ("p50", [5.0, 3.0]),
        ("p0", [5.0, 1.0]),
        ("p75", [5.0, 5.5]),
    ] {
        let results = data(&sandbox, [query("m1", stat, 300)]).await;
        assert_eq!(results[0].values(), values, "{stat}");
        assert_eq!(results[0].timestamps(), [minute(5), minute(0)].map(DateTime::from));
        assert_eq!((results[0].id(), results[0].label()), (Some("m1"), Some("Errors")));
        assert_eq!(results[0].status_code(), Some(&StatusCode::Complete));
    }
    let answer = request(&sandbox, [query("m1", "Sum", 60)]).scan_by(ScanBy::TimestampAscending);
    let results = answer.send().await.unwrap().metric_data_results.unwrap();
    assert_eq!(results[0].values(), [4.0, 8.0, 5.0]);
    assert_eq!(results[0].timestamps(), [minute(1), minute(4), minute(7)].map(DateTime::from));

    // Dimensions are all or nothing, the end is not part of the range, and the start is rounded to its minute.
    let metric = Metric::builder().namespace("App").metric_name("Errors");
    let metric = metric.dimensions(Dimension::builder().name("Service").value("checkout").build()).build();
    assert_eq!(data(&sandbox, [query_of("m1", "Sum", 60, metric)]).await[0].values(), [100.0]);
    let request = request(&sandbox, [query("m1", "Sum", 60)])
        .start_time(DateTime::from(minute(1) + half_a_minute))
        .end_time(DateTime::from(minute(7)));
    let results = request.send().await.unwrap().metric_data_results.unwrap();
    assert_eq!(results[0].values(), [8.0, 4.0]);
    let mut labelled = query("m1", "Sum", 60);
    labelled.label = Some("Mistakes".to_owned());
    assert_eq!(data(&sandbox, [labelled]).await[0].label(), Some("Mistakes"));
}

#[tokio::test]
async fn no_data_is_an_empty_result() {
    let sandbox = super::sandbox().await;
    sandbox.cloudwatch.put_data("App", "Errors", &[], [(minute(1), 1.0)]);
    let other = Metric::builder().namespace("App").metric_name("errors").build();
    let mut in_seconds = query("m3", "Sum", 60);
    in_seconds.metric_stat.as_mut().unwrap().unit = Some(StandardUnit::Seconds);
    let queries = [query_of("m1", "Sum", 60, other), math("e1", "m1 * 2"), in_seconds];
    let results = data(&sandbox, queries).await;
    assert_eq!(results.len(), 3);
    for result in results {
        assert_eq!((result.values(), result.timestamps()), ([].as_slice(), [].as_slice()));
        assert_eq!(result.status_code(), Some(&StatusCode::Complete));
    }
    // Of a time that is long ago, only coarse values are kept.
    let ago = hour() - Duration::from_hours(20 * 24);
    sandbox.cloudwatch.put_data("App", "Errors", &[], [(ago, 1.0)]);
    let results = request(&sandbox, [query("m1", "Sum", 60), query("m2", "Sum", 300)])
        .start_time(DateTime::from(ago))
        .end_time(DateTime::from(ago + Duration::from_hours(1)))
        .send()
        .await
        .unwrap()
        .metric_data_results
        .unwrap();
    assert_eq!((results[0].values().len(), results[1].values().len()), (0, 1));
}

#[tokio::test]
async fn math_goes_by_ids() {
    let sandbox = super::sandbox().await;
    sandbox.cloudwatch.put_data("App", "Errors", &[], [(minute(0), 1.0), (minute(1), 2.0), (minute(2), 5.0)]);
    sandbox.cloudwatch.put_data("App", "Requests", &[], [(minute(0), 4.0), (minute(1), 0.0)]);
    let requests = Metric::builder().namespace("App").metric_name("Requests").build();
    let mut hidden = [query("errors", "Sum", 60), query_of("requests", "Sum", 60, requests)];
    for query in &mut hidden {
        query.return_data = Some(false);
    }
    let [errors, requests] = hidden;
    let results = data(
        &sandbox,
        [
            math("rate", "100 * errors / requests"),
            math("twice", "-(rate - rate * 3) + 1"),
            math("errors_more", "errors+0.5"),
            errors,
            requests,
        ],
    )
    .await;
    let seen: Vec<_> = results.iter().map(|result| (result.label().unwrap(), result.values())).collect();
    // Nothing stands where one has no value, nor where it would be a division by zero.
    let expected = [
        ("rate", [25.0].as_slice()),
        ("twice", [51.0].as_slice()),
        ("errors_more", [5.5, 2.5, 1.5].as_slice()),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_band_is_two_results_of_one_id() {
    let sandbox = super::sandbox().await;
    sandbox.cloudwatch.put_data("App", "Errors", &[], [(minute(1), 30.0)]);
    let queries = || [query("m1", "Average", 1200), math("ad1", "ANOMALY_DETECTION_BAND(m1, 3)")];
    let results = data(&sandbox, queries()).await;
    assert_eq!(results.len(), 3);
    assert!(results[1].values().is_empty() && results[2].values().is_empty(), "there is no model");

    sandbox.cloudwatch.put_anomaly_model("App", "Errors", &[], 10.0, 2.0);
    let mut labelled = queries();
    labelled[1].label = Some("Errors (expected)".to_owned());
    let results = data(&sandbox, labelled).await;
    let seen: Vec<_> = results
        .iter()
        .map(|result| (result.id().unwrap(), result.label().unwrap(), result.values()))
        .collect();
    let expected = [
        ("m1", "Errors", [30.0].as_slice()),
        ("ad1", "Errors (expected) High", [16.0; 3].as_slice()),
        ("ad1", "Errors (expected) Low", [4.0; 3].as_slice()),
    ];
    assert_eq!(seen, expected);
    assert_eq!(results[2].timestamps(), [minute(40), minute(20), minute(0)].map(DateTime::from));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let sandbox = super::sandbox().await;
    let fine = || query("m1", "Sum", 60);
    let mut both = fine();
    both.expression = Some("m1".to_owned());
    for (queries, code, part) in [
        (vec![], "MissingParameter", "MetricDataQueries"),
        (vec![fine(); 2], "ValidationError", "not unique"),
        (vec![fine(), math("e1", "m1 + m2")], "ValidationError", "m2"),
        (vec![fine(), math("e1", "ANOMALY_DETECTION_BAND(m2)")], "ValidationError", "m2"),
        (vec![math("e1", "e2"), math("e2", "e1 + 1")], "ValidationError", "Circular"),
        (vec![math("e1", "1 + 1")], "ValidationError", "time series"),
        (vec![fine(), math("e1", "SUM(METRICS())")], "ValidationError", "does not know SUM"),
        (vec![fine(), math("e1", "SELECT AVG(a) FROM b")], "ValidationError", "does not know"),
        (vec![fine(), math("e1", "m1 +")], "ValidationError", "e1"),
        (vec![query("M1", "Sum", 60)], "ValidationError", "MetricDataQueries.member.1.Id"),
        (vec![query("m1", "Sum", 61)], "ValidationError", "Period"),
        (vec![query("m1", "Sum", 10)], "ValidationError", "high resolution"),
        (vec![query("m1", "Total", 60)], "ValidationError", "Total"),
        (vec![query("m1", "pinf", 60)], "ValidationError", "pinf"),
        (vec![both], "ValidationError", "exclusive"),
        (vec![MetricDataQuery::builder().id("m1").build()], "ValidationError", "MetricStat is required"),
        (
            vec![query_of("m1", "Sum", 60, Metric::builder().metric_name("m").build())],
            "ValidationError",
            "The parameter MetricDataQueries.member.1.MetricStat.Metric.Namespace is required.",
        ),
    ] {
        let (got, message) = refusal(request(&sandbox, queries)).await;
        assert_eq!(got, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let many = |count: usize| (0..count).map(|number| query(&format!("m{number}"), "Sum", 60));
    assert_eq!(data(&sandbox, many(QUERIES_MAX)).await.len(), QUERIES_MAX);
    assert_eq!(refusal(request(&sandbox, many(QUERIES_MAX + 1))).await.0, "ValidationError");
    let at = |minutes: u64| {
        request(&sandbox, [fine()]).end_time(DateTime::from(hour() + Duration::from_mins(minutes)))
    };
    assert_eq!(refusal(at(0)).await.0, "ValidationError");
    assert_eq!(refusal(at(1).start_time(DateTime::from(minute(2)))).await.0, "ValidationError");
    assert_eq!(refusal(request(&sandbox, [fine()]).next_token("x")).await.0, "InvalidNextToken");
    assert_eq!(refusal(at(1).set_start_time(None)).await.0, "MissingParameter");
}

#[tokio::test]
async fn json_says_the_same() {
    let sandbox = super::sandbox().await;
    let call = |operation: &str, request| {
        let target = format!("GraniteServiceVersion20100801.{operation}");
        let url = sandbox.cloudwatch.url();
        async move { super::call_json(&url, "monitoring", &target, &request).await }
    };
    let seconds = hour().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    sandbox.cloudwatch.put_data("App", "Errors", &[], [(minute(1), 1.5)]);
    let stat = json!({"Metric": {"Namespace": "App", "MetricName": "Errors"}, "Period": 60, "Stat": "Sum"});
    let request = json!({
        "StartTime": seconds, "EndTime": seconds + 120, "MetricDataQueries": [{"Id": "m1", "MetricStat": stat}],
    });
    let (status, answer) = call("GetMetricData", request).await;
    let result = json!({
        "Id": "m1", "Label": "Errors", "StatusCode": "Complete", "Timestamps": [seconds + 60], "Values": [1.5],
    });
    assert_eq!((status, &answer["MetricDataResults"]), (200, &json!([result])));
    let (status, answer) = call("GetMetricData", json!({})).await;
    assert_eq!(status, 400);
    assert_eq!(answer["__type"], "com.amazonaws.cloudwatch#MissingRequiredParameterException");
    let (status, answer) = call("ListMetrics", json!({})).await;
    assert_eq!(
        (status, answer["__type"].as_str()),
        (404, Some("com.amazonaws.cloudwatch#UnknownOperationException"))
    );
}

#[tokio::test]
async fn an_unsigned_request_and_one_of_no_protocol_are_refused() {
    let sandbox = super::sandbox().await;
    let url = format!(
        "{}/service/GraniteServiceVersion20100801/operation/DescribeAlarms",
        sandbox.cloudwatch.url()
    );
    let fine = super::authorization("monitoring");
    // {} in CBOR.
    let send = |authorization: &str, protocol: &'static str, body: &'static [u8]| {
        let request = super::client().post(&url).header("authorization", authorization);
        request.header("smithy-protocol", protocol).body(body).send()
    };
    let answer = send(&fine, "rpc-v2-cbor", &[0xa0]).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["smithy-protocol"]),
        (200, &"rpc-v2-cbor".parse().unwrap())
    );
    assert_eq!(answer.headers()["content-type"], "application/cbor");
    for authorization in ["", "Bearer x", &super::authorization("sns")] {
        let answer = send(authorization, "rpc-v2-cbor", &[0xa0]).await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(
            String::from_utf8_lossy(&answer.bytes().await.unwrap()).contains("MissingAuthenticationToken")
        );
    }
    assert_eq!(send(&fine, "rpc-v2-json", &[0xa0]).await.unwrap().status(), 404);
    for body in [b"{}".as_slice(), b"", &[0x80], &[0xa1, 0x01, 0x02]] {
        assert_eq!(send(&fine, "rpc-v2-cbor", body).await.unwrap().status(), 400);
    }
    let outcomes: Vec<_> = sandbox.cloudwatch.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes[..2], ["ok", "MissingAuthenticationToken"]);
    assert_eq!(outcomes.last().unwrap(), "SerializationException");
}

#[tokio::test]
async fn faults() {
    let sandbox = super::sandbox().await;
    let client = super::sdk::cloudwatch(&sandbox.cloudwatch.url());
    let describe = || client.describe_alarms().send();
    for (fault, status, code) in [
        (Fault::Deny, 403, "AccessDenied"),
        (Fault::Unavailable, 500, "InternalServiceError"),
        (Fault::Throttle(1), 400, "Throttling"),
    ] {
        sandbox.cloudwatch.set_fault(fault);
        let error = describe().await.unwrap_err();
        assert_eq!((error.raw_response().unwrap().status().as_u16(), error.code()), (status, Some(code)));
    }
    assert!(describe().await.is_ok(), "a throttle wears off");

    sandbox.cloudwatch.set_fault_for("GetMetricData", Fault::Deny);
    assert!(describe().await.is_ok(), "it is for another operation");
    let (code, message) = refusal(request(&sandbox, [query("m1", "Sum", 60)])).await;
    assert_eq!(code, "AccessDenied");
    let expected = "User: arn:aws:sts::123456789012:assumed-role/alerts/sandbox is not authorized to perform: cloudwatch:GetMetricData";
    assert!(message.starts_with(expected), "{message}");

    let time = Duration::from_millis(50);
    sandbox.cloudwatch.set_fault(Fault::Delay(time));
    let started = Instant::now();
    assert!(describe().await.is_ok());
    assert!(started.elapsed() >= time);
    sandbox.cloudwatch.set_fault(Fault::Hang(time));
    assert!(describe().await.unwrap_err().code().is_none());
    assert_eq!(sandbox.cloudwatch.calls().last().unwrap().outcome, "no answer");
    assert_eq!(
        (sandbox.cloudwatch.count("DescribeAlarms"), sandbox.cloudwatch.count("GetMetricData")),
        (7, 1)
    );
}
