//! What stands under the headline: numbers, texts, facts, times.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use super::words::{Words, fill};
use super::{Button, CHART_MAX_POINTS, Chart, Context, Headline, Line, Part, Span, lateness};
use crate::alert::{
    Alert, Child, Comparison, Condition, Evidence, Link, LinkKind, Measure, Share, Source, State, Threshold,
};
use crate::evidence::{Graph, GraphPoint};
use crate::number;
use crate::text::{cut, one_line};

/// Log lines that come along.
const LOG_LINES_MAX: usize = 10;
/// Children of a composite alarm.
const CHILDREN_MAX: usize = 20;
/// A child's link; its name alone may take nine characters for each of its own.
const CHILD_URL_MAX_CHARS: usize = 500;
/// A raw message, shown as it came.
const RAW_MAX_CHARS: usize = 2_600;
const NOTE_MAX_CHARS: usize = 600;
const REASON_MAX_CHARS: usize = 1_100;
/// A metric's name in a headline: beside a long name, and beside a short one.
const METRIC_MAX_CHARS: usize = 20;
const METRIC_BESIDE_SHORT_MAX_CHARS: usize = 34;
const SHORT_NAME_CHARS: usize = 45;

/// `CPU 99.83 % > 50 %`, `no data for 3 min`; `None` where nothing was measured.
pub(super) fn relation(alert: &Alert, words: &Words) -> Option<String> {
    let Evidence { threshold, unit, .. } = &alert.evidence;
    match alert.condition.as_ref()? {
        Condition::Measured(measure) => {
            if let Some(time) = missing_time(measure, words) {
                return Some(fill(words.no_data_for, &[&time]));
            }
            let value = measure.value.filter(|_| alert.state != State::NoData)?;
            let (sign, limit) = against(value, measure, *threshold)?;
            let is_short = alert.name.chars().count() <= SHORT_NAME_CHARS;
            let name =
                metric_name(measure, if is_short { METRIC_BESIDE_SHORT_MAX_CHARS } else { METRIC_MAX_CHARS });
            let value = number::measured(value, Some(limit), unit);
            Some(format!("{name} {value} {sign} {}", number::measured(limit, None, unit)))
        }
        Condition::Query { .. } if alert.state == State::Resolved => {
            Some(words.query_returns_no_longer.to_owned())
        }
        Condition::Query { pending_seconds: Some(seconds) } => {
            Some(fill(words.query_returns_for, &[&words.period(*seconds)]))
        }
        Condition::Query { pending_seconds: None } => Some(words.query_returns.to_owned()),
        Condition::Purpose(_) => None,
    }
}

/// The metric as people say it, short.
fn metric_name(measure: &Measure, max: usize) -> Cow<'_, str> {
    let name = one_line(&measure.metric);
    match name.strip_suffix("Utilization").filter(|short| !short.is_empty()) {
        Some(short) => Cow::Owned(cut(short, max).into_owned()),
        None => Cow::Owned(cut(&name, max).into_owned()),
    }
}

/// How the value really lies to the limit, and the limit that counts: of a band the end that is nearer to being broken.
fn against(value: f64, measure: &Measure, threshold: Threshold) -> Option<(&'static str, f64)> {
    let limit = if measure.is_band {
        match (threshold.lower, threshold.upper) {
            (Some(lower), _) if value < lower => lower,
            (_, Some(upper)) => upper,
            (Some(lower), None) => lower,
            (None, None) => return None,
        }
    } else {
        measure.limit?
    };
    // Whether equality breaches is said by the comparison alone.
    let equal = match measure.comparison {
        Some(Comparison::AtOrAbove | Comparison::Below) => "≥",
        Some(Comparison::AtOrBelow | Comparison::Above) => "≤",
        Some(Comparison::Outside) | None => "=",
    };
    let sign = match value.partial_cmp(&limit)? {
        Ordering::Greater => ">",
        Ordering::Less => "<",
        Ordering::Equal => equal,
    };
    Some((sign, limit))
}

fn missing_time(measure: &Measure, words: &Words) -> Option<String> {
    let periods = measure.missing.as_ref()?.periods;
    Some(words.period(periods.saturating_mul(measure.period_seconds?)))
}

