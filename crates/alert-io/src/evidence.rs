//! What CloudWatch and CloudWatch Logs say of an alarm, asked when its first post is done: values and log lines.
//!
//! What is asked for and what people see of it is in [`alert_core::evidence`]; which of an alarm's queries are whose is here,
//! because it is about the calls. Nothing here fails: what cannot be had is a [`Gap`].
//!
//! Sources: CloudWatch API Reference, `DescribeAlarms`, `GetMetricData`; CloudWatch Logs API Reference,
//! `DescribeMetricFilters`, `FilterLogEvents`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use alert_core::alert::AlarmName;
use alert_core::evidence::{
    ERRORS, Findings, Gap, Lines, Measured, Sought, Subject, Wanted, group_of_function, window,
};
use alert_core::{number, source};
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatchlogs as logs;
use chrono::{DateTime, TimeDelta, Utc};
use cloudwatch::types::{
    Dimension, Metric, MetricAlarm, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};
use futures_util::future::join;
use tokio::time::{Instant, timeout_at};

use crate::aws::{self, Identity};
use crate::http::describe_sdk;
use crate::settings::Environment;

const CLOUDWATCH: &str = "CloudWatch";
const LOGS: &str = "CloudWatch Logs";
/// Pages of log lines, of up to 1 MB each; what is behind them is not counted.
const PAGES_MAX: usize = 10;
/// One metric may be counted from several log groups; so many are searched, until one has lines.
const FILTERS_MAX: i32 = 3;
/// CloudWatch keeps values of less than a minute for three hours. Source: `GetMetricData`, `Period`.
const FINE_KEPT: TimeDelta = TimeDelta::minutes(175);
/// The id of an alarm's metric where it has no queries of its own.
const VALUE: &str = "value";

/// Asks AWS, in the region of each alarm.
#[derive(Debug)]
pub struct Evidence {
    identity: Identity,
    http: reqwest::Client,
    endpoints: aws::Endpoints,
    clients: Mutex<BTreeMap<String, Clients>>,
}

#[derive(Debug, Clone)]
struct Clients {
    cloudwatch: cloudwatch::Client,
    logs: logs::Client,
}

/// What a part of the work gives, or why not.
type Had<T> = Result<T, Gap>;

impl Evidence {
    /// For this role. No call is made, and no connection opened, before something is asked.
    #[must_use]
    pub fn new(environment: Environment<'_>, identity: Identity, http: reqwest::Client) -> Self {
        Self { identity, http, endpoints: aws::Endpoints::new(environment), clients: Mutex::default() }
    }

    fn clients(&self, region: &str) -> Clients {
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = || Clients {
            cloudwatch: aws::cloudwatch(&self.endpoints, &self.identity, &self.http, region),
            logs: aws::logs(&self.endpoints, &self.identity, &self.http, region),
        };
        clients.entry(region.to_owned()).or_insert_with(new).clone()
    }

