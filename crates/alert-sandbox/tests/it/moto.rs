//! The sandbox's CloudWatch and Logs beside moto's, a published emulator of AWS: the same requests to both.
//!
//! moto 5.2 does not speak Smithy RPC v2 CBOR, so that the SDK cannot call its CloudWatch: both are asked in AWS JSON,
//! which the sandbox decodes to the very same requests. moto has no anomaly bands, no limits of GetMetricData, and
//! leaves AlarmTypes, empty pages and most filter patterns out of account; these are compared with the documents alone.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, MetricTransformation};
use serde_json::{Value, json};

/// moto's server, ended with its owner.
struct Moto {
    process: Child,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let venv =
            std::env::var("ALERT_RELAY_VENV").expect("run by `make test`, which sets ALERT_RELAY_VENV");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(format!("{venv}/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { process, url: format!("http://127.0.0.1:{port}") };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_mins(1), "moto does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn cloudwatch(url: &str, operation: &str, request: &Value) -> (u16, Value) {
    let target = format!("GraniteServiceVersion20100801.{operation}");
    super::call_json(url, "monitoring", &target, request).await
}

/// The error's name without its namespace, which moto does not have.
fn kind(answer: &Value) -> &str {
    let kind = answer["__type"].as_str().unwrap_or_default();
    kind.rsplit('#').next().unwrap()
}

#[tokio::test]
#[ignore = "needs moto: run by `make test`"]
async fn alarms_are_described_as_moto_does() {
    let (moto, sandbox) = (Moto::start(), super::sandbox().await);
    let stat = json!({"Metric": {"Namespace": "App", "MetricName": "Errors", "Dimensions": []}, "Period": 60, "Stat": "Sum"});
    let alarms = [
        json!({
            "AlarmName": "errors", "AlarmDescription": "Too many", "Namespace": "App", "MetricName": "Errors",
            "Dimensions": [{"Name": "Service", "Value": "checkout"}], "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 10.5,
            "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "missing",
            "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:alerts"], "ActionsEnabled": true,
        }),
        json!({
            "AlarmName": "rate", "EvaluationPeriods": 1, "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Metrics": [
                {"Id": "m1", "MetricStat": stat, "ReturnData": false},
                {"Id": "e1", "Expression": "m1 / 60", "Label": "Rate", "ReturnData": true},
            ],
        }),
    ];
    for alarm in &alarms {
        let (status, answer) = cloudwatch(&moto.url, "PutMetricAlarm", alarm).await;
        assert_eq!(status, 200, "{answer}");
        sandbox.cloudwatch.put_metric_alarm(alarm).unwrap();
    }
    for request in [
        json!({"AlarmNames": ["rate", "errors", "none"]}),
        json!({"AlarmNames": ["none"]}),
        json!({"AlarmNamePrefix": "err"}),
        json!({"ActionPrefix": "arn:aws:sns:"}),
        json!({"StateValue": "ALARM"}),
        json!({}),
    ] {
        let mut told = Vec::new();
        for url in [&moto.url, &sandbox.cloudwatch.url()] {
            let (status, answer) = cloudwatch(url, "DescribeAlarms", &request).await;
            assert_eq!(status, 200);
            let mut alarms = answer["MetricAlarms"].as_array().unwrap().clone();
            alarms.sort_by_key(|alarm| alarm["AlarmName"].to_string());
            let mut seen = Vec::new();
            for mut alarm in alarms {
                let put = alarms_by_name(&alarm);
                let members = alarm.as_object_mut().unwrap();
                // What was put, and what the service adds but for its words and moments, which moto's are not.
                let added = ["AlarmArn", "ActionsEnabled", "OKActions", "InsufficientDataActions"];
                members.retain(|name, _| put.contains(&name.as_str()) || added.contains(&name.as_str()));
                members.sort_keys();
                seen.push(alarm);
            }
            told.push(seen);
        }
        assert_eq!(told[0], told[1], "{request}");
    }
}

/// The members that were put with the alarm of a name.
fn alarms_by_name(alarm: &Value) -> Vec<&'static str> {
    if alarm["AlarmName"] == "errors" {
        vec![
            "AlarmName",
            "AlarmDescription",
            "Namespace",
            "MetricName",
            "Dimensions",
            "Statistic",
            "Period",
            "EvaluationPeriods",
            "DatapointsToAlarm",
            "Threshold",
            "ComparisonOperator",
            "TreatMissingData",
            "AlarmActions",
        ]
    } else {
        vec!["AlarmName", "EvaluationPeriods", "Threshold", "ComparisonOperator", "Metrics"]
    }
}

