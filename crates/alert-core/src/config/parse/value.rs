//! Single values of the configuration, and how they are shown in errors.

use chrono::{NaiveTime, TimeDelta};
use saphyr_parser::ScalarStyle;

use super::super::{AlarmState, Allowed, Publish, SilenceWith, is_channel};
use crate::evidence::LINES_MAX;
use crate::incident::{End, RECENT_MAX, Reminder};
use crate::region::Arn;
use crate::render::Rendering;
use crate::render::page::Language;
use crate::{text, time};

/// How a text becomes a value: what is expected, and the function; its error is what was found, ready to be shown.
pub(in crate::config) struct Parse<T> {
    pub(in crate::config) expected: &'static str,
    pub(in crate::config) parse: fn(&str, ScalarStyle) -> Result<T, String>,
}

pub(in crate::config) const NAME: Parse<String> = Parse { expected: "a name on one line", parse: name };
pub(super) const ACCOUNT: Parse<String> = Parse {
    expected: "an account number of twelve digits, in double quotes so that leading zeros stay",
    parse: account,
};
pub(super) const CHANNEL: Parse<String> =
    Parse { expected: "a channel such as '#oncall', in quotes", parse: channel };
pub(super) const MENTION: Parse<String> = Parse {
    expected: "mentions out of <!here>, <!channel>, <!everyone>, <!subteam^S…> and <@U…>, separated by spaces",
    parse: mention,
};
pub(super) const WEBHOOK: Parse<String> = Parse {
    expected: "`kms:` and the base64 ciphertext of the webhook's URL, as `alertctl encrypt-secret` makes it",
    parse: webhook,
};
pub(super) const DURATION: Parse<TimeDelta> =
    Parse { expected: "a duration longer than nothing, such as 30m, 1h30m or 1d", parse: duration };
pub(super) const EVERY: Parse<TimeDelta> =
    Parse { expected: "a duration from 1m to 31d, such as 5m", parse: every };
pub(super) const TIME_OF_DAY: Parse<NaiveTime> =
    Parse { expected: "a time of day such as '09:00', in quotes", parse: time_of_day };
pub(in crate::config) const BOOLEAN: Parse<bool> = Parse { expected: "true or false", parse: boolean };
pub(super) const COUNT: Parse<usize> = Parse { expected: "a whole number from 1 to 1000000", parse: count };
pub(super) const ALARM_STATE: Parse<AlarmState> =
    Parse { expected: "ALARM, OK or INSUFFICIENT_DATA", parse: alarm_state };
pub(super) const RENDERING: Parse<Rendering> =
    Parse { expected: "modern, classic or plain", parse: rendering };
pub(super) const REOPEN_WITHIN: Parse<TimeDelta> =
    Parse { expected: "a duration from 1s to 1d, such as 10m", parse: reopen_within };
pub(super) const FLAPPING_AFTER: Parse<usize> =
    Parse { expected: "a whole number from 1 to 19", parse: flapping_after };
pub(super) const LINES: Parse<usize> = Parse { expected: "a whole number from 1 to 20", parse: lines };
pub(super) const REMINDER: Parse<Reminder> = Parse { expected: "reply or edit", parse: reminder };
pub(super) const END: Parse<End> = Parse { expected: "reply, shown or edit", parse: end };
pub(super) const LANGUAGE: Parse<Language> = Parse { expected: "en or ko", parse: language };
pub(super) const ALLOWED: Parse<Allowed> = Parse {
    expected: "a person such as <@U012345>, or a user group such as <!subteam^S012345>",
    parse: allowed,
};
pub(super) const SILENCE_WITH: Parse<SilenceWith> =
    Parse { expected: "cloudwatch or table", parse: silence_with };
pub(super) const TOPIC: Parse<String> = Parse {
    expected: "the ARN of a standard SNS topic (a FIFO topic has no mail and no SMS), arn:aws:sns:REGION:ACCOUNT:NAME",
    parse: topic,
};
pub(super) const PUBLISH: Parse<Publish> = Parse { expected: "auto, alert or group", parse: publish };

/// A message that turned red again after a longer time stands too far up.
const REOPEN_WITHIN_MAX: TimeDelta = TimeDelta::days(1);

/// Mentions of one receiver: more than sixty of them.
const MENTIONS_MAX_CHARS: usize = 1_000;

/// Beyond this an excerpt of a foreign text is cut.
const EXCERPT_MAX_CHARS: usize = 60;

/// Names longer than this are no slip of another name.
const NEAREST_MAX_CHARS: usize = 64;