    /// What there is about a subject, by `end`; what is not there by then is a gap. `account` is the function's own.
    pub async fn gather(
        &self,
        subject: &Subject,
        account: &str,
        now: DateTime<Utc>,
        end: Instant,
    ) -> Findings {
        let mut findings = Findings { image: subject.image.clone(), ..Findings::default() };
        if !subject.chart && subject.lines == 0 {
            return findings;
        }
        // Another account's alarm, or log group, may have the name of one of ours.
        let is_ours =
            |alarm: &AlarmName| [alarm.account.as_str(), account].contains(&"") || alarm.account == account;
        if let Some(other) = subject.alarms.iter().find(|alarm| !is_ours(alarm)) {
            findings.miss(subject, &Gap::OtherAccount(other.account.clone()));
            return findings;
        }
        let region = subject.alarms.first().map_or("", |alarm| alarm.region.as_str());
        let region = if region.is_empty() { self.identity.region() } else { region };
        // It came in a message, and becomes a part of a host's name.
        if !is_region(region) {
            findings.miss(subject, &Gap::Refused(CLOUDWATCH, format!("region {region}")));
            return findings;
        }
        let clients = self.clients(region);
        let needs_definition = subject.chart || subject.log_groups.is_empty();
        let definitions = if needs_definition {
            match bounded(end, CLOUDWATCH, definitions(&clients, subject, region)).await {
                Ok((definitions, gaps)) => {
                    for gap in &gaps {
                        findings.miss(subject, gap);
                    }
                    definitions
                }
                Err(gap) => {
                    findings.miss(subject, &gap);
                    return findings;
                }
            }
        } else {
            Vec::new()
        };
        let graphs = async {
            let mut graphs = Vec::new();
            for definition in definitions.iter().filter(|_| subject.chart) {
                graphs.push(bounded(end, CLOUDWATCH, graph(&clients, definition, subject, now)).await);
            }
            graphs
        };
        let lines = async {
            if subject.lines == 0 {
                return Ok(None);
            }
            let places = bounded(end, LOGS, sought(&clients, &definitions, subject, region, now)).await?;
            let mut missed = None;
            for sought in &places {
                match self::lines(&clients, sought, subject.lines, region, end).await {
                    Ok(lines) => return Ok(Some(lines)),
                    Err(gap) => missed = missed.or(Some(gap)),
                }
            }
            missed.map_or(Ok(None), Err)
        };
        // Boxed, as the SDK's calls are large.
        let (graphs, lines) = Box::pin(join(graphs, lines)).await;
        for graph in graphs {
            match graph {
                Ok(graph) => findings.graphs.push(graph),
                Err(gap) => findings.gaps.push((Wanted::Chart, gap)),
            }
        }
        match lines {
            Ok(lines) => findings.lines = lines,
            Err(gap) => findings.gaps.push((Wanted::Lines, gap)),
        }
        findings
    }
}

/// Whether a text has the form of a region's code.
fn is_region(text: &str) -> bool {
    (4..=25).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.ends_with(|c: char| c.is_ascii_digit())
}

async fn bounded<T>(end: Instant, service: &'static str, work: impl Future<Output = Had<T>>) -> Had<T> {
    timeout_at(end, work).await.unwrap_or(Err(Gap::Slow(service)))
}

/// The definitions of a subject's alarms, and which of them cannot be had.
async fn definitions(
    clients: &Clients,
    subject: &Subject,
    region: &str,
) -> Had<(Vec<MetricAlarm>, Vec<Gap>)> {
    let names = subject.alarms.iter().map(|alarm| alarm.name.clone()).collect();
    let call = clients.cloudwatch.describe_alarms().set_alarm_names(Some(names));
    let answer =
        call.alarm_types(cloudwatch::types::AlarmType::MetricAlarm).send().await.map_err(|error| {
            gap(CLOUDWATCH, "cloudwatch:DescribeAlarms", &format!("the alarms in {region}"), &error)
        })?;
    let mut found = answer.metric_alarms.unwrap_or_default();
    let (mut definitions, mut gaps) = (Vec::new(), Vec::new());
    for AlarmName { name, .. } in &subject.alarms {
        match found.iter().position(|alarm| alarm.alarm_name() == Some(name)) {
            Some(place) => definitions.push(found.swap_remove(place)),
            None => gaps.push(Gap::NoAlarm(name.clone())),
        }
    }
    Ok((definitions, gaps))
}