#[tokio::test]
#[ignore = "needs moto: run by `make test`"]
async fn metric_data_is_what_moto_has() {
    let (moto, sandbox) = (Moto::start(), super::sandbox().await);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let start = now - now % 3600 - 3600;
    let points = [(60, 1.0), (90, 3.0), (240, 8.0), (420, 5.0), (1800, -2.5)];
    for dimension in [None, Some("checkout")] {
        let pairs: Vec<_> = dimension.iter().map(|value| ("Service", *value)).collect();
        let list: Vec<_> = pairs.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        // With dimensions, values of their own: a metric of its own.
        let factor = if dimension.is_some() { 10.0 } else { 1.0 };
        // moto takes a metric without dimensions for all of its name, so that the names differ, too.
        let name = dimension.unwrap_or("all");
        let datum = |(second, value): (u64, f64)| json!({"MetricName": name, "Dimensions": list, "Timestamp": start + second, "Value": value * factor});
        let data: Vec<_> = points.into_iter().map(datum).collect();
        let (status, answer) =
            cloudwatch(&moto.url, "PutMetricData", &json!({"Namespace": "App", "MetricData": data})).await;
        assert_eq!(status, 200, "{answer}");
        let time = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(start + second);
        let points = points.map(|(second, value)| (time(second), value * factor));
        sandbox.cloudwatch.put_data("App", name, &pairs, points);
    }
    let query = |id: &str, name: &str, dimensions: Value, period: u32, stat: &str| {
        let metric = json!({"Namespace": "App", "MetricName": name, "Dimensions": dimensions});
        json!({"Id": id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}})
    };
    let checkout = json!([{"Name": "Service", "Value": "checkout"}]);
    let mut queries = vec![
        query("checkout", "checkout", checkout, 300, "Sum"),
        query("none", "none", json!([]), 300, "Sum"),
    ];
    for stat in ["Average", "Sum", "Minimum", "Maximum", "SampleCount"] {
        for period in [60, 300, 3600] {
            queries.push(query(&format!("{}{period}", stat.to_lowercase()), "all", json!([]), period, stat));
        }
    }
    let mut hidden = query("hidden", "all", json!([]), 300, "Sum");
    hidden["ReturnData"] = json!(false);
    queries.push(hidden);
    queries.push(json!({"Id": "e1", "Expression": "sum300", "Label": "math"}));
    let request = |scan: &str, start: u64, end: u64, queries: &[Value]| json!({"StartTime": start, "EndTime": end, "ScanBy": scan, "MetricDataQueries": queries});
    let (down, up) = ("TimestampDescending", "TimestampAscending");
    for request in [
        request(down, start, start + 3600, &queries),
        request(up, start, start + 3600, &queries),
        request(down, start + 60, start + 420, &queries),
    ] {
        let mut told = Vec::new();
        for url in [&moto.url, &sandbox.cloudwatch.url()] {
            let (status, answer) = cloudwatch(url, "GetMetricData", &request).await;
            assert_eq!(status, 200, "{answer}");
            // moto says "Errors Sum" where CloudWatch says "Errors"; both are only words.
            let result = |result: &Value| {
                let id = result["Id"].as_str().unwrap().to_owned();
                let times: Vec<_> = result["Timestamps"].as_array().unwrap().iter().map(seconds).collect();
                let values: Vec<_> = result["Values"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| value.as_f64().unwrap())
                    .collect();
                (id, times, values, result["StatusCode"].clone())
            };
            told.push(answer["MetricDataResults"].as_array().unwrap().iter().map(result).collect::<Vec<_>>());
        }
        assert_eq!(told[0], told[1], "{request}");
        assert_eq!(told[0].len(), queries.len() - 1);
    }
    for request in [
        request(down, start, start, &queries),
        request(down, start + 1, start, &queries),
        request(down, start, start + 60, &[json!({"Id": "m1"})]),
    ] {
        let mut told = Vec::new();
        for url in [&moto.url, &sandbox.cloudwatch.url()] {
            let (status, answer) = cloudwatch(url, "GetMetricData", &request).await;
            let message = answer["message"].as_str().or(answer["Message"].as_str()).map(str::to_owned);
            // Newer releases of moto name it as the service's newer protocols do.
            let kind = kind(&answer).replace("ValidationException", "ValidationError");
            told.push((status, kind, message));
        }
        assert_eq!(told[0], told[1], "{request}");
    }
}

/// Seconds since 1970, whatever form moto has them in.
fn seconds(time: &Value) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "whole seconds")]
    time.as_i64().or(time.as_f64().map(|time| time as i64)).unwrap()
}