/// A text as errors show it: short, on one line, and hidden when it could be a secret that slipped into another place.
pub(in crate::config) fn excerpt(text: &str) -> String {
    if text::may_be_secret(text) {
        return "a URL or ciphertext (not shown)".to_owned();
    }
    let mut shown = String::new();
    for c in text.chars().take(EXCERPT_MAX_CHARS) {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    let cut = if text.chars().nth(EXCERPT_MAX_CHARS).is_some() { "…" } else { "" };
    format!("`{shown}{cut}`")
}

/// The name that was probably meant: at most three letters away, and no more than a third of them.
pub(in crate::config) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > NEAREST_MAX_CHARS {
        return None;
    }
    let word = word.to_lowercase();
    let most = (length / 3).min(3);
    names
        .filter(|name| name.chars().count().abs_diff(length) <= most)
        .map(|name| (strsim::levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= most)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

fn name(text: &str, _: ScalarStyle) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("an empty one".to_owned())
    } else if text.contains(char::is_control) {
        Err(excerpt(text))
    } else {
        Ok(text.to_owned())
    }
}

fn channel(text: &str, style: ScalarStyle) -> Result<String, String> {
    let channel = name(text, style)?;
    if is_channel(&channel) { Ok(channel) } else { Err(excerpt(text)) }
}

fn account(text: &str, _: ScalarStyle) -> Result<String, String> {
    let sound = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if sound { Ok(text.to_owned()) } else { Err(excerpt(text)) }
}

/// Slack's own syntax ("Formatting text for app surfaces", mentioning users, groups, and special mentions).
fn mention(text: &str, _: ScalarStyle) -> Result<String, String> {
    let mentions: Vec<&str> = text.split_whitespace().collect();
    if mentions.is_empty() {
        return Err("none".to_owned());
    }
    if let Some(wrong) = mentions.iter().find(|mention| !is_mention(mention)) {
        return Err(excerpt(wrong));
    }
    let mentions = mentions.join(" ");
    // They stand before the alert's name, in a text that Slack limits.
    if mentions.len() > MENTIONS_MAX_CHARS {
        return Err(format!("{} characters of them, more than {MENTIONS_MAX_CHARS}", mentions.len()));
    }
    Ok(mentions)
}

fn is_mention(text: &str) -> bool {
    let Some(inner) = bracketed(text) else { return false };
    matches!(inner, "!here" | "!channel" | "!everyone") || somebody(inner).is_some()
}

/// A mention of somebody, as Slack shows it in its own texts: a name may follow the id, and says nothing.
fn allowed(text: &str, _: ScalarStyle) -> Result<Allowed, String> {
    let inner = bracketed(text.trim()).map(|inner| inner.split_once('|').map_or(inner, |(id, _)| id));
    inner.and_then(somebody).ok_or_else(|| excerpt(text))
}

fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix('<')?.strip_suffix('>')
}

fn somebody(inner: &str) -> Option<Allowed> {
    let id = |id: &str, kinds: &[char]| {
        let is_id = id.starts_with(kinds)
            && id.len() > 1
            && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        is_id.then(|| id.to_owned())
    };
    if let Some(group) = inner.strip_prefix("!subteam^") {
        return id(group, &['S']).map(Allowed::UserGroup);
    }
    id(inner.strip_prefix('@')?, &['U', 'W']).map(Allowed::User)
}

fn silence_with(text: &str, _: ScalarStyle) -> Result<SilenceWith, String> {
    match text {
        "cloudwatch" => Ok(SilenceWith::CloudWatch),
        "table" => Ok(SilenceWith::Table),
        _ => Err(excerpt(text)),
    }
}

/// The ciphertext; no error shows any part of the text, which may be a URL that somebody forgot to encrypt.
fn webhook(text: &str, _: ScalarStyle) -> Result<String, String> {
    let Some(ciphertext) = text.trim().strip_prefix("kms:") else {
        let plain = text.contains("://") || text.contains("hooks.");
        let found =
            if plain { "a plain URL (not shown: it is a secret)" } else { "another text (not shown)" };
        return Err(found.to_owned());
    };
    // A ciphertext of several lines is folded with spaces.
    let ciphertext: String = ciphertext.split_whitespace().collect();
    if ciphertext.contains("://") {
        return Err("`kms:` and a plain URL (not shown: it is a secret)".to_owned());
    }
    if is_base64(&ciphertext) {
        Ok(ciphertext)
    } else {
        Err("`kms:` and what is no base64 (not shown)".to_owned())
    }
}