/// An alarm's queries as they are asked, the id of what is compared, and that of its band.
fn queries(alarm: &MetricAlarm, is_long_ago: bool) -> (Vec<MetricDataQuery>, String, Option<String>) {
    let kept = |period: i32| if is_long_ago { period.max(60) } else { period.max(1) };
    if alarm.metrics().is_empty() {
        let metric = Metric::builder()
            .set_namespace(alarm.namespace.clone())
            .set_metric_name(alarm.metric_name.clone())
            .set_dimensions(alarm.dimensions.clone())
            .build();
        let statistic = alarm.statistic.as_ref().map(|statistic| statistic.as_str().to_owned());
        let statistic = MetricStat::builder()
            .metric(metric)
            .period(kept(alarm.period.unwrap_or(60)))
            .set_stat(statistic.or_else(|| alarm.extended_statistic.clone()))
            .set_unit(alarm.unit.clone())
            .build();
        let query = MetricDataQuery::builder().id(VALUE).metric_stat(statistic).return_data(true).build();
        return (vec![query], VALUE.to_owned(), None);
    }
    let band = alarm.threshold_metric_id.clone();
    let is_band = |query: &MetricDataQuery| query.id.is_some() && query.id == band;
    let compared = alarm.metrics().iter().filter(|query| !is_band(query));
    let compared =
        compared.clone().find(|query| query.return_data != Some(false)).or(compared.clone().next());
    let compared = compared.and_then(|query| query.id.clone()).unwrap_or_default();
    let queries = alarm.metrics().iter().cloned().map(|mut query| {
        query.return_data = Some(query.id.as_ref() == Some(&compared) || is_band(&query));
        query.period = query.period.map(kept);
        if let Some(statistic) = &mut query.metric_stat {
            statistic.period = statistic.period.map(kept);
        }
        query
    });
    (queries.collect(), compared, band)
}

/// How long one value of an alarm covers.
fn period(alarm: &MetricAlarm) -> TimeDelta {
    let of_query = |query: &MetricDataQuery| {
        query.period.or_else(|| query.metric_stat.as_ref().and_then(|statistic| statistic.period))
    };
    let seconds = alarm.period.or_else(|| alarm.metrics().iter().filter_map(of_query).max());
    TimeDelta::seconds(i64::from(seconds.unwrap_or(60).max(1)))
}

async fn graph(
    clients: &Clients,
    alarm: &MetricAlarm,
    subject: &Subject,
    now: DateTime<Utc>,
) -> Had<alert_core::evidence::Graph> {
    let (from, to) = window(subject.at, subject.began_at, period(alarm), now);
    // Seconds taken together to minutes are other values: a sum is six times as much.
    let is_fine = period(alarm) < TimeDelta::minutes(1) && now - subject.at < FINE_KEPT / 2;
    let from = if is_fine { from.max(now - FINE_KEPT) } else { from };
    let (queries, compared, band) = queries(alarm, !is_fine);
    let name = alarm.alarm_name().unwrap_or_default().to_owned();
    let unit = unit(alarm, &compared);
    let is_labelled = is_labelled(alarm, &compared);
    let answer = clients
        .cloudwatch
        .get_metric_data()
        .set_metric_data_queries(Some(queries))
        .start_time(sdk_time(from))
        .end_time(sdk_time(to))
        .scan_by(ScanBy::TimestampDescending)
        .send()
        .await
        .map_err(|error| gap(CLOUDWATCH, "cloudwatch:GetMetricData", "metrics", &error))?;
    let results = answer.metric_data_results();
    let of = |id: &str| results.iter().filter(|result| result.id() == Some(id)).collect::<Vec<_>>();
    let result = of(&compared).first().copied();
    let values = result.map(points).unwrap_or_default();
    // What is not to be had is told with the values that are, and not as an error.
    if let Some(status) = result.and_then(MetricDataResult::status_code)
        && values.is_empty()
        && *status != StatusCode::Complete
    {
        return Err(Gap::Refused(CLOUDWATCH, status.as_str().to_owned()));
    }
    let label = result.and_then(|result| result.label()).filter(|_| is_labelled).map(str::to_owned);
    let ends = band.as_deref().map(of).unwrap_or_default();
    let (lower, upper) = band_ends(&ends);
    let operator = alarm.comparison_operator.as_ref().map(cloudwatch::types::ComparisonOperator::as_str);
    let measured = Measured {
        name: label.unwrap_or_else(|| name.clone()),
        unit,
        comparison: operator.and_then(source::cloudwatch::comparison),
        limit: alarm.threshold,
        values,
        lower,
        upper,
    };
    measured.graph(from, to).ok_or(Gap::NoValues(name))
}