#[tokio::test]
#[ignore = "needs moto: run by `make test`"]
async fn logs_are_what_moto_has() {
    let (moto, sandbox) = (Moto::start(), super::sandbox().await);
    let group = "/aws/lambda/checkout";
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let begin = i64::try_from(now).unwrap() - 3_600_000;
    let events = [(0, "INFO one"), (1000, "ERROR two"), (2000, "ERROR: three ERROR"), (2000, "four")];
    let client = super::sdk::logs(&moto.url);
    client.create_log_group().log_group_name(group).send().await.unwrap();
    client.create_log_stream().log_group_name(group).log_stream_name("sandbox").send().await.unwrap();
    let event = |(millis, text): (i64, &str)| {
        InputLogEvent::builder().timestamp(begin + millis).message(text).build().unwrap()
    };
    let put = client.put_log_events().log_group_name(group).log_stream_name("sandbox");
    put.set_log_events(Some(events.map(event).to_vec())).send().await.unwrap();
    let time =
        |millis: i64| SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(begin + millis).unwrap());
    sandbox.logs.put_events(group, events.map(|(millis, text)| (time(millis), text)));
    for (name, pattern, metric) in
        [("errors", "?ERROR ?FATAL", "Errors"), ("slow", "{ $.ms > 1000 }", "Slow")]
    {
        let transformation = MetricTransformation::builder()
            .metric_name(metric)
            .metric_namespace("App")
            .metric_value("1")
            .build()
            .unwrap();
        let filter =
            client.put_metric_filter().log_group_name(group).filter_name(name).filter_pattern(pattern);
        filter.metric_transformations(transformation).send().await.unwrap();
        sandbox.logs.put_metric_filter(group, name, pattern, "App", metric);
    }

    let urls = [moto.url.clone(), sandbox.logs.url()];
    for (pattern, from, to, limit) in [
        // moto matches one term, or one quoted text; all else it lets through.
        (None, None, None, None),
        (Some(""), None, None, None),
        (Some("ERROR"), None, None, None),
        (Some("error"), None, None, None),
        (Some("\"ERROR: three\""), None, None, None),
        (None, Some(1000), None, None),
        (None, Some(1), Some(1000), None),
        (None, Some(2001), None, None),
        (Some("ERROR"), None, None, Some(1)),
    ] {
        let mut told = Vec::new();
        for url in &urls {
            let request = super::sdk::logs(url)
                .filter_log_events()
                .log_group_name(group)
                .set_filter_pattern(pattern.map(str::to_owned))
                .set_start_time(from.map(|millis: i64| begin + millis))
                .set_end_time(to.map(|millis: i64| begin + millis))
                .set_limit(limit);
            let mut seen = Vec::new();
            let mut token = None;
            loop {
                let answer = request.clone().set_next_token(token).send().await.unwrap();
                let event = |event: &aws_sdk_cloudwatchlogs::types::FilteredLogEvent| {
                    let stream = event.log_stream_name().unwrap().to_owned();
                    assert!(event.event_id().is_some() && event.ingestion_time().is_some());
                    (event.timestamp().unwrap(), event.message().unwrap().to_owned(), stream)
                };
                seen.extend(answer.events().iter().map(event));
                token = answer.next_token;
                if token.is_none() {
                    break;
                }
            }
            told.push(seen);
        }
        assert_eq!(told[0], told[1], "{pattern:?} {from:?} {to:?}");
    }
    metric_filters_are_the_same(&urls, group).await;
    for url in &urls {
        let request = super::sdk::logs(url).filter_log_events().log_group_name("none").send();
        assert_eq!(request.await.unwrap_err().code(), Some("ResourceNotFoundException"));
    }
}

async fn metric_filters_are_the_same(urls: &[String], group: &str) {
    for (namespace, metric, of_group) in [
        (Some("App"), Some("Errors"), None),
        (Some("App"), Some("None"), None),
        (None, None, Some(group)),
        (None, None, None),
        (Some("App"), None, None),
        (None, Some("Errors"), None),
    ] {
        let mut told = Vec::new();
        for url in urls {
            let answer = super::sdk::logs(url)
                .describe_metric_filters()
                .set_metric_namespace(namespace.map(str::to_owned))
                .set_metric_name(metric.map(str::to_owned))
                .set_log_group_name(of_group.map(str::to_owned))
                .send()
                .await;
            let filter = |filter: aws_sdk_cloudwatchlogs::types::MetricFilter| {
                (
                    filter.filter_name,
                    filter.filter_pattern,
                    filter.log_group_name,
                    filter.metric_transformations,
                )
            };
            told.push(match answer {
                Ok(answer) => Ok(answer.metric_filters.unwrap().into_iter().map(filter).collect::<Vec<_>>()),
                Err(error) => Err(error.code().unwrap().to_owned()),
            });
        }
        assert_eq!(told[0], told[1], "{namespace:?} {metric:?} {of_group:?}");
    }
}
