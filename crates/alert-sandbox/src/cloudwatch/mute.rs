//! Alarm mute rules: put, told and deleted. Alarms are told by tests here, so that a rule mutes nothing by itself.
//!
//! Source: API reference, PutAlarmMuteRule and Schedule. Of schedules the sandbox knows those of one time, in UTC.

use std::collections::BTreeMap;
use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::alarm::{Alarms, NAME_MAX_CHARACTERS, seconds, text, texts};
use super::error::CloudWatchError;
use crate::aws::{ACCOUNT, REGION};

/// The most alarms that one rule mutes (API reference, MuteTargets).
pub const MUTED_ALARMS_MAX: usize = 100;
/// The longest description, in characters.
const DESCRIPTION_MAX_CHARACTERS: usize = 1024;
/// The longest expression, in characters.
const EXPRESSION_MAX_CHARACTERS: usize = 256;
/// The longest duration and time zone as they are written, in characters.
const SCHEDULE_TEXT_MAX_CHARACTERS: usize = 50;
const DURATION_MIN: TimeDelta = TimeDelta::minutes(1);
const DURATION_MAX: TimeDelta = TimeDelta::days(15);

/// The rules, by their names.
#[derive(Debug, Default)]
pub(super) struct MuteRules(BTreeMap<String, MuteRule>);

#[derive(Debug)]
struct MuteRule {
    /// As it was put.
    given: Map<String, Value>,
    window: Window,
    updated: SystemTime,
}

/// When the alarms are muted.
#[derive(Debug, Clone, Copy)]
struct Window {
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
    /// Whatever the schedule says.
    expiry: Option<DateTime<Utc>>,
}

impl MuteRules {
    pub(super) fn put(
        &mut self,
        request: Map<String, Value>,
        alarms: &Alarms,
        now: SystemTime,
    ) -> Result<Value, CloudWatchError> {
        only(&request, &["Name", "Description", "Rule", "MuteTargets", "StartDate", "ExpireDate"])?;
        let name = bounded(&request, "Name", NAME_MAX_CHARACTERS)?.to_owned();
        if text(&request, "Description")?
            .is_some_and(|text| text.chars().count() > DESCRIPTION_MAX_CHARACTERS)
        {
            let constraint = format!("have length less than or equal to {DESCRIPTION_MAX_CHARACTERS}");
            return Err(CloudWatchError::constraint("'…'", "description", &constraint));
        }
        check_targets(&request, alarms)?;
        let rule = required_object(&request, "Rule")?;
        only(rule, &["Schedule"])?;
        let (start, expiry) = (moment(&request, "StartDate")?, moment(&request, "ExpireDate")?);
        if start.zip(expiry).is_some_and(|(start, expiry)| start >= expiry) {
            return Err(CloudWatchError::validation("ExpireDate must be later than StartDate"));
        }
        let (begin, duration) = schedule(required_object(rule, "Schedule")?)?;
        let begin = start.map_or(begin, |start| start.max(begin));
        let window = Window { begin, end: begin + duration, expiry };
        self.0.insert(name, MuteRule { given: request, window, updated: now });
        Ok(json!({}))
    }

    pub(super) fn get(
        &self,
        request: &Map<String, Value>,
        now: SystemTime,
    ) -> Result<Value, CloudWatchError> {
        let name = name_of(request)?;
        let rule = self.0.get(name).ok_or_else(|| CloudWatchError::no_mute_rule(name))?;
        Ok(rule.told(name, now.into()))
    }

    /// One that is not there is as good as deleted.
    pub(super) fn delete(&mut self, request: &Map<String, Value>) -> Result<Value, CloudWatchError> {
        self.0.remove(name_of(request)?);
        Ok(json!({}))
    }

    pub(super) fn all(&self, now: SystemTime) -> Vec<Value> {
        self.0.iter().map(|(name, rule)| rule.told(name, now.into())).collect()
    }
}

impl MuteRule {
    fn told(&self, name: &str, now: DateTime<Utc>) -> Value {
        let mut told = self.given.clone();
        let mut add = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
        let arn = format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm-mute-rule:{name}");
        add("AlarmMuteRuleArn", arn.into());
        add("Status", self.window.status(now).into());
        add("LastUpdatedTimestamp", seconds(self.updated));
        add("MuteType", "ONE_TIME".into());
        told.into()
    }
}

impl Window {
    fn status(self, now: DateTime<Utc>) -> &'static str {
        if now >= self.end || self.expiry.is_some_and(|expiry| now >= expiry) {
            "EXPIRED"
        } else if now >= self.begin {
            "ACTIVE"
        } else {
            "SCHEDULED"
        }
    }
}

fn name_of(request: &Map<String, Value>) -> Result<&str, CloudWatchError> {
    only(request, &["AlarmMuteRuleName"])?;
    bounded(request, "AlarmMuteRuleName", NAME_MAX_CHARACTERS)
}