/// Whether the answer's label says more than the id of a query.
fn is_labelled(alarm: &MetricAlarm, compared: &str) -> bool {
    let query = alarm.metrics().iter().find(|query| query.id() == Some(compared));
    query.is_none_or(|query| query.label().is_some() || query.expression().is_none())
}

/// The unit of an alarm's values as people write it; empty where nobody says it.
fn unit(alarm: &MetricAlarm, compared: &str) -> String {
    let query = alarm.metrics().iter().find(|query| query.id() == Some(compared));
    let statistic = query.and_then(|query| query.metric_stat.as_ref());
    let metric = statistic.and_then(|statistic| statistic.metric.as_ref());
    let given = alarm.unit.as_ref().or_else(|| statistic.and_then(|statistic| statistic.unit.as_ref()));
    let namespace = alarm.namespace().or_else(|| metric.and_then(Metric::namespace));
    let name = alarm.metric_name().or_else(|| metric.and_then(Metric::metric_name));
    match given.map(cloudwatch::types::StandardUnit::as_str).filter(|unit| *unit != "None") {
        Some(unit) => number::unit_symbol(unit).to_owned(),
        None => {
            source::cloudwatch::unit_of(namespace.unwrap_or_default(), name.unwrap_or_default()).to_owned()
        }
    }
}

fn points(result: &MetricDataResult) -> Vec<(DateTime<Utc>, f64)> {
    let times = result.timestamps().iter().map(|at| DateTime::from_timestamp(at.secs(), 0));
    times.zip(result.values()).filter_map(|(at, value)| Some((at?, *value))).collect()
}

type Ends = Vec<(DateTime<Utc>, f64)>;

/// A band's results are two of one id: the lower end and the upper one, whichever comes first.
fn band_ends(results: &[&MetricDataResult]) -> (Ends, Ends) {
    let mut ends: Vec<Ends> = results.iter().map(|result| points(result)).collect();
    ends.truncate(2);
    if let [one, other] = &ends[..] {
        // At the newest time that both have.
        let others: BTreeMap<_, _> = other.iter().copied().collect();
        let both = one.iter().filter_map(|(at, value)| Some((at, *value, *others.get(at)?)));
        if both.max_by_key(|(at, ..)| *at).is_some_and(|(_, one, other)| one > other) {
            ends.swap(0, 1);
        }
    }
    let upper = ends.pop().unwrap_or_default();
    (ends.pop().unwrap_or_default(), upper)
}

/// Which lines say why, where that can be known.
async fn sought(
    clients: &Clients,
    definitions: &[MetricAlarm],
    subject: &Subject,
    region: &str,
    now: DateTime<Utc>,
) -> Had<Vec<Sought>> {
    if let Some(group) = subject.log_groups.first() {
        // How long its query looks back is not told.
        let looked_at = (5, TimeDelta::minutes(1));
        return Ok(vec![Sought::new(group.clone(), ERRORS.to_owned(), subject.at, looked_at, now)]);
    }
    for alarm in definitions {
        let looked_at = (alarm.evaluation_periods.unwrap_or(1), period(alarm));
        let sought = |group, pattern| Sought::new(group, pattern, subject.at, looked_at, now);
        for (namespace, metric, function) in metrics(alarm) {
            if let Some((group, pattern)) = group_of_function(namespace, metric, function) {
                return Ok(vec![sought(group, pattern.to_owned())]);
            }
            // AWS's own metrics come from no filter.
            if namespace.is_empty() || metric.is_empty() || namespace.starts_with("AWS/") {
                continue;
            }
            let call = clients.logs.describe_metric_filters().metric_namespace(namespace).metric_name(metric);
            let answer = call.limit(FILTERS_MAX).send().await.map_err(|error| {
                gap(LOGS, "logs:DescribeMetricFilters", &format!("log groups in {region}"), &error)
            })?;
            let filters = answer.metric_filters.unwrap_or_default().into_iter();
            let places: Vec<_> = filters
                .filter_map(|filter| {
                    Some(sought(filter.log_group_name?, filter.filter_pattern.unwrap_or_default()))
                })
                .collect();
            if !places.is_empty() {
                return Ok(places);
            }
        }
    }
    Ok(Vec::new())
}

