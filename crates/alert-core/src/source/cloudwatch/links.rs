//! Where in the console an alarm, its metric and its logs are found.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Log, Metric};
use crate::region::{self, console_host, percent_encode};

/// CloudWatch's console in a region.
pub(super) struct Console<'r> {
    /// A region's code.
    region: &'r str,
    /// All of a page's URL before its fragment.
    home: String,
}

/// A graph as the console takes it.
#[derive(Serialize)]
struct Graph<'g> {
    region: &'g str,
    view: &'static str,
    metrics: Rows<'g>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stat: Option<Cow<'g, str>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Rows<'g> {
    /// A metric by its names, and the names and values of its dimensions.
    Metric([Vec<&'g str>; 1]),
    Queries(&'g [Value]),
}

impl<'r> Console<'r> {
    /// `None` where the region is unknown or the partition's console has no public address.
    pub(super) fn of(region: Option<&'r str>, partition: Option<&str>) -> Option<Self> {
        let region = region?;
        let region = region::code(region).unwrap_or(region);
        let host = console_host(partition.unwrap_or_else(|| region::partition(region)), region)?;
        Some(Self { region, home: ["https://", &host, "/cloudwatch/home?region=", region].concat() })
    }

    /// The alarm's page.
    pub(super) fn alarm(&self, name: &str) -> String {
        [&self.home, "#alarmsV2:alarm/", &percent_encode(name)].concat()
    }

    /// The metric's graph over the last three hours.
    pub(super) fn metric(&self, metric: &Metric) -> Option<String> {
        let metrics = if metric.graph.is_empty() {
            let mut row = vec![metric.namespace.as_deref()?, metric.name.as_deref()?];
            row.extend(metric.dimensions.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
            Rows::Metric([row])
        } else {
            Rows::Queries(&metric.graph)
        };
        let graph = Graph {
            region: self.region,
            view: "timeSeries",
            metrics,
            period: metric.period_seconds,
            stat: metric.statistic.as_deref().map(statistic),
        };
        let graph = percent_encode(&serde_json::to_string(&graph).ok()?);
        Some([&self.home, "#metricsV2?graph=", &graph].concat())
    }

    /// A log group's page around the moment `at`: what came in the quarter of an hour before it counts most. A query cannot
    /// be linked: the console's form of it is documented nowhere.
    pub(super) fn logs(&self, group: &str, at: Option<DateTime<Utc>>) -> String {
        const BEFORE: TimeDelta = TimeDelta::minutes(15);
        const AFTER: TimeDelta = TimeDelta::minutes(5);
        self.logs_between(group, at.map(|at| (at - BEFORE, at + AFTER)))
    }

    /// A log group's page with what came from one moment to another.
    pub(super) fn logs_between(&self, group: &str, time: Option<(DateTime<Utc>, DateTime<Utc>)>) -> String {
        // The console decodes this part twice, and writes `$` for the second `%`.
        let twice = percent_encode(&percent_encode(group)).replace('%', "$");
        let mut url = [&self.home, "#logsV2:log-groups/log-group/", &twice].concat();
        if let Some((from, to)) = time {
            let (start, end) = (from.timestamp_millis(), to.timestamp_millis());
            // `/log-events?start=…&end=…`
            url.push_str(&format!("/log-events$3Fstart$3D{start}$26end$3D{end}"));
        }
        url
    }
}

/// The log group that tells why a metric of these dimensions is as it is, where the service's own name for it is known: a
/// log alarm's first, that of a Lambda function, of an API Gateway's stage, of a cluster with Container Insights.
///
/// Sources: AWS Lambda Developer Guide, "Log groups"; Amazon API Gateway Developer Guide, "CloudWatch log formats";
/// CloudWatch User Guide, "Container Insights performance log reference".
pub(super) fn group_of(log: Option<&Log>, metric: Option<&Metric>) -> Option<String> {
    if let Some(log) = log {
        return log.groups.first().map(|group| log_group(group).to_owned());
    }
    let metric = metric?;
    let dimension = |wanted: &str| {
        let found = metric.dimensions.iter().find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    match metric.namespace.as_deref()? {
        "AWS/Lambda" => Some(format!("/aws/lambda/{}", dimension("FunctionName")?)),
        "AWS/ApiGateway" => {
            let (api, stage) = (dimension("ApiId")?, dimension("Stage")?);
            Some(format!("API-Gateway-Execution-Logs_{api}/{stage}"))
        }
        "ECS/ContainerInsights" => {
            Some(format!("/aws/ecs/containerinsights/{}/performance", dimension("ClusterName")?))
        }
        _ => None,
    }
}

/// One query of metric math as a row of a graph; `None` for one that is neither an expression nor a metric.
pub(super) struct Row<'q> {
    pub(super) id: Option<&'q str>,
    pub(super) label: Option<&'q str>,
    pub(super) expression: Option<&'q str>,
    pub(super) namespace: Option<&'q str>,
    pub(super) name: Option<&'q str>,
    pub(super) dimensions: Vec<(String, String)>,
    pub(super) statistic: Option<&'q str>,
    pub(super) period: Option<u64>,
    pub(super) is_shown: bool,
}

impl Row<'_> {
    pub(super) fn render(&self) -> Option<Value> {
        let mut options = Map::new();
        let statistic = self.statistic.map(statistic);
        for (key, value) in [
            ("expression", self.expression),
            ("id", self.id),
            ("label", self.label),
            ("stat", statistic.as_deref().filter(|_| self.expression.is_none())),
        ] {
            options.extend(value.map(|value| (key.to_owned(), json!(value))));
        }
        options.extend(self.period.map(|period| ("period".to_owned(), json!(period))));
        if !self.is_shown {
            options.insert("visible".to_owned(), json!(false));
        }
        if self.expression.is_some() {
            return Some(json!([options]));
        }
        let mut row = vec![json!(self.namespace?), json!(self.name?)];
        row.extend(self.dimensions.iter().flat_map(|(name, value)| [json!(name), json!(value)]));
        row.push(json!(options));
        Some(json!(row))
    }
}

/// A log group's name; events name groups by ARN, `arn:…:log-group:NAME` with an optional `:*`.
pub(super) fn log_group(group: &str) -> &str {
    group.split_once(":log-group:").map_or(group, |(_, name)| name.trim_end_matches(":*"))
}

fn statistic(wire: &str) -> Cow<'_, str> {
    match ["Average", "Sum", "Minimum", "Maximum"].into_iter().find(|known| wire.eq_ignore_ascii_case(known))
    {
        Some(known) => known.into(),
        None if wire.eq_ignore_ascii_case("SAMPLE_COUNT") => "SampleCount".into(),
        None => wire.into(),
    }
}