fn only(members: &Map<String, Value>, known: &[&str]) -> Result<(), CloudWatchError> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(CloudWatchError::unknown(&format!("{name} of mute rules"))),
        None => Ok(()),
    }
}

fn required_object<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a Map<String, Value>, CloudWatchError> {
    let member = members.get(name).filter(|member| !member.is_null());
    let member = member.ok_or_else(|| CloudWatchError::required(name))?;
    member.as_object().ok_or_else(CloudWatchError::malformed)
}

/// A text that has to be there, with at least one character.
fn bounded<'a>(members: &'a Map<String, Value>, name: &str, most: usize) -> Result<&'a str, CloudWatchError> {
    let text = text(members, name)?.ok_or_else(|| CloudWatchError::required(name))?;
    if !(1..=most).contains(&text.chars().count()) {
        let constraint = format!("have length between 1 and {most}");
        return Err(CloudWatchError::constraint(&format!("'{text}'"), name, &constraint));
    }
    Ok(text)
}

fn moment(members: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, CloudWatchError> {
    let Some(value) = members.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_f64().ok_or_else(CloudWatchError::malformed)?;
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds are the service's precision")]
    let moment = DateTime::from_timestamp_millis((seconds * 1000.0) as i64);
    moment.map(Some).ok_or_else(CloudWatchError::malformed)
}

/// "The alarm names must match existing alarms", says the reference of MuteTargets.
fn check_targets(request: &Map<String, Value>, alarms: &Alarms) -> Result<(), CloudWatchError> {
    if request.get("MuteTargets").is_none_or(Value::is_null) {
        return Ok(());
    }
    let targets = required_object(request, "MuteTargets")?;
    only(targets, &["AlarmNames"])?;
    let names = texts(targets, "AlarmNames")?.ok_or_else(|| CloudWatchError::required("AlarmNames"))?;
    if names.len() > MUTED_ALARMS_MAX {
        let constraint = format!("have length less than or equal to {MUTED_ALARMS_MAX}");
        return Err(CloudWatchError::constraint(
            &format!("'{names:?}'"),
            "muteTargets.alarmNames",
            &constraint,
        ));
    }
    match names.iter().find(|name| !alarms.contains(name)) {
        None => Ok(()),
        Some(name) => Err(CloudWatchError::validation(format!("The alarm {name} does not exist"))),
    }
}

/// When it begins, and for how long it is.
fn schedule(schedule: &Map<String, Value>) -> Result<(DateTime<Utc>, TimeDelta), CloudWatchError> {
    only(schedule, &["Expression", "Duration", "Timezone"])?;
    let expression = bounded(schedule, "Expression", EXPRESSION_MAX_CHARACTERS)?;
    let wrong = |what: &str, text: &str| CloudWatchError::validation(format!("Invalid {what}: {text}"));
    if expression.starts_with("cron(") {
        return Err(CloudWatchError::unknown("schedules that come again"));
    }
    let time = expression.strip_prefix("at(").and_then(|rest| rest.strip_suffix(')'));
    let is_whole = |time: &&str| time.len() == "yyyy-MM-ddThh:mm".len();
    let begin = time
        .filter(is_whole)
        .and_then(|time| NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M").ok())
        .ok_or_else(|| wrong("schedule expression", expression))?;
    if schedule.contains_key("Timezone") {
        let zone = bounded(schedule, "Timezone", SCHEDULE_TEXT_MAX_CHARACTERS)?;
        if zone != "UTC" {
            return Err(CloudWatchError::unknown("time zones but UTC"));
        }
    }
    let text = bounded(schedule, "Duration", SCHEDULE_TEXT_MAX_CHARACTERS)?;
    let duration = duration(text).ok_or_else(|| wrong("duration", text))?;
    if !(DURATION_MIN..=DURATION_MAX).contains(&duration) {
        let bounds = format!("{text} is not between PT1M and P15D");
        return Err(wrong("duration", &bounds));
    }
    Ok((begin.and_utc(), duration))
}

/// Days, hours and minutes as ISO 8601 has them: `P2DT12H`.
fn duration(text: &str) -> Option<TimeDelta> {
    let text = text.strip_prefix('P')?;
    let (days, times) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, times)) => (days, times),
        None if text.is_empty() => return None,
        None => (text, ""),
    };
    let (days, rest) = part(days, 'D')?;
    let (hours, minutes) = part(times, 'H')?;
    let (minutes, more) = part(minutes, 'M')?;
    if !rest.is_empty() || !more.is_empty() {
        return None;
    }
    let minutes = days.checked_mul(24)?.checked_add(hours)?.checked_mul(60)?.checked_add(minutes)?;
    TimeDelta::try_minutes(minutes)
}

/// The number before a letter, and what comes behind it; zero where the letter is not there.
fn part(text: &str, letter: char) -> Option<(i64, &str)> {
    let Some((number, rest)) = text.split_once(letter) else { return Some((0, text)) };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| is_number)?, rest))
}
