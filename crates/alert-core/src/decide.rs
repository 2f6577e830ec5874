//! What becomes of an alert: who gets it, or which rule drops it.
//!
//! Pure: the configuration, the alert and "now" go in, a [`Verdict`] comes out. "Now" is when the event was sent, where its
//! envelope tells, so that a redrive decides as the first try did. In every doubt an alert is delivered.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::alert::{Alert, Cause, Hush, Source, State};
use crate::canary;
use crate::config::{AlarmState, Config, DropRule, Escalate, Heartbeat, Receiver, Route};
use crate::heartbeat;

/// The verdict's rule when `notify_on`, written or by default, leaves the state out.
pub const NOTIFY_ON: &str = "notify_on";
/// The verdict's rule when a new alarm was evaluated for the first time.
pub const CREATION_NOISE: &str = "creation noise";
/// The verdict's rule when CloudWatch mutes the alarm.
pub const MUTED: &str = "muted";
/// The verdict's rule when a composite alarm's actions are suppressed.
pub const ACTIONS_SUPPRESSED: &str = "actions suppressed";

/// What the verdict's rule begins with when an alert is a sign of life; the heartbeat's name follows.
pub const HEARTBEAT: &str = "heartbeat ";
/// The verdict's rule when what comes was sent by the second way.
pub const SECOND_WAY: &str = "second way";

/// How far in the future an alert may begin and still count as young: clocks differ, and event times lack fractions.
const CLOCK_SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// How far beyond an edge a message about a firing may have been judged, so that people saw it: a sender's clock differs
/// by seconds, a message is seconds under way, and event times lack fractions.
const EDGE_MARGIN: TimeDelta = TimeDelta::minutes(1);

/// The longest life of an alert whose end a time interval may drop: the longer ago it began, the less today's
/// configuration says about what people got to see of it.
const RESOLVED_LOOKBACK_MAX: TimeDelta = TimeDelta::days(7);

/// What becomes of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to these, each receiver once; never to none.
    Deliver {
        /// The receivers in the order of the routes.
        receivers: Vec<Routed>,
    },
    /// It goes to nobody.
    Drop(Dropped),
}

/// A receiver that gets the alert, and the route that said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// Who gets it.
    pub receiver: Arc<Receiver>,
    /// The route for people: `route.routes[1] severity="critical" → oncall`.
    pub route: String,
    /// The matchers of that route; empty where no rule chose it.
    pub chosen_by: String,
    /// How it is told louder where nobody acknowledges it.
    pub escalate: Option<Arc<Escalate>>,
    /// Why it comes this way, where that is not the usual one.
    pub why: Option<String>,
    /// Others have heard of it before, so that it is not late.
    pub is_once_more: bool,
}

/// What dropped an alert, for the log and for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The rule's name: a drop rule's, or one of this module's constants.
    pub rule: String,
    /// Why it held.
    pub why: String,
}

/// What one drop rule made of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrace {
    /// The rule's name.
    pub rule: String,
    /// Whether it held, and so drops the alert.
    pub held: bool,
    /// Why it did, or the first thing that kept it from holding.
    pub why: String,
}

/// What the relay does with an alert: states that nobody wants and drop rules first, then the routes.
#[must_use]
pub fn decide_relay(config: &Config, alert: &Alert, now: DateTime<Utc>) -> Verdict {
    match quieted(config, alert).or_else(|| dropped_by(config, alert, now)) {
        Some(dropped) => Verdict::Drop(dropped),
        None => Verdict::Deliver { receivers: routed(config, alert) },
    }
}

/// Why nobody gets what comes from the second way's own topic, to which somebody has subscribed the relay, and what nothing here
/// understands: a mail is for people, and what the relay could not post would come back without an end. Alerts come through,
/// whatever else the topic is for.
#[must_use]
pub fn from_second_way(config: &Config, alert: &Alert, topic_arn: Option<&str>) -> Option<Dropped> {
    let second_way = config.second_way.as_ref().filter(|_| alert.source == Source::Unknown)?;
    let why = "it comes from the topic of second_way, to which this function must not be subscribed";
    (topic_arn? == second_way.address).then(|| Dropped { rule: SECOND_WAY.to_owned(), why: why.to_owned() })
}

