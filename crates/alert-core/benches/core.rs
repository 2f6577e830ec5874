//! How fast the core is: from an event's bytes to the JSON for Slack, matchers, and large batches.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark of our own fixtures, which asks the clock; criterion's macros document nothing"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use alert_core::alert::{Alert, Labels, Source, State};
use alert_core::config::Config;
use alert_core::decide;
use alert_core::matcher::Matchers;
use alert_core::relay::{self, Deployment};
use alert_core::render::page::{Context, Language};
use alert_core::render::{Entry, Options, Rendering, slack};
use alert_core::{envelope, source};
use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

const ONE_ALARM: &[u8] = include_bytes!("../../../fixtures/cloudwatch/walkthrough.sns.json");
const THREE_ALARMS: &[u8] = include_bytes!("../../../fixtures/cloudwatch/three-alarms.sns.json");

fn now() -> DateTime<Utc> {
    // Asked for with every event, so that it must not be parsed each time.
    DateTime::from_timestamp(1_484_238_644, 0).unwrap()
}

/// All that the relay computes for an event; the length of what it would post.
fn relay(event: &[u8], deployment: &Deployment) -> usize {
    let plan = relay::plan(envelope::decode(event), deployment, "request", now());
    plan.posts.iter().map(|post| post.message.content().len()).sum()
}

/// An event of SQS with this many alarms, as SNS put them into the queue, each of its own name.
fn records(count: usize) -> Vec<u8> {
    let event: Value = serde_json::from_slice(ONE_ALARM).unwrap();
    let notification = event["Records"][0]["Sns"].clone();
    let record = |number: usize| {
        let mut notification = notification.clone();
        let message = notification["Message"].as_str().unwrap();
        notification["Message"] =
            message.replace("Example alarm name", &format!("Example alarm {number}")).into();
        notification["MessageId"] = format!("00000000-0000-4000-8000-{number:012}").into();
        json!({
            "messageId": format!("10000000-0000-4000-8000-{number:012}"),
            "body": notification.to_string(),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1484238643000"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
        })
    };
    json!({"Records": (0..count).map(record).collect::<Vec<_>>()}).to_string().into_bytes()
}

fn events(criterion: &mut Criterion) {
    let deployment = Deployment::new(Config::default());
    let mut group = criterion.benchmark_group("relay");
    for (name, event) in [("one-alarm", ONE_ALARM), ("three-alarms", THREE_ALARMS)] {
        group.bench_function(name, |bencher| bencher.iter(|| relay(black_box(event), &deployment)));
    }
    group.finish();
}

fn matchers(criterion: &mut Criterion) {
    let texts = [
        r#"alertname="DatasourceError""#,
        r#"alertname!="HighCPU""#,
        r#"alertname=~"Datasource(Error|NoData)""#,
        r#"namespace=~"AWS/.*""#,
        r#"severity!~"info|none""#,
    ];
    let matchers: Vec<Matchers> =
        texts.iter().chain(&texts).map(|text| Matchers::parse(text).unwrap()).collect();
    let mut labels = Labels::new();
    for (name, value) in [
        ("alertname", "DatasourceNoData"),
        ("severity", "critical"),
        ("namespace", "AWS/ApplicationELB"),
        ("account", "123456789012"),
        ("region", "eu-west-1"),
        ("LoadBalancer", "app/front/50dc6c495c0c9188"),
    ] {
        labels.set(name, value);
    }
    criterion.bench_function("matchers", |bencher| {
        bencher.iter(|| matchers.iter().filter(|matchers| matchers.matches(black_box(&labels))).count());
    });
}

fn batches(criterion: &mut Criterion) {
    let deployment = Deployment::new(Config::default());
    let mut group = criterion.benchmark_group("records");
    group.sample_size(10);
    for count in [10, 10_000] {
        let event = records(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(count), &event, |bencher, event| {
            bencher.iter(|| relay(black_box(event), &deployment));
        });
    }
    group.finish();
}

/// How many times as long 10,000 records take as 10, both measured in turns: a machine's speed differs more between one
/// benchmark and the next than they do. Criterion knows times alone; here a nanosecond stands for once.
fn growth(criterion: &mut Criterion) {
    const FEW_RUNS: u32 = 100;
    let deployment = Deployment::new(Config::default());
    let (few, many) = (records(10), records(10_000));
    let time = |event: &[u8], runs: u32| {
        let start = Instant::now();
        for _ in 0..runs {
            black_box(relay(black_box(event), &deployment));
        }
        start.elapsed().as_secs_f64() / f64::from(runs)
    };
    let mut group = criterion.benchmark_group("records");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function("10000-to-10", |bencher| {
        bencher.iter_custom(|rounds| {
            let ratio = |_| time(&many, 1) / time(&few, FEW_RUNS);
            Duration::from_secs_f64((0..rounds).map(ratio).sum::<f64>() / 1e9)
        });
    });
    group.finish();
}

fn digest(criterion: &mut Criterion) {
    let decoded = envelope::decode(&records(10_000));
    let alerts: Vec<_> = decoded.records.iter().flat_map(source::interpret).enumerate().collect();
    let keys: Vec<_> = alerts.iter().map(|(_, alert)| alert.key.clone().unwrap()).collect();
    let alerts: Vec<_> = alerts
        .iter()
        .zip(&keys)
        .map(|((item, alert), key)| Entry { item: *item, alert, key, overtaken: None })
        .collect();
    let accounts = std::collections::BTreeMap::new();
    let (timezone, language) = (chrono_tz::UTC, Language::English);
    let context = Context { timezone, language, ..Context::new(now(), &accounts) };
    let options =
        Options { rendering: Rendering::Classic, has_bar: false, channel: None, timezone, language };
    let mut group = criterion.benchmark_group("digest");
    group.sample_size(30);
    group.bench_function("10000", |bencher| {
        bencher.iter(|| {
            let messages = slack::digest(black_box(&alerts), &context, &options);
            messages.iter().map(|(message, _)| message.to_json().len()).sum::<usize>()
        });
    });
    group.finish();
}

/// A rule with a time interval on a resolved alert: it must have held all the time since the alert began.
fn resolved(criterion: &mut Criterion) {
    let config = Config::parse(
        "
drop: [{matchers: [state=resolved], active_time_intervals: [always]}]
time_intervals:
  - name: always
    time_intervals:
      - {times: [{start_time: '00:00', end_time: '12:00'}], location: Europe/Berlin}
      - {times: [{start_time: '12:00', end_time: '24:00'}], location: Europe/Berlin}
",
    )
    .unwrap();
    let mut alert = Alert::new(Source::Grafana, "a", State::Resolved, "resolved");
    alert.labels.set("state", "resolved");
    (alert.starts_at, alert.ends_at) = (Some(now() - TimeDelta::hours(167)), Some(now()));
    criterion.bench_function("resolved-after-a-week", |bencher| {
        bencher.iter(|| assert!(decide::dropped_by(&config, black_box(&alert), now()).is_some()));
    });
}

/// Shorter than criterion's own eight seconds for each: `make bench` is to end soon, and medians move little.
fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3))
}

criterion_group! {
    name = benches;
    config = short();
    targets = events, matchers, batches, growth, digest, resolved
}
criterion_main!(benches);