/// Whether this is base64 of the standard alphabet with its padding (RFC 4648, 4), as AWS prints it.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    !digits.is_empty()
        && text.len() - digits.len() <= 2
        && text.len().is_multiple_of(4)
        && digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn duration(text: &str, _: ScalarStyle) -> Result<TimeDelta, String> {
    time::parse_duration(text).ok_or_else(|| excerpt(text))
}

/// The time is looked at once a minute, and what is minded is remembered for some months.
fn every(text: &str, style: ScalarStyle) -> Result<TimeDelta, String> {
    let duration = duration(text, style)?;
    let is_sound = (TimeDelta::minutes(1)..=TimeDelta::days(31)).contains(&duration);
    if is_sound { Ok(duration) } else { Err(excerpt(text)) }
}

fn time_of_day(text: &str, _: ScalarStyle) -> Result<NaiveTime, String> {
    let is_sound = text.len() == 5;
    NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| is_sound).ok_or_else(|| excerpt(text))
}

fn boolean(text: &str, style: ScalarStyle) -> Result<bool, String> {
    match (style, text) {
        (ScalarStyle::Plain, "true" | "True" | "TRUE") => Ok(true),
        (ScalarStyle::Plain, "false" | "False" | "FALSE") => Ok(false),
        _ => Err(found(text, style)),
    }
}

fn reopen_within(text: &str, style: ScalarStyle) -> Result<TimeDelta, String> {
    let duration = duration(text, style)?;
    let is_sound = (TimeDelta::seconds(1)..=REOPEN_WITHIN_MAX).contains(&duration);
    if is_sound { Ok(duration) } else { Err(excerpt(text)) }
}

fn count(text: &str, style: ScalarStyle) -> Result<usize, String> {
    count_to(1_000_000, text, style)
}

/// More changes in an hour than are remembered would never be.
fn flapping_after(text: &str, style: ScalarStyle) -> Result<usize, String> {
    count_to(RECENT_MAX - 1, text, style)
}

fn lines(text: &str, style: ScalarStyle) -> Result<usize, String> {
    count_to(LINES_MAX, text, style)
}

fn count_to(max: usize, text: &str, style: ScalarStyle) -> Result<usize, String> {
    let plain = style == ScalarStyle::Plain && text.bytes().all(|b| b.is_ascii_digit());
    let count = text.parse().ok().filter(|count| plain && (1..=max).contains(count));
    count.ok_or_else(|| found(text, style))
}

fn reminder(text: &str, _: ScalarStyle) -> Result<Reminder, String> {
    match text {
        "reply" => Ok(Reminder::Reply),
        "edit" => Ok(Reminder::Edit),
        _ => Err(excerpt(text)),
    }
}

fn end(text: &str, _: ScalarStyle) -> Result<End, String> {
    match text {
        "reply" => Ok(End::Reply),
        "shown" => Ok(End::Shown),
        "edit" => Ok(End::Edit),
        _ => Err(excerpt(text)),
    }
}

fn alarm_state(text: &str, _: ScalarStyle) -> Result<AlarmState, String> {
    AlarmState::from_value(text).ok_or_else(|| excerpt(text))
}

fn rendering(text: &str, _: ScalarStyle) -> Result<Rendering, String> {
    match text {
        "modern" => Ok(Rendering::Modern),
        "classic" => Ok(Rendering::Classic),
        "plain" => Ok(Rendering::Plain),
        _ => Err(excerpt(text)),
    }
}

fn language(text: &str, _: ScalarStyle) -> Result<Language, String> {
    match text {
        "en" => Ok(Language::English),
        "ko" => Ok(Language::Korean),
        _ => Err(excerpt(text)),
    }
}

fn topic(text: &str, _: ScalarStyle) -> Result<String, String> {
    let topic = Arn::of_topic(text.trim()).filter(|arn| arn.resource.strip_suffix(".fifo").is_none());
    topic.map(|_| text.trim().to_owned()).ok_or_else(|| excerpt(text))
}

fn publish(text: &str, _: ScalarStyle) -> Result<Publish, String> {
    match text {
        "auto" => Ok(Publish::Auto),
        "alert" => Ok(Publish::Alert),
        "group" => Ok(Publish::Group),
        _ => Err(excerpt(text)),
    }
}

/// What came, and that it was quoted where that makes it another thing.
fn found(text: &str, style: ScalarStyle) -> String {
    let kind = if style == ScalarStyle::Plain { "" } else { "the text " };
    format!("{kind}{}", excerpt(text))
}
