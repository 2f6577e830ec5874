//! GetMetricData.

use std::collections::BTreeMap;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::alarm::text;
use super::error::CloudWatchError;
use super::math::{Expression, Operator, Outcome};
use super::metric::{MetricId, Metrics, Series, Statistic, Window};
use crate::aws::ACCOUNT;

/// The most queries of one request (API reference, GetMetricData).
pub const QUERIES_MAX: usize = 500;
/// The most datapoints of one answer (API reference, GetMetricData).
pub const DATAPOINTS_MAX: usize = 100_800;
/// The longest expression (API reference, MetricDataQuery).
const EXPRESSION_MAX_CHARACTERS: usize = 2048;

const DAY: i64 = 24 * 60 * 60;

struct Query {
    id: String,
    label: Option<String>,
    return_data: bool,
    source: Source,
}

enum Source {
    Metric { id: MetricId, statistic: Statistic, period: i64, unit: Option<String> },
    Expression(Expression),
}

pub(super) fn get_metric_data(
    metrics: &Metrics,
    request: &Map<String, Value>,
    now: SystemTime,
) -> Result<Value, CloudWatchError> {
    let queries = queries(request)?;
    let (start, end) = times(request)?;
    let ascending = match text(request, "ScanBy")? {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(other) => {
            let constraint = "satisfy enum value set: [TimestampDescending, TimestampAscending]";
            return Err(CloudWatchError::constraint(&format!("'{other}'"), "scanBy", constraint));
        }
    };
    if text(request, "NextToken")?.is_some() {
        return Err(CloudWatchError::next_token());
    }
    let by_id = queries.iter().map(|query| (query.id.as_str(), query)).collect();
    let age = DateTime::<Utc>::from(now).timestamp() - start;
    let evaluation = Evaluation { metrics, by_id, start: start - start.rem_euclid(grain(age)), end, age };
    let mut results = Vec::new();
    let mut datapoints = 0;
    for query in &queries {
        // One that is not returned is evaluated all the same: a mistake in it is one of the request.
        let outcome = evaluation.query(query, &mut Vec::new())?;
        if !query.return_data {
            continue;
        }
        let label = query.label.clone().unwrap_or_else(|| match &query.source {
            Source::Metric { id, .. } => id.name.clone(),
            Source::Expression(_) => query.id.clone(),
        });
        let mut add = |label: String, series: Series| {
            datapoints += series.len();
            results.push(result(&query.id, &label, series, ascending));
        };
        match outcome {
            Outcome::Series(series) => add(label, series),
            // Two results of one id. Their labels, and that the high one is first, stand in no document that we found:
            // nobody should rely on more than which values are higher.
            Outcome::Band { high, low } => {
                add(format!("{label} High"), high);
                add(format!("{label} Low"), low);
            }
            Outcome::Scalar(_) => return Err(in_expression(query, "an expression must give a time series")),
        }
    }
    if datapoints > max_datapoints(request)? {
        return Err(CloudWatchError::unknown("answers of more than one page"));
    }
    Ok(json!({"MetricDataResults": results, "Messages": []}))
}

fn result(id: &str, label: &str, series: Series, ascending: bool) -> Value {
    let mut points: Vec<_> = series.into_iter().collect();
    if !ascending {
        points.reverse();
    }
    let (times, values): (Vec<_>, Vec<_>) = points.into_iter().unzip();
    json!({"Id": id, "Label": label, "Timestamps": times, "Values": values, "StatusCode": "Complete"})
}

struct Evaluation<'a> {
    metrics: &'a Metrics,
    by_id: BTreeMap<&'a str, &'a Query>,
    start: i64,
    end: i64,
    /// How long ago the request's start was, in seconds.
    age: i64,
}

impl<'a> Evaluation<'a> {
    /// `path` has the expressions that this one is needed for.
    fn query(&self, query: &'a Query, path: &mut Vec<&'a str>) -> Result<Outcome, CloudWatchError> {
        match &query.source {
            Source::Metric { id, statistic, period, unit } => {
                // The sandbox's metrics have no unit.
                let has_unit = unit.as_deref().is_none_or(|unit| unit == "None");
                let series = match self.window(*period).filter(|_| has_unit) {
                    Some(window) => self.metrics.statistic(id, *statistic, window),
                    None => Series::new(),
                };
                Ok(Outcome::Series(series))
            }
            Source::Expression(expression) => {
                if path.contains(&query.id.as_str()) {
                    return Err(in_expression(query, "Circular reference"));
                }
                path.push(&query.id);
                let outcome = self.expression(query, expression, path);
                path.pop();
                outcome
            }
        }
    }