/// `99.83 %, limit 50 % (1 of 1 datapoints)`, and behind it what is measured and how.
pub(super) fn measure<'a>(alert: &'a Alert, context: &Context<'_>) -> Option<Line<'a>> {
    let words = context.words();
    let (measure, is_purpose) = match alert.condition.as_ref()? {
        Condition::Measured(measure) => (measure, false),
        Condition::Purpose(measure) => (measure, true),
        Condition::Query { .. } => return None,
    };
    let mut line = Vec::new();
    let value = measure.value.filter(|_| !is_purpose && alert.state != State::NoData);
    let says = if let Some(treated) = no_data_treated(measure, words) {
        Some(treated)
    } else if let Some(value) = value {
        let mut says = number::measured(value, measure.limit, &alert.evidence.unit);
        if let Some(limit) = limit(measure, &alert.evidence, words) {
            says.push_str(", ");
            says.push_str(&limit);
        }
        if let Some(share) = measure.breaching.filter(|_| alert.state == State::Firing) {
            says = format!("{says} ({})", of(share, measure, words));
        }
        Some(says)
    } else {
        wanted(measure, &alert.evidence, words)
    };
    if let Some(says) = says {
        line.push(Span::Strong(says.into()));
        line.push(Span::text(" · "));
    }
    line.push(Span::text(subject(measure, words)));
    Some(line)
}

fn no_data_treated(measure: &Measure, words: &Words) -> Option<String> {
    let missing = measure.missing.as_ref()?;
    let known = ["breaching", "notbreaching", "missing", "ignore"];
    let place = known.iter().position(|known| missing.treated_as.eq_ignore_ascii_case(known));
    let treated = place.map_or(missing.treated_as.as_str(), |place| words.treated_as[place]);
    Some(fill(words.no_data_treated, &[&missing_time(measure, words)?, treated]))
}

fn of(share: Share, measure: &Measure, words: &Words) -> String {
    let pattern = if measure.is_of_logs { words.of_results } else { words.of_datapoints };
    fill(pattern, &[&share.count.to_string(), &share.total.to_string()])
}

fn limit(measure: &Measure, evidence: &Evidence, words: &Words) -> Option<String> {
    let shown = |value| number::measured(value, None, &evidence.unit);
    if measure.is_band {
        return Some(match (evidence.threshold.lower, evidence.threshold.upper) {
            (Some(lower), Some(upper)) => fill(words.expected_band, &[&number::plain(lower), &shown(upper)]),
            (Some(one), None) | (None, Some(one)) => fill(words.expected_limit, &[&shown(one)]),
            (None, None) => words.expected.to_owned(),
        });
    }
    let pattern = match measure.comparison {
        Some(Comparison::Below | Comparison::AtOrBelow) => words.lower_limit,
        _ => words.limit,
    };
    Some(fill(pattern, &[&shown(measure.limit?)]))
}

/// What it would take: `alarm when above 50 % for 3 of 3 datapoints`.
fn wanted(measure: &Measure, evidence: &Evidence, words: &Words) -> Option<String> {
    let when = if measure.is_band {
        limit(measure, evidence, words)?
    } else {
        let limit = number::measured(measure.limit?, None, &evidence.unit);
        let comparison = measure.comparison? as usize;
        fill(words.comparisons.get(comparison)?, &[&limit])
    };
    Some(match measure.wanted {
        Some(share) => fill(words.alarm_when_for, &[&when, &of(share, measure, words)]),
        None => fill(words.alarm_when, &[&when]),
    })
}

/// `CPUUtilization, average over 1 min`.
fn subject(measure: &Measure, words: &Words) -> String {
    const STATISTICS: [&str; 6] = ["AVERAGE", "SUM", "MINIMUM", "MAXIMUM", "SAMPLE_COUNT", "SAMPLECOUNT"];
    let mut text = cut(&measure.metric, 500).into_owned();
    if let Some(expression) = &measure.expression {
        text = format!("{text} ({})", cut(expression, 500));
    }
    let statistic = measure.statistic.as_deref().map(|statistic| {
        let known = STATISTICS.iter().position(|known| statistic.eq_ignore_ascii_case(known));
        known.map_or(statistic, |place| words.statistics[place.min(4)])
    });
    let period = measure.period_seconds.map(|seconds| words.period(seconds));
    match (statistic, period) {
        (Some(statistic), Some(period)) => format!("{text}, {}", fill(words.over, &[statistic, &period])),
        (Some(one), None) => format!("{text}, {one}"),
        (None, Some(period)) => format!("{text}, {period}"),
        (None, None) => text,
    }
}