/// The metrics of an alarm: namespace, name, and the Lambda function that it is about, where it is about one.
fn metrics(alarm: &MetricAlarm) -> Vec<(&str, &str, &str)> {
    fn function(dimensions: &[Dimension]) -> &str {
        let own = dimensions.iter().find(|dimension| dimension.name() == Some("FunctionName"));
        own.and_then(Dimension::value).unwrap_or_default()
    }
    let own = alarm.namespace().zip(alarm.metric_name());
    let own = own.map(|(namespace, metric)| (namespace, metric, function(alarm.dimensions())));
    let statistics = alarm.metrics().iter().filter_map(|query| query.metric_stat.as_ref());
    let queried = statistics.filter_map(|statistic| statistic.metric.as_ref()).filter_map(|metric| {
        Some((metric.namespace()?, metric.metric_name()?, function(metric.dimensions())))
    });
    own.into_iter().chain(queried).collect()
}

/// The newest of the lines that are sought, and how many there are.
async fn lines(clients: &Clients, sought: &Sought, wanted: usize, region: &str, end: Instant) -> Had<Lines> {
    let Sought { group, pattern, from, to } = sought;
    let mut newest: Vec<(i64, String)> = Vec::new();
    let (mut total, mut is_more, mut token) = (0, false, None);
    for page in 0..PAGES_MAX {
        let call = clients
            .logs
            .filter_log_events()
            .log_group_name(group)
            .set_filter_pattern(Some(pattern.clone()).filter(|pattern| !pattern.is_empty()))
            .start_time(from.timestamp_millis())
            .end_time(to.timestamp_millis())
            .start_from_head(false)
            .set_next_token(token.take());
        let answer = match timeout_at(end, call.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if page == 0 => return Err(gap(LOGS, "logs:FilterLogEvents", group, &error)),
            Err(_) if page == 0 => return Err(Gap::Slow(LOGS)),
            // What was found so far is worth more than nothing.
            Ok(Err(_)) | Err(_) => {
                is_more = true;
                break;
            }
        };
        let events = answer.events.unwrap_or_default();
        total += events.len();
        newest.extend(
            events.into_iter().map(|event| (event.timestamp.unwrap_or(0), event.message.unwrap_or_default())),
        );
        newest.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        newest.truncate(wanted);
        token = answer.next_token;
        is_more = token.is_some();
        if !is_more {
            break;
        }
    }
    let newest = newest.iter().map(|(_, line)| line.as_str());
    let lines = Lines::new(sought, region, newest, total, is_more);
    match (lines.lines.is_empty(), is_more) {
        (false, _) => Ok(lines),
        (true, true) => Err(Gap::NoMatchYet(group.clone())),
        (true, false) => Err(Gap::NoMatch(group.clone())),
    }
}