/// Why nobody hears that the canary's alarm is as it was before.
#[must_use]
pub fn no_canary() -> Dropped {
    let why = "the alarm of the canary goes back to what it was by itself";
    Dropped { rule: canary::RULE.to_owned(), why: why.to_owned() }
}

/// Why nobody gets a sign of life.
#[must_use]
pub fn sign_of_life(heartbeat: &Heartbeat) -> Dropped {
    let every = duration(heartbeat.every);
    Dropped {
        rule: format!("{HEARTBEAT}{}", heartbeat.name),
        why: format!("a sign of life, of which one is expected every {every}"),
    }
}

/// What the filter does with an alert: `None` passes it on, drop rules alone can keep it.
#[must_use]
pub fn decide_filter(config: &Config, alert: &Alert, now: DateTime<Utc>) -> Option<Dropped> {
    // The relay waits for it.
    if heartbeat::of(config, alert).next().is_some() {
        return None;
    }
    dropped_by(config, alert, now)
}

/// The first drop rule that holds for the alert.
///
/// None does when the filter has let the alert pass ([`Cause::Filter`]): its rules have spoken.
#[must_use]
pub fn dropped_by(config: &Config, alert: &Alert, now: DateTime<Utc>) -> Option<Dropped> {
    // A rule that does not match does not hold, and here nobody asks it why.
    let matching = config.drop.iter().filter(|rule| rule.matchers.matches(&alert.labels));
    let first = matching.map(|rule| trace(rule, alert, now)).find(|trace| trace.held)?;
    Some(Dropped { rule: first.rule, why: first.why })
}

/// What drops an alert whatever the time is and however old it is: `notify_on`, or a drop rule without `active_time_intervals`
/// and `younger_than`.
///
/// Where not all of its labels are known, a matcher that asks for an unknown one says nothing, and so its rule neither.
#[must_use]
pub fn dropped_always(config: &Config, alert: &Alert, all_labels_known: bool) -> Option<Dropped> {
    let is_decided = |rule: &DropRule| {
        all_labels_known || rule.matchers.iter().all(|matcher| !alert.labels.get(matcher.name()).is_empty())
    };
    quieted(config, alert).or_else(|| {
        let rules = config.drop.iter().filter(|rule| rule.is_timeless() && is_decided(rule));
        let mut reasons = rules.filter_map(|rule| Some((rule, matched(rule, alert).ok()?)));
        reasons.next().map(|(rule, why)| Dropped { rule: rule.name.clone(), why })
    })
}

/// Whether some rule that always holds asks for a label that the alert does not have.
#[must_use]
pub fn asks_for_other_labels(config: &Config, alert: &Alert) -> bool {
    let mut matchers =
        config.drop.iter().filter(|rule| rule.is_timeless()).flat_map(|rule| rule.matchers.iter());
    matchers.any(|matcher| alert.labels.get(matcher.name()).is_empty())
}

/// What every drop rule makes of the alert, in their order; the first that holds is the one that drops it.
#[must_use]
pub fn trace_drop_rules(config: &Config, alert: &Alert, now: DateTime<Utc>) -> Vec<RuleTrace> {
    config.drop.iter().map(|rule| trace(rule, alert, now)).collect()
}

fn trace(rule: &DropRule, alert: &Alert, now: DateTime<Utc>) -> RuleTrace {
    let judged = match alert.cause {
        Cause::Filter => Err("not asked: grafana-filter-to-sns has let the alert pass".to_owned()),
        Cause::Action | Cause::StateChangeEvent => judge(rule, alert, now),
    };
    let held = judged.is_ok();
    let (Ok(why) | Err(why)) = judged;
    RuleTrace { rule: rule.name.clone(), held, why }
}

/// Whether a rule drops the alert: why, or why not.
///
/// A rule must not hide the end of what it let people see: it drops a resolved alert only when it would have dropped
/// every message about its firing, too.
fn judge(rule: &DropRule, alert: &Alert, now: DateTime<Utc>) -> Result<String, String> {
    let mut reasons = vec![matched(rule, alert)?];
    if !rule.active_time_intervals.is_empty() {
        reasons.push(active(rule, alert, now)?);
    }
    if let Some(limit) = rule.younger_than {
        reasons.push(match alert.state {
            State::Resolved => short_lived(alert, limit, now)?,
            State::Firing | State::NoData | State::Informational => young(alert, limit, now)?,
        });
    }
    Ok(reasons.join("; "))
}

