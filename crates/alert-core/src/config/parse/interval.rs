//! Time intervals out of the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono_tz::Tz;

use super::super::NamedTimeInterval;
use super::super::yaml::Node;
use super::reader::{Fields, Named, Reader, join};
use super::value::excerpt;
use crate::time_interval::{
    DayOfMonthRange, MonthRange, TimeInterval, TimeIntervalError, TimeRange, WeekdayRange, YearRange,
    parse_location,
};

const INTERVAL_KEYS: [&str; 6] = ["times", "weekdays", "days_of_month", "months", "years", "location"];

impl Reader<'_> {
    pub(super) fn time_intervals(
        &mut self,
        node: &Node,
        path: &str,
    ) -> (Vec<Arc<NamedTimeInterval>>, Named<NamedTimeInterval>) {
        let mut names = BTreeSet::new();
        let mut by_name = Named::new();
        let mut all = Vec::new();
        for (node, path) in self.items(node, path, "a list of named time intervals") {
            let Some(fields) = self.fields(node, &path, &["name", "time_intervals"]) else { continue };
            let name = self
                .required(&fields, "name")
                .and_then(|(node, path)| self.unique_name(node, &path, &mut names));
            let parts = self
                .required(&fields, "time_intervals")
                .and_then(|(node, path)| self.interval_parts(node, &path));
            let Some(name) = name else { continue };
            let interval = parts
                .map(|time_intervals| Arc::new(NamedTimeInterval { name: name.clone(), time_intervals }));
            all.extend(interval.clone());
            by_name.insert(name, interval);
        }
        (all, by_name)
    }

    fn interval_parts(&mut self, node: &Node, path: &str) -> Option<Vec<TimeInterval>> {
        let nodes = self.non_empty(node, path, "a list of at least one interval")?;
        let parts: Vec<_> = nodes.into_iter().map(|(node, path)| self.interval(node, &path)).collect();
        parts.into_iter().collect()
    }

    fn interval(&mut self, node: &Node, path: &str) -> Option<TimeInterval> {
        let fields = self.fields(node, path, &INTERVAL_KEYS)?;
        if fields.values.is_empty() {
            self.problem(node, path, &format!("expected at least one of {}", INTERVAL_KEYS.join(", ")));
            return None;
        }
        let times = match fields.get("times") {
            Some((node, path)) => Some(self.times(node, &path)?),
            None => None,
        };
        let weekdays = self.ranges(&fields, "weekdays", WeekdayRange::parse);
        let days_of_month = self.ranges(&fields, "days_of_month", DayOfMonthRange::parse);
        let months = self.ranges(&fields, "months", MonthRange::parse);
        let years = self.ranges(&fields, "years", YearRange::parse);
        let location = match fields.get("location") {
            Some((node, path)) => self.location(node, &path)?,
            None => Tz::UTC,
        };
        Some(TimeInterval {
            times,
            weekdays: weekdays?,
            days_of_month: days_of_month?,
            months: months?,
            years: years?,
            location,
        })
    }

    fn times(&mut self, node: &Node, path: &str) -> Option<Vec<TimeRange>> {
        let expected = "a list of at least one {start_time: 'HH:MM', end_time: 'HH:MM'}";
        let nodes = self.non_empty(node, path, expected)?;
        let ranges: Vec<_> = nodes.into_iter().map(|(node, path)| self.time_range(node, &path)).collect();
        ranges.into_iter().collect()
    }

    fn time_range(&mut self, node: &Node, path: &str) -> Option<TimeRange> {
        let fields = self.fields(node, path, &["start_time", "end_time"])?;
        let start = self.time(&fields, "start_time");
        let end = self.time(&fields, "end_time");
        let ((start, _), (end, end_node)) = (start?, end?);
        let path = join(path, "end_time");
        TimeRange::parse(start, end).map_err(|error| self.interval_problem(end_node, &path, &error)).ok()
    }

    /// A time of its own, so that each of two bad ones has its problem.
    fn time<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<(&'n str, &'n Node)> {
        let (node, path) = self.required(fields, key)?;
        let text = self.text(node, &path, "a time as 'HH:MM', in quotes")?;
        match TimeRange::parse_time(text) {
            Ok(_) => Some((text, node)),
            Err(error) => {
                self.interval_problem(node, &path, &error);
                None
            }
        }
    }

    /// A list of ranges; inside, `None` where the key is absent.
    #[expect(clippy::option_option, reason = "outside: whether it was read; inside: whether it was there")]
    fn ranges<R>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<R, TimeIntervalError>,
    ) -> Option<Option<Vec<R>>> {
        let Some((node, path)) = fields.get(key) else { return Some(None) };
        let nodes = self.non_empty(node, &path, "a list of at least one")?;
        let ranges: Vec<_> = nodes
            .into_iter()
            .map(|(node, path)| {
                let text = self.text(node, &path, "a text")?;
                parse(text).map_err(|error| self.interval_problem(node, &path, &error)).ok()
            })
            .collect();
        ranges.into_iter().collect::<Option<Vec<_>>>().map(Some)
    }

    pub(super) fn location(&mut self, node: &Node, path: &str) -> Option<Tz> {
        let text = self.text(node, path, "a time zone such as Asia/Seoul")?;
        parse_location(text)
            .map_err(|error| {
                let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
                let nearest = || self.nearest(text, zones).map(|zone| format!("did you mean `{zone}`?"));
                let hint = error.hint.clone().or_else(nearest);
                self.interval_problem(node, path, &TimeIntervalError { hint, ..error });
            })
            .ok()
    }

    fn interval_problem(&mut self, node: &Node, path: &str, error: &TimeIntervalError) {
        let hint = error.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
        let message = format!("expected {}, found {}{hint}", error.expected, excerpt(&error.found));
        self.problem(node, path, &message);
    }
}