/// What an error of a call means for people. The SDKs' types of errors are the same in all their crates.
fn gap<E>(
    service: &'static str,
    right: &'static str,
    on: &str,
    error: &aws_smithy_runtime_api::client::result::SdkError<
        E,
        aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    >,
) -> Gap
where
    E: std::error::Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
{
    use aws_smithy_runtime_api::client::result::SdkError;
    let code = match error {
        SdkError::TimeoutError(_) => return Gap::Slow(service),
        SdkError::ServiceError(inner) => inner.err().meta().code().unwrap_or("an error"),
        _ => return Gap::Refused(service, describe_sdk(error)),
    };
    if code.starts_with("AccessDenied")
        || code.contains("UnauthorizedOperation")
        || code.contains("NotAuthorized")
    {
        Gap::Right(right, on.to_owned())
    } else if code.contains("Throttl") || code.contains("LimitExceeded") || code.contains("TooManyRequests") {
        Gap::Throttled(service)
    } else if code == "ResourceNotFoundException" && service == LOGS {
        Gap::NoGroup(on.to_owned())
    } else {
        Gap::Refused(service, code.to_owned())
    }
}

fn sdk_time(at: DateTime<Utc>) -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_secs(at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_region_becomes_a_part_of_a_host() {
        for region in ["eu-west-1", "us-gov-east-1", "ap-southeast-7", "cn-north-1"] {
            assert!(is_region(region), "{region}");
        }
        for text in
            ["", "evil.com/", "eu-west-1.evil.com", "EU (Ireland)", "-1", "1-1-1", "eu-west-1#", "a1@b-1"]
        {
            assert!(!is_region(text), "{text}");
        }
    }

    #[test]
    fn an_alarm_is_asked_for_in_its_own_region() {
        let of = |name: &str| match name {
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
            _ => None,
        };
        let identity = Identity::from_environment(&of).unwrap();
        let evidence = Evidence::new(&of, identity, crate::http::client(&of).unwrap());
        for region in ["us-east-1", "eu-central-1"] {
            let Clients { cloudwatch, logs } = evidence.clients(region);
            assert_eq!(cloudwatch.config().region().map(AsRef::as_ref), Some(region));
            assert_eq!(logs.config().region().map(AsRef::as_ref), Some(region));
        }
    }

    fn query(id: &str, expression: Option<&str>, is_returned: bool, period: i32) -> MetricDataQuery {
        let metric = Metric::builder().namespace("Shop").metric_name(id).build();
        let statistic = MetricStat::builder().metric(metric).period(period).stat("Sum").build();
        MetricDataQuery::builder()
            .id(id)
            .set_expression(expression.map(str::to_owned))
            .set_metric_stat(expression.is_none().then_some(statistic))
            .return_data(is_returned)
            .build()
    }

    #[test]
    fn a_band_and_what_is_compared_with_it_are_asked_for() {
        let alarm = MetricAlarm::builder()
            .metrics(query("m1", None, true, 10))
            .metrics(query("ad1", Some("ANOMALY_DETECTION_BAND(m1, 2)"), true, 10))
            .metrics(query("m2", None, true, 10))
            .threshold_metric_id("ad1")
            .build();
        let (asked, compared, band) = queries(&alarm, true);
        assert_eq!((compared.as_str(), band.as_deref()), ("m1", Some("ad1")));
        let returned: Vec<_> = asked.iter().filter(|query| query.return_data == Some(true)).collect();
        assert_eq!(returned.len(), 2);
        // Values of ten seconds are gone after three hours.
        assert_eq!(asked[0].metric_stat.as_ref().unwrap().period, Some(60));
        assert_eq!(queries(&alarm, false).0[0].metric_stat.as_ref().unwrap().period, Some(10));
    }

    #[test]
    fn of_metric_math_the_result_is_drawn() {
        let alarm = MetricAlarm::builder()
            .metrics(query("m1", None, false, 60))
            .metrics(query("e1", Some("m1 / 2"), true, 60))
            .build();
        let (asked, compared, band) = queries(&alarm, false);
        assert_eq!((compared.as_str(), band), ("e1", None));
        assert_eq!(asked.iter().filter(|query| query.return_data == Some(true)).count(), 1);
        assert_eq!(period(&alarm), TimeDelta::seconds(60));
    }
}