    fn expression(
        &self,
        query: &'a Query,
        expression: &'a Expression,
        path: &mut Vec<&'a str>,
    ) -> Result<Outcome, CloudWatchError> {
        let named = |id: &str| {
            let missing = || in_expression(query, &format!("Undefined variable {id}"));
            self.by_id.get(id).copied().ok_or_else(missing)
        };
        match expression {
            Expression::Number(number) => Ok(Outcome::Scalar(*number)),
            Expression::Id(id) => self.query(named(id)?, path),
            Expression::Negated(inner) => {
                let inner = self.expression(query, inner, path)?;
                let negated = Operator::Subtract.combine(Outcome::Scalar(0.0), inner);
                negated.map_err(|why| in_expression(query, &why))
            }
            Expression::Binary(operator, left, right) => {
                let left = self.expression(query, left, path)?;
                let right = self.expression(query, right, path)?;
                operator.combine(left, right).map_err(|why| in_expression(query, &why))
            }
            Expression::Band(id, width) => match &named(id)?.source {
                Source::Metric { id, period, .. } => Ok(self.band(id, *period, *width)),
                Source::Expression(_) => {
                    let why = "the sandbox's CloudWatch does not know bands of expressions";
                    Err(in_expression(query, why))
                }
            },
        }
    }

    /// A band has values at every time, whether the metric has or not.
    fn band(&self, id: &MetricId, period: i64, width: f64) -> Outcome {
        let (Some(model), Some(window)) = (self.metrics.model(id), self.window(period)) else {
            return Outcome::Band { high: Series::new(), low: Series::new() };
        };
        let at = |value: f64| window.times().map(|time| (time, value)).collect();
        Outcome::Band {
            high: at(model.expected + width * model.deviation),
            low: at(model.expected - width * model.deviation),
        }
    }

    /// Nothing where what is kept of that time is coarser than the period (API reference, MetricStat).
    fn window(&self, period: i64) -> Option<Window> {
        let kept = period % grain(self.age) == 0;
        kept.then_some(Window { start: self.start, end: self.end, period })
    }
}

/// What values are kept by, and what start times are rounded down to, in seconds (API reference, GetMetricData).
fn grain(age: i64) -> i64 {
    match age {
        age if age <= 15 * DAY => 60,
        age if age <= 63 * DAY => 5 * 60,
        _ => 60 * 60,
    }
}

fn in_expression(query: &Query, why: &str) -> CloudWatchError {
    CloudWatchError::validation(format!("Error in expression '{}' [{why}]", query.id))
}

fn times(request: &Map<String, Value>) -> Result<(i64, i64), CloudWatchError> {
    let time = |name: &str| {
        let missing = || CloudWatchError::required(name);
        let seconds = request.get(name).filter(|time| !time.is_null()).ok_or_else(missing)?;
        // Fractions of a second make no difference to values of whole minutes.
        let seconds = seconds.as_f64().ok_or_else(CloudWatchError::malformed)?.floor();
        #[allow(clippy::cast_possible_truncation, reason = "a float becomes the nearest number that fits")]
        Ok(seconds as i64)
    };
    let (start, end) = (time("StartTime")?, time("EndTime")?);
    if start == end {
        let message = "The parameter StartTime must not equal parameter EndTime.";
        return Err(CloudWatchError::validation(message));
    }
    if start > end {
        return Err(CloudWatchError::validation("The parameter EndTime must be greater than StartTime."));
    }
    Ok((start, end))
}

fn max_datapoints(request: &Map<String, Value>) -> Result<usize, CloudWatchError> {
    let Some(max) = request.get("MaxDatapoints").filter(|max| !max.is_null()) else {
        return Ok(DATAPOINTS_MAX);
    };
    let valid = max.as_u64().and_then(|max| usize::try_from(max).ok()).filter(|max| *max <= DATAPOINTS_MAX);
    let constraint = format!("have value less than or equal to {DATAPOINTS_MAX}");
    valid.ok_or_else(|| CloudWatchError::constraint(&max.to_string(), "maxDatapoints", &constraint))
}

