use std::time::{Duration, Instant, SystemTime};

use alert_sandbox::Sandbox;
use alert_sandbox::aws::Fault;
use alert_sandbox::logs::{PAGE_MAX_BYTES, PAGE_MAX_EVENTS};
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::builders::FilterLogEventsFluentBuilder;

const GROUP: &str = "/aws/lambda/checkout";
/// In 2026.
const BEGIN_MILLIS: i64 = 1_770_000_000_000;

fn time(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(BEGIN_MILLIS + millis).unwrap())
}

fn request(sandbox: &Sandbox) -> FilterLogEventsFluentBuilder {
    super::sdk::logs(&sandbox.logs.url()).filter_log_events().log_group_name(GROUP)
}

fn messages(answer: &FilterLogEventsOutput) -> Vec<&str> {
    answer.events().iter().map(|event| event.message().unwrap()).collect()
}

async fn refusal(request: FilterLogEventsFluentBuilder) -> (String, String) {
    let error = request.send().await.unwrap_err();
    (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
}

#[tokio::test]
async fn events_are_found_by_time_pattern_and_stream() {
    let sandbox = super::sandbox().await;
    sandbox.logs.put_events(
        GROUP,
        [(time(2000), "ERROR two"), (time(1000), "INFO one"), (time(3000), "ERROR three")],
    );
    sandbox.logs.put_events_in(GROUP, "other", [(time(2500), r#"{"level": "error", "status": 500}"#)]);
    let answer = request(&sandbox).send().await.unwrap();
    let json = r#"{"level": "error", "status": 500}"#;
    assert_eq!(messages(&answer), ["INFO one", "ERROR two", json, "ERROR three"]);
    assert!(answer.next_token().is_none());
    let event = &answer.events()[2];
    assert_eq!((event.timestamp(), event.log_stream_name()), (Some(BEGIN_MILLIS + 2500), Some("other")));
    assert_eq!(event.event_id().unwrap().len(), 56);
    assert!(event.ingestion_time().unwrap() > BEGIN_MILLIS);

    for (request, expected) in [
        // Both ends are part of the range.
        (
            request(&sandbox).start_time(BEGIN_MILLIS + 2000).end_time(BEGIN_MILLIS + 2500),
            vec!["ERROR two", json],
        ),
        (request(&sandbox).start_time(BEGIN_MILLIS + 3001), vec![]),
        (request(&sandbox).filter_pattern("ERROR -three"), vec!["ERROR two"]),
        (request(&sandbox).filter_pattern("?one ?two"), vec!["INFO one", "ERROR two"]),
        (request(&sandbox).filter_pattern("{ $.status >= 500 && $.level = \"err*\" }"), vec![json]),
        (request(&sandbox).log_stream_names("other"), vec![json]),
        (request(&sandbox).log_stream_name_prefix("sand").limit(1), vec!["INFO one"]),
        (request(&sandbox).log_stream_name_prefix("none"), vec![]),
        (
            request(&sandbox).start_from_head(false).start_time(BEGIN_MILLIS).limit(2),
            vec!["ERROR three", json],
        ),
    ] {
        assert_eq!(messages(&request.send().await.unwrap()), expected);
    }
    let by_arn = super::sdk::logs(&sandbox.logs.url()).filter_log_events();
    let arn = format!("arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}");
    assert_eq!(messages(&by_arn.log_group_identifier(arn).send().await.unwrap()).len(), 4);
    assert_eq!(sandbox.logs.count("FilterLogEvents"), 11);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let sandbox = super::sandbox().await;
    sandbox.logs.create_group(GROUP);
    let other = || super::sdk::logs(&sandbox.logs.url()).filter_log_events();
    let invalid = "InvalidParameterException";
    let missing = "ResourceNotFoundException";
    for (request, code) in [
        (other().log_group_name("/aws/lambda/none"), missing),
        (other().log_group_identifier("arn:aws:logs:eu-west-1:123456789012:log-group:a"), missing),
        (other().log_group_identifier("arn:aws:logs:us-east-1:123456789012:log-group:a:*"), invalid),
        (other(), invalid),
        (request(&sandbox).log_group_identifier(GROUP), invalid),
        (request(&sandbox).limit(0), invalid),
        (request(&sandbox).limit(10_001), invalid),
        (request(&sandbox).start_time(-1), invalid),
        (request(&sandbox).next_token("x"), invalid),
        (request(&sandbox).log_stream_names("none"), missing),
        (request(&sandbox).log_stream_names("a").log_stream_name_prefix("a"), invalid),
        (request(&sandbox).start_from_head(false), invalid),
        (request(&sandbox).filter_pattern("%ERROR%"), invalid),
        (request(&sandbox).filter_pattern("[a, b]"), invalid),
        (request(&sandbox).filter_pattern("a-b"), invalid),
        (request(&sandbox).filter_pattern("a".repeat(1025)), invalid),
    ] {
        let (got, message) = refusal(request).await;
        assert_eq!(got, code, "{message}");
    }
}

#[tokio::test]
async fn events_come_in_pages() {
    let sandbox = super::sandbox().await;
    let count = PAGE_MAX_EVENTS + 5;
    sandbox.logs.put_events(GROUP, (0..).take(count).map(|index| (time(index), "a")));
    let first = request(&sandbox).send().await.unwrap();
    assert_eq!(first.events().len(), PAGE_MAX_EVENTS);
    let second = request(&sandbox).set_next_token(first.next_token).send().await.unwrap();
    assert_eq!((second.events().len(), second.next_token()), (5, None));

    // A token has the direction with it.
    let newest =
        request(&sandbox).start_time(BEGIN_MILLIS).start_from_head(false).limit(2).send().await.unwrap();
    let older = request(&sandbox).start_time(BEGIN_MILLIS).limit(1).set_next_token(newest.next_token.clone());
    let older = older.send().await.unwrap();
    let last = BEGIN_MILLIS + i64::try_from(count).unwrap() - 1;
    assert_eq!(newest.events()[0].timestamp(), Some(last));
    assert_eq!(older.events()[0].timestamp(), Some(last - 2));

    // Pages are full by bytes, too.
    let sandbox = super::sandbox().await;
    let large = "a".repeat(PAGE_MAX_BYTES / 2 - 26);
    sandbox.logs.put_events(GROUP, (0..5).map(|index| (time(index), large.clone())));
    let first = request(&sandbox).send().await.unwrap();
    assert_eq!(first.events().len(), 2);
    assert!(first.next_token().is_some());
}

#[tokio::test]
async fn a_page_may_be_empty_and_not_the_last() {
    let sandbox = super::sandbox().await;
    sandbox.logs.put_events(GROUP, (0..5).map(|index| (time(index), if index == 4 { "b" } else { "a" })));
    sandbox.logs.set_scan_limit(2);
    let mut token = None;
    let mut sizes = Vec::new();
    loop {
        let answer = request(&sandbox).filter_pattern("b").set_next_token(token).send().await.unwrap();
        sizes.push(answer.events().len());
        token = answer.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [0, 0, 1]);
}

#[tokio::test]
async fn metric_filters_are_found_by_metric_and_by_group() {
    let sandbox = super::sandbox().await;
    sandbox.logs.put_metric_filter(GROUP, "errors", "?ERROR ?FATAL", "App", "Errors");
    sandbox.logs.put_metric_filter(GROUP, "slow", "{ $.ms > 1000 }", "App", "Slow");
    sandbox.logs.put_metric_filter("/other", "errors", "%err%", "App", "Errors");
    let client = super::sdk::logs(&sandbox.logs.url());
    let by_metric = client.describe_metric_filters().metric_namespace("App").metric_name("Errors").send();
    let answer = by_metric.await.unwrap();
    let groups: Vec<_> =
        answer.metric_filters().iter().map(|filter| filter.log_group_name().unwrap()).collect();
    assert_eq!(groups, [GROUP, "/other"]);
    let filter = &answer.metric_filters()[0];
    assert_eq!((filter.filter_name(), filter.filter_pattern()), (Some("errors"), Some("?ERROR ?FATAL")));
    let transformation = &filter.metric_transformations()[0];
    assert_eq!((transformation.metric_name(), transformation.metric_namespace()), ("Errors", "App"));
    assert_eq!(transformation.metric_value(), "1");

    let count = async |request: aws_sdk_cloudwatchlogs::operation::describe_metric_filters::builders::DescribeMetricFiltersFluentBuilder| {
        let answer = request.send().await;
        answer.map(|answer| answer.metric_filters().len()).map_err(|error| error.code().unwrap().to_owned())
    };
    let describe = || client.describe_metric_filters();
    assert_eq!(count(describe()).await, Ok(3));
    assert_eq!(count(describe().log_group_name(GROUP)).await, Ok(2));
    assert_eq!(count(describe().log_group_name(GROUP).filter_name_prefix("sl")).await, Ok(1));
    assert_eq!(count(describe().filter_name_prefix("sl")).await, Ok(3), "it is not heeded without a group");
    assert_eq!(count(describe().metric_namespace("App").metric_name("None")).await, Ok(0));
    let invalid = || Err("InvalidParameterException".to_owned());
    assert_eq!(count(describe().metric_name("Errors")).await, invalid());
    assert_eq!(count(describe().metric_namespace("App")).await, invalid());
    assert_eq!(count(describe().limit(51)).await, invalid());
    assert_eq!(count(describe().next_token("x")).await, invalid());
    assert_eq!(count(describe().log_group_name("none")).await, Err("ResourceNotFoundException".to_owned()));
    let first = describe().limit(2).send().await.unwrap();
    let second = describe().set_next_token(first.next_token).send().await.unwrap();
    assert_eq!((first.metric_filters.unwrap().len(), second.metric_filters().len()), (2, 1));
    assert_eq!(second.next_token(), None);
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let sandbox = super::sandbox().await;
    for authorization in ["", "Bearer x", &super::authorization("monitoring")] {
        let answer = super::client()
            .post(sandbox.logs.url())
            .header("x-amz-target", "Logs_20140328.FilterLogEvents")
            .header("authorization", authorization)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400);
        assert!(answer.text().await.unwrap().contains("MissingAuthenticationTokenException"));
    }
}

#[tokio::test]
async fn faults() {
    let sandbox = super::sandbox().await;
    sandbox.logs.create_group(GROUP);
    for (fault, status, code) in [
        (Fault::Deny, 400, "AccessDeniedException"),
        (Fault::Unavailable, 500, "ServiceUnavailableException"),
        (Fault::Throttle(1), 400, "ThrottlingException"),
    ] {
        sandbox.logs.set_fault_for("FilterLogEvents", fault);
        let error = request(&sandbox).send().await.unwrap_err();
        assert_eq!((error.raw_response().unwrap().status().as_u16(), error.code()), (status, Some(code)));
        if code == "AccessDeniedException" {
            let part = "is not authorized to perform: logs:FilterLogEvents on resource: \
                        arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/checkout:log-stream:";
            assert!(error.message().unwrap().contains(part), "{error:?}");
        }
    }
    assert!(request(&sandbox).send().await.is_ok(), "a throttle wears off");
    sandbox.logs.set_fault_for("DescribeMetricFilters", Fault::Deny);
    assert!(request(&sandbox).send().await.is_ok(), "it is for another operation");

    let limit = Duration::from_millis(50);
    sandbox.logs.set_fault(Fault::Delay(limit));
    let started = Instant::now();
    assert!(request(&sandbox).send().await.is_ok());
    assert!(started.elapsed() >= limit);
    sandbox.logs.set_fault(Fault::Hang(limit));
    assert!(request(&sandbox).send().await.unwrap_err().code().is_none());
    assert_eq!(sandbox.logs.calls().last().unwrap().outcome, "no answer");
}