/// Which of a composite alarm's children changed, and to what.
pub(super) fn shared_state(children: &[Child], words: &Words) -> Option<String> {
    const NAMED_MAX: usize = 3;
    let names: Vec<&str> = children.iter().take(NAMED_MAX).map(|child| child.name.as_str()).collect();
    let rest = children.len().checked_sub(names.len())?;
    if names.is_empty() {
        return None;
    }
    let mut names = names.join(", ");
    if rest > 0 {
        names = fill(words.and_more, &[&names, &rest.to_string()]);
    }
    let state = children[0].state.as_deref();
    Some(match state.filter(|_| children.iter().all(|child| child.state.as_deref() == state)) {
        Some(state) => fill(words.children_in, &[&names, state]),
        None => fill(words.because_of, &[&names]),
    })
}

/// The values that were asked for, else those that came along.
pub(super) fn charts<'a>(alert: &'a Alert, context: &Context<'a>) -> Vec<Chart<'a>> {
    let words = context.words();
    let graphs = context.evidence.map(|found| &found.graphs[..]).unwrap_or_default();
    if graphs.is_empty() {
        return chart(alert, words).into_iter().collect();
    }
    let charts = graphs.iter().map(|Graph { name, unit, points }| Chart {
        name: Cow::Borrowed(name.as_str()),
        unit,
        points: points.iter().map(|point| (point.value, Some(point.at), point.breaching)).collect(),
        limits: points.iter().map(|point| point.limits).collect(),
        words: extremes(points, unit, words),
    });
    charts.collect()
}

/// The first value and the last.
fn extremes(points: &[GraphPoint], unit: &str, words: &Words) -> String {
    let value =
        |point: &GraphPoint| number::measured(point.value, point.limits.upper.or(point.limits.lower), unit);
    let [first, .., last] = points else { return points.first().map(value).unwrap_or_default() };
    fill(words.from_to, &[&value(first), &value(last)])
}

fn chart<'a>(alert: &'a Alert, words: &Words) -> Option<Chart<'a>> {
    let Evidence { points, threshold, unit, .. } = &alert.evidence;
    let points = &points[points.len().saturating_sub(CHART_MAX_POINTS)..];
    let [first, .., last] = points else { return None };
    let limit = threshold.upper.or(threshold.lower);
    let value = |value: f64| number::measured(value, limit, unit);
    let name = match &alert.condition {
        Some(Condition::Measured(measure)) => Cow::Borrowed(measure.metric.as_str()),
        _ => Cow::Borrowed(alert.name.as_str()),
    };
    Some(Chart {
        name,
        unit,
        points: points.iter().map(|point| (point.value, point.at, point.breaching)).collect(),
        limits: vec![*threshold; points.len()],
        words: fill(words.from_to, &[&value(first.value), &value(last.value)]),
    })
}

pub(super) fn body<'a>(alert: &'a Alert, headline: &Headline<'a>, context: &Context<'a>) -> Vec<Part<'a>> {
    let words = context.words();
    let mut body = Vec::new();
    let mut values = alert.evidence.values.iter().take(20).map(|(name, value)| format!("{name} = {value}"));
    if let Some(first) = values.next() {
        let values = values.fold(first, |all, value| all + "  ·  " + &value);
        body.push(Part::Text(vec![
            Span::Strong(words.values.into()),
            Span::text("  "),
            Span::Text(cut(&values, 1_000).into_owned().into()),
        ]));
    }
    for text in [&alert.summary, &alert.description].into_iter().flatten() {
        let text = text.trim();
        // What the headline says in full is not said again.
        let is_said = text == alert.name || headline.what.as_deref() == Some(text.trim_end_matches('.'));
        if !text.is_empty() && !is_said {
            body.push(Part::Text(vec![Span::Text(of_its_time(alert, cut(text, 2_000), words))]));
        }
    }
    body.extend(reason(alert, headline).map(|reason| Part::Text(vec![Span::Text(reason)])));
    body.extend(children(&alert.evidence, words));
    for note in &alert.notes {
        body.push(Part::Text(vec![Span::text("ℹ️ "), Span::Text(cut(note, NOTE_MAX_CHARS))]));
    }
    body.extend(log_lines(&alert.evidence, words));
    if let Some(raw) = alert.raw.as_deref().filter(|raw| !raw.trim().is_empty()) {
        body.push(Part::Verbatim(cut(raw, RAW_MAX_CHARS)));
    }
    body
}