fn queries(request: &Map<String, Value>) -> Result<Vec<Query>, CloudWatchError> {
    let queries = request.get("MetricDataQueries").filter(|queries| !queries.is_null());
    let queries = queries.ok_or_else(|| CloudWatchError::required("MetricDataQueries"))?;
    let queries = queries.as_array().ok_or_else(CloudWatchError::malformed)?;
    if queries.is_empty() {
        return Err(CloudWatchError::required("MetricDataQueries"));
    }
    if queries.len() > QUERIES_MAX {
        return Err(CloudWatchError::validation(format!(
            "The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}."
        )));
    }
    let queries: Vec<_> = queries
        .iter()
        .zip(1..)
        .map(|(query, number)| query_from_json(query, &format!("MetricDataQueries.member.{number}")))
        .collect::<Result<_, _>>()?;
    let mut ids: Vec<_> = queries.iter().map(|query| query.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < queries.len() {
        let message = "The values for parameter id in MetricDataQueries are not unique.";
        return Err(CloudWatchError::validation(message));
    }
    Ok(queries)
}

fn query_from_json(query: &Value, place: &str) -> Result<Query, CloudWatchError> {
    let members = query.as_object().ok_or_else(CloudWatchError::malformed)?;
    let id = text(members, "Id")?.ok_or_else(|| CloudWatchError::required(&format!("{place}.Id")))?;
    let valid = id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.len() <= 255
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !valid {
        return Err(CloudWatchError::validation(format!(
            "The value {id} for parameter {place}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )));
    }
    if text(members, "AccountId")?.is_some_and(|account| account != ACCOUNT) {
        return Err(CloudWatchError::unknown("metrics of other accounts"));
    }
    let label = text(members, "Label")?.filter(|label| !label.is_empty());
    if label.is_some_and(|label| label.contains("${")) {
        return Err(CloudWatchError::unknown("dynamic labels"));
    }
    let return_data = match members.get("ReturnData") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(value)) => *value,
        Some(_) => return Err(CloudWatchError::malformed()),
    };
    let stat = members.get("MetricStat").filter(|stat| !stat.is_null());
    let source = match (stat, text(members, "Expression")?) {
        (Some(stat), None) => metric(stat, &format!("{place}.MetricStat"))?,
        (None, Some(expression)) => math(id, expression)?,
        (None, None) => {
            // moto's own comment says that AWS's message ends by an empty line.
            let message = format!("The parameter {place}.MetricStat is required.\n");
            return Err(CloudWatchError::validation(message));
        }
        (Some(_), Some(_)) => {
            let message =
                format!("The parameters {place}.MetricStat and {place}.Expression are mutually exclusive.");
            return Err(CloudWatchError::validation(message));
        }
    };
    Ok(Query { id: id.to_owned(), label: label.map(str::to_owned), return_data, source })
}

fn math(id: &str, expression: &str) -> Result<Source, CloudWatchError> {
    if expression.is_empty() || expression.chars().count() > EXPRESSION_MAX_CHARACTERS {
        let constraint = format!("have length between 1 and {EXPRESSION_MAX_CHARACTERS}");
        return Err(CloudWatchError::constraint(&format!("'{expression}'"), "expression", &constraint));
    }
    if expression.starts_with("SELECT") || expression.contains("SEARCH(") {
        return Err(CloudWatchError::unknown("queries of Metrics Insights and searches"));
    }
    let wrong = |why| CloudWatchError::validation(format!("Error in expression '{id}' [{why}]"));
    Expression::parse(expression).map(Source::Expression).map_err(wrong)
}

fn metric(stat: &Value, place: &str) -> Result<Source, CloudWatchError> {
    let stat = stat.as_object().ok_or_else(CloudWatchError::malformed)?;
    // Of the parameters, GetMetricData reports those within by a validation error.
    let required =
        |what: &str| CloudWatchError::validation(format!("The parameter {place}.{what} is required.\n"));
    let metric = stat.get("Metric").and_then(Value::as_object).ok_or_else(|| required("Metric"))?;
    let namespace = text(metric, "Namespace")?.ok_or_else(|| required("Metric.Namespace"))?;
    let name = text(metric, "MetricName")?.ok_or_else(|| required("Metric.MetricName"))?;
    let period = stat.get("Period").and_then(Value::as_i64).ok_or_else(|| required("Period"))?;
    if matches!(period, 1 | 5 | 10 | 20 | 30) {
        return Err(CloudWatchError::unknown("metrics of high resolution"));
    }
    if period < 60 || period % 60 != 0 {
        return Err(CloudWatchError::validation(format!(
            "The parameter {place}.Period must be 1, 5, 10, 20, 30, or a multiple of 60."
        )));
    }
    let statistic = text(stat, "Stat")?.ok_or_else(|| required("Stat"))?;
    let statistic = Statistic::parse(statistic)
        .ok_or_else(|| CloudWatchError::unknown(&format!("the statistic {statistic} of {place}.Stat")))?;
    let dimensions = dimensions(metric.get("Dimensions"))?;
    let id = MetricId::new(namespace, name, &dimensions);
    Ok(Source::Metric { id, statistic, period, unit: text(stat, "Unit")?.map(str::to_owned) })
}

fn dimensions(list: Option<&Value>) -> Result<Vec<(&str, &str)>, CloudWatchError> {
    let list = match list {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(CloudWatchError::malformed)?,
    };
    list.iter().map(dimension).collect::<Option<_>>().ok_or_else(CloudWatchError::malformed)
}

fn dimension(dimension: &Value) -> Option<(&str, &str)> {
    Some((dimension.get("Name")?.as_str()?, dimension.get("Value")?.as_str()?))
}