fn matched(rule: &DropRule, alert: &Alert) -> Result<String, String> {
    match rule.matchers.first_mismatch(&alert.labels) {
        None => Ok(format!("{} matches", rule.matchers)),
        Some(matcher) => Err(match alert.labels.get(matcher.name()) {
            "" => format!("{matcher} does not match: the alert has no label {}", matcher.name()),
            value => format!("{matcher} does not match {value:?}"),
        }),
    }
}

/// The rule's intervals: they hold now, and for a resolved alert all the time since it began.
///
/// At their edges, every message about the firing must have been within. The first may have been judged by a clock behind
/// that of its sender, so they must hold a margin before the start. The last was judged by the same clock as this one and
/// earlier, so now needs none.
fn active(rule: &DropRule, alert: &Alert, now: DateTime<Utc>) -> Result<String, String> {
    let Some(interval) = rule.active_interval(now) else {
        let names: Vec<_> = rule.active_time_intervals.iter().map(|i| i.name.as_str()).collect();
        return Err(format!("{} is outside of {}", shown(now), names.join(", ")));
    };
    if alert.state != State::Resolved {
        return Ok(format!("{} is within {}", shown(now), interval.name));
    }
    let Some(starts_at) = began(alert, now) else {
        return Err("resolved, and unknown whether the rule held when it began".to_owned());
    };
    if now.signed_duration_since(starts_at) > RESOLVED_LOOKBACK_MAX {
        let days = RESOLVED_LOOKBACK_MAX.num_days();
        return Err(format!("resolved after more than {days} days, while the rule may have paused"));
    }
    // A reminder may have come through whenever the interval paused, so its two ends say too little.
    let first_judged = starts_at.checked_sub_signed(EDGE_MARGIN).unwrap_or(starts_at);
    if let Some(pause) = rule.first_pause(first_judged, now) {
        return Err(format!(
            "resolved, and the rule did not hold at {}: people may have seen it",
            shown(pause)
        ));
    }
    Ok(format!("{} is within {}, as all the time since it began", shown(now), interval.name))
}

fn young(alert: &Alert, limit: TimeDelta, now: DateTime<Utc>) -> Result<String, String> {
    let Some(starts_at) = alert.starts_at else {
        return Err("its age is unknown".to_owned());
    };
    let age = now.signed_duration_since(starts_at);
    if age < -CLOCK_SKEW_MAX {
        return Err(format!("it begins in the future, at {}: its age is unknown", shown(starts_at)));
    }
    let text = format!("it is {} old, the limit is {}", duration(age), duration(limit));
    if age < limit { Ok(text) } else { Err(text) }
}

/// Whether every message about a resolved alert's firing was younger than the limit.
fn short_lived(alert: &Alert, limit: TimeDelta, now: DateTime<Utc>) -> Result<String, String> {
    let Some((starts_at, ends_at)) = began(alert, now).zip(alert.ends_at) else {
        return Err("resolved, and unknown how long it lasted".to_owned());
    };
    let lasted = ends_at.signed_duration_since(starts_at);
    let text = format!("it lasted {}, the limit is {}", duration(lasted), duration(limit));
    if lasted >= limit {
        Err(text)
    } else if limit - lasted <= EDGE_MARGIN {
        Err(format!("{text}: so near to it, people may have seen it"))
    } else {
        Ok(text)
    }
}

/// Since when a resolved alert had been firing, where that can be believed: before it ended, and before now.
///
/// Grafana 12 may send the end as the start (grafana#106065, grafana#117113). Grafana and Alertmanager write the year 1
/// for an end that is "not yet"; that is before every start.
fn began(alert: &Alert, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let ended = alert.ends_at.unwrap_or(now).min(now);
    alert.starts_at.filter(|starts_at| *starts_at < ended)
}

