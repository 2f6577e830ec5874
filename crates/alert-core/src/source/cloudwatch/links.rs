//! Where in the console an alarm, its metric and its logs are found.

use serde_json::{Map, Value, json};

use super::{Log, Metric};
use crate::region::{self, console_host, percent_encode};

fn console(region: Option<&str>, partition: Option<&str>) -> Option<(String, String)> {
    let region = region?;
    let code = region::code(region).unwrap_or(region);
    let host = console_host(partition.unwrap_or_else(|| region::partition(code)), code)?;
    Some((host, code.to_owned()))
}

/// The alarm's page; `None` where the region is unknown or the partition's console has no public address.
pub(super) fn alarm(name: &str, region: Option<&str>, partition: Option<&str>) -> Option<String> {
    let (host, code) = console(region, partition)?;
    Some(format!("https://{host}/cloudwatch/home?region={code}#alarmsV2:alarm/{}", percent_encode(name)))
}

/// The metric's graph over the last three hours.
pub(super) fn metric(metric: &Metric, region: Option<&str>, partition: Option<&str>) -> Option<String> {
    let (host, code) = console(region, partition)?;
    let rows = if metric.graph.is_empty() {
        let mut row = vec![json!(metric.namespace.as_deref()?), json!(metric.name.as_deref()?)];
        for (name, value) in &metric.dimensions {
            row.push(json!(name));
            row.push(json!(value));
        }
        vec![json!(row)]
    } else {
        metric.graph.clone()
    };
    let mut graph = json!({"region": code, "view": "timeSeries", "metrics": rows});
    if let Some(period) = metric.period_seconds {
        graph["period"] = json!(period);
    }
    if let Some(statistic) = metric.statistic.as_deref().map(statistic) {
        graph["stat"] = json!(statistic);
    }
    Some(format!(
        "https://{host}/cloudwatch/home?region={code}#metricsV2?graph={}",
        percent_encode(&graph.to_string())
    ))
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

/// The first log group's page. A query cannot be linked: the console's form of it is documented nowhere.
pub(super) fn logs(log: &Log, region: Option<&str>, partition: Option<&str>) -> Option<String> {
    let (host, code) = console(region, partition)?;
    let group = log_group(log.groups.first()?);
    // The console decodes this part twice, and writes `$` for the second `%`.
    let twice = percent_encode(&percent_encode(group)).replace('%', "$");
    Some(format!("https://{host}/cloudwatch/home?region={code}#logsV2:log-groups/log-group/{twice}"))
}

/// A log group's name; events name groups by ARN, `arn:…:log-group:NAME` with an optional `:*`.
pub(super) fn log_group(group: &str) -> &str {
    group.split_once(":log-group:").map_or(group, |(_, name)| name.trim_end_matches(":*"))
}

fn statistic(wire: &str) -> String {
    match wire.to_ascii_uppercase().as_str() {
        "AVERAGE" => "Average".to_owned(),
        "SUM" => "Sum".to_owned(),
        "MINIMUM" => "Minimum".to_owned(),
        "MAXIMUM" => "Maximum".to_owned(),
        "SAMPLE_COUNT" => "SampleCount".to_owned(),
        _ => wire.to_owned(),
    }
}