/// CloudWatch's sentence says what is not evaluated, or what a person typed; else the numbers say it better.
pub(super) fn reason<'a>(alert: &'a Alert, headline: &Headline<'_>) -> Option<Cow<'a, str>> {
    let reason = alert.reason.as_deref().filter(|_| !is_said(alert))?;
    let is_headline = headline.what.as_deref() == Some(reason.trim().trim_end_matches('.'));
    (!is_headline).then(|| cut(reason, REASON_MAX_CHARS))
}

/// An annotation is about what was wrong, and is read as if it still were.
fn of_its_time<'a>(alert: &Alert, text: Cow<'a, str>, words: &Words) -> Cow<'a, str> {
    let is_annotation = matches!(alert.source, Source::Grafana | Source::Alertmanager);
    if is_annotation && alert.state == State::Resolved { fill(words.was, &[&text]).into() } else { text }
}

/// Whether the numbers hold what CloudWatch's reason says; other sources' reasons are their own words.
fn is_said(alert: &Alert) -> bool {
    if alert.source != Source::CloudWatch {
        return false;
    }
    let has_evidence = !alert.evidence.points.is_empty() || !alert.evidence.children.is_empty();
    let is_missing =
        matches!(&alert.condition, Some(Condition::Measured(measure)) if measure.missing.is_some());
    let is_insufficient =
        alert.reason.as_deref().is_some_and(|reason| reason.starts_with("Insufficient Data: "));
    has_evidence || is_missing || alert.condition.is_some() && is_insufficient
}

fn children<'a>(evidence: &'a Evidence, words: &Words) -> Option<Part<'a>> {
    let mut line = Vec::new();
    for (place, child) in evidence.children.iter().take(CHILDREN_MAX).enumerate() {
        if place > 0 {
            line.push(Span::Break);
        }
        line.push(Span::text("• "));
        let name = cut(&child.name, 200);
        line.push(match child.url.as_deref().filter(|url| url.len() <= CHILD_URL_MAX_CHARS) {
            Some(url) => Span::Link(url.into(), name),
            None => Span::Text(name),
        });
        if let Some(state) = &child.state {
            line.push(Span::text(": "));
            line.push(Span::Text(cut(state, 40)));
        }
    }
    if evidence.children.len() > CHILDREN_MAX {
        line.push(Span::Break);
        line.push(Span::Text(
            fill(words.more, &[&(evidence.children.len() - CHILDREN_MAX).to_string()]).into(),
        ));
    }
    (!line.is_empty()).then_some(Part::Text(line))
}

fn log_lines<'a>(evidence: &'a Evidence, words: &Words) -> Option<Part<'a>> {
    let lines = &evidence.log_lines;
    if lines.is_empty() {
        return None;
    }
    let mut shown: Vec<Cow<'_, str>> = lines.iter().take(LOG_LINES_MAX).map(|line| cut(line, 250)).collect();
    if lines.len() > LOG_LINES_MAX {
        shown.push(fill(words.more_lines, &[&(lines.len() - LOG_LINES_MAX).to_string()]).into());
    }
    Some(Part::Verbatim(shown.join("\n").into()))
}

pub(super) fn buttons<'a>(alert: &'a Alert, context: &Context<'a>) -> Vec<Button<'a>> {
    let words = context.words();
    // Beside a silence of ours, the source's has to be told apart.
    let label = |kind| match kind {
        LinkKind::Silence if context.has_buttons => words.silence_at_source,
        kind => super::label(kind, words),
    };
    let mut links: Vec<&Link> = alert.links.iter().collect();
    links.sort_by_key(|link| link.kind);
    links.dedup_by(|a, b| a.url == b.url);
    links.iter().map(|link| Button { label: label(link.kind), url: &link.url }).collect()
}