/// Why nobody wants to hear of the alert, whatever its labels: the source itself asks for silence, or `notify_on` does.
///
/// `notify_on` is about CloudWatch alarms and their three states. Where it is not written, an alarm's own action is
/// delivered in every state; of the events that tell every change, INSUFFICIENT_DATA is not, unless it follows ALARM.
#[must_use]
pub fn quieted(config: &Config, alert: &Alert) -> Option<Dropped> {
    if config.fail_open {
        return None;
    }
    hushed(alert).or_else(|| unwanted_state(config, alert))
}

fn hushed(alert: &Alert) -> Option<Dropped> {
    let (rule, why) = match alert.hush.as_ref()? {
        Hush::CreationNoise => {
            (CREATION_NOISE, "the first evaluation of a new alarm: nothing was wrong before".to_owned())
        }
        Hush::Muted(by) if by.is_empty() => (MUTED, "a mute rule covers the alarm".to_owned()),
        Hush::Muted(by) => (MUTED, format!("the mute rule {by} covers the alarm")),
        Hush::Suppressed(by) if by.is_empty() => {
            (ACTIONS_SUPPRESSED, "the composite alarm's actions are suppressed".to_owned())
        }
        Hush::Suppressed(by) => {
            (ACTIONS_SUPPRESSED, format!("the composite alarm's actions are suppressed by {by}"))
        }
    };
    Some(Dropped { rule: rule.to_owned(), why })
}

fn unwanted_state(config: &Config, alert: &Alert) -> Option<Dropped> {
    if alert.source != Source::CloudWatch {
        return None;
    }
    let state = AlarmState::from_value(&alert.state_value)?;
    let why = match (&config.notify_on, alert.cause) {
        (Some(wanted), _) if wanted.contains(&state) => return None,
        (Some(wanted), _) => {
            let wanted: Vec<_> = wanted.iter().map(|state| state.as_str()).collect();
            format!("{} is none of {}", state.as_str(), wanted.join(", "))
        }
        (None, Cause::StateChangeEvent) if state == AlarmState::InsufficientData => {
            let previous = alert.previous.as_ref().map(|previous| previous.value.as_str());
            if previous == Some(AlarmState::Alarm.as_str()) {
                return None;
            }
            "INSUFFICIENT_DATA that does not follow ALARM, out of the events that tell every change"
                .to_owned()
        }
        (None, Cause::Action | Cause::StateChangeEvent | Cause::Filter) => return None,
    };
    Some(Dropped { rule: NOTIFY_ON.to_owned(), why })
}

/// Who gets the alert, as Alertmanager's tree has it: depth first, the first route that matches unless it continues, and
/// a route none of whose children match speaks for itself. A receiver that is reached twice is listed once.
#[must_use]
pub fn routed(config: &Config, alert: &Alert) -> Vec<Routed> {
    let mut routes = Vec::new();
    collect(&config.route, alert, &mut routes);
    let mut receivers: Vec<Routed> = Vec::new();
    for route in routes {
        if receivers.iter().all(|other| other.receiver.name != route.receiver.name) {
            receivers.push(Routed {
                receiver: Arc::clone(&route.receiver),
                route: route.to_string(),
                chosen_by: route.matchers.to_string(),
                escalate: route.escalate.clone(),
                why: None,
                is_once_more: false,
            });
        }
    }
    receivers
}

/// Adds the routes that take the alert, given that this one matches: itself or below it.
fn collect<'c>(route: &'c Route, alert: &Alert, routes: &mut Vec<&'c Route>) {
    let before = routes.len();
    for child in route.routes.iter().filter(|child| child.matchers.matches(&alert.labels)) {
        collect(child, alert, routes);
        if !child.continue_after {
            break;
        }
    }
    if routes.len() == before {
        routes.push(route);
    }
}

fn shown(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A duration in Prometheus's units, to the second: `1d2h`, `30m`, `0s`.
fn duration(duration: TimeDelta) -> String {
    let mut rest = duration.num_seconds();
    let mut text = String::new();
    if rest < 0 {
        text.push('-');
        rest = rest.saturating_neg();
    }
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{unit}", rest / seconds);
            rest %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests;