pub(super) fn details<'a>(alert: &'a Alert, context: &Context<'a>) -> Vec<Part<'a>> {
    let words = context.words();
    let mut details = Vec::new();
    if let Some(rule) = &alert.evidence.rule {
        details.push(Part::Text(vec![
            Span::Strong(words.rule.into()),
            Span::text("  "),
            Span::Code(cut(rule, 1_000)),
        ]));
    }
    let times = times(alert, context);
    if !times.is_empty() {
        details.push(Part::Text(times));
    }
    // What the numbers say better is still what people search for.
    if let Some(reason) = alert.reason.as_deref().filter(|_| is_said(alert)) {
        details.push(Part::Small(vec![Span::Text(cut(reason, REASON_MAX_CHARS))]));
    }
    for cause in context.warnings.iter().flat_map(|warning| &warning.causes) {
        details.push(Part::Small(vec![Span::text("⚠️ "), Span::Text(cut(cause, NOTE_MAX_CHARS))]));
    }
    details
}

/// A pattern with a moment in the place of `{0}` and a text in that of `{1}`.
pub(super) fn timed(pattern: &'static str, moment: DateTime<Utc>, text: &str, line: &mut Line<'_>) {
    let (before, after) = pattern.split_once("{0}").unwrap_or((pattern, ""));
    if !before.is_empty() {
        line.push(Span::Text(fill(before, &["", text]).into()));
    }
    line.push(Span::Moment(moment));
    if !after.is_empty() {
        line.push(Span::Text(fill(after, &["", text]).into()));
    }
}

/// Since when, how long, what was before, and how late.
fn times<'a>(alert: &Alert, context: &Context<'a>) -> Line<'a> {
    let words = context.words();
    let mut line = Line::new();
    let previous = alert.previous.as_ref().filter(|previous| previous.state != alert.state);
    let was_firing = previous.is_none_or(|previous| previous.state == State::Firing);
    let ends_at = alert.ends_at.or(alert.changed_at);
    let is_told = match (alert.state, alert.starts_at, ends_at) {
        (State::Resolved, start, Some(end)) if alert.is_end_unknown => {
            if let Some(start) = start.filter(|start| *start < end) {
                timed(words.since, start, "", &mut line);
                line.push(Span::text(" · "));
            }
            timed(words.gone_since, end, "", &mut line);
            true
        }
        (State::Resolved, Some(start), Some(end)) if start < end => {
            let lasted = words.span(end.signed_duration_since(start));
            timed(words.resolved_at_lasted, end, &lasted, &mut line);
            true
        }
        (State::Resolved, _, Some(end)) => {
            timed(if was_firing { words.resolved_at } else { words.ok_since }, end, "", &mut line);
            false
        }
        (State::Resolved, _, None) => false,
        (State::Informational, start, changed) => {
            if let Some(at) = changed.or(start) {
                timed(words.at, at, "", &mut line);
            }
            false
        }
        (_, start, changed) => {
            if let Some(since) = start.or(changed) {
                timed(words.since, since, "", &mut line);
            }
            false
        }
    };
    if let Some(previous) = previous.filter(|_| !is_told) {
        let span = previous.since.zip(alert.changed_at).filter(|(since, changed)| since < changed);
        let was = match span {
            Some((since, changed)) => {
                let span = words.span(changed.signed_duration_since(since));
                fill(words.was_before_for, &[&previous.value, &span])
            }
            None => fill(words.was_before, &[&previous.value]),
        };
        if !line.is_empty() {
            line.push(Span::text("; "));
        }
        line.push(Span::Text(was.into()));
    }
    if let (Some(_), Some(changed_at)) = (lateness(alert, context), alert.changed_at) {
        if !line.is_empty() {
            line.push(Span::text(" · ⏰ "));
        }
        let (before, after) =
            words.changed_delivered.split_once("{1}").unwrap_or((words.changed_delivered, ""));
        timed(before, changed_at, "", &mut line);
        line.push(Span::Moment(context.now));
        if !after.is_empty() {
            line.push(Span::text(after));
        }
    }
    line
}

pub(super) fn warnings<'a>(context: &Context<'a>) -> Vec<Line<'a>> {
    const WARNING_MAX_CHARS: usize = 600;
    context
        .warnings
        .iter()
        .map(|warning| vec![Span::text("⚠️ "), Span::Text(cut(&warning.line, WARNING_MAX_CHARS))])
        .chain(gaps(context))
        .collect()
}

/// What was asked for and could not be had.
fn gaps<'a>(context: &Context<'a>) -> impl Iterator<Item = Line<'a>> {
    let words = context.words();
    let gaps = context.evidence.map(|found| &found.gaps[..]).unwrap_or_default();
    gaps.iter().map(|(wanted, gap)| vec![Span::Text(gap.line(*wanted, words).into())])
}
