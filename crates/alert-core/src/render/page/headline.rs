//! The first line: what a locked phone shows, and all that it shows.
//!
//! In this order, because the end is cut off first: an emblem by severity and state, the name, the value against its
//! limit, the resource, the account's name and the region; how late it is comes last.

use std::borrow::Cow;

use super::body::{relation, shared_state};
use super::words::{self, Words};
use super::{Context, Line, Span, lateness};
use crate::alert::{Alert, Severity, Source, State};
use crate::canary::ARRIVED;
use crate::known::Shown;
use crate::text::{cut, one_line};

/// A name on a lock screen; the first block has the whole of it.
pub const NAME_MAX_CHARS: usize = 60;
/// A name in the first block; it is whole in the alarm itself.
const WHOLE_NAME_MAX_CHARS: usize = 255;
/// What an alert says of itself, where it has no numbers.
const SAID_MAX_CHARS: usize = 200;
/// The emblem of what nobody knows.
const UNKNOWN: &str = "❔";
const SEVERITY_MAX_CHARS: usize = 20;
const RESOURCE_MAX_CHARS: usize = 60;
const PLACE_MAX_CHARS: usize = 40;

/// Services whose events are about a job: its state is said before its name.
const JOBS: [&str; 6] = ["AWS Backup", "CodePipeline", "CodeBuild", "CodeDeploy", "Glue", "Step Functions"];
/// Services whose events have a title that says what happened.
const TITLED: [&str; 5] = ["GuardDuty", "Security Hub", "Inspector", "Sign-in", "Cost Anomaly Detection"];

/// The names that say best which thing it is, best first.
const RESOURCES: [&str; 27] = [
    "InstanceId",
    "DBInstanceIdentifier",
    "DBClusterIdentifier",
    "FunctionName",
    "QueueName",
    "TableName",
    "ServiceName",
    "CacheClusterId",
    "LoadBalancer",
    "TargetGroup",
    "ApiName",
    "ApiId",
    "StreamName",
    "TopicName",
    "AutoScalingGroupName",
    "ClusterName",
    "BucketName",
    "StateMachineArn",
    "LogGroupName",
    "sourceIPAddress",
    "instance",
    "pod",
    "host",
    "node",
    "service",
    "deployment",
    "job",
];

/// The state, where it has words of its own.
#[derive(Debug, Clone, PartialEq)]
enum StateWords {
    None,
    NoData,
    ResolvedAfter(String),
    Resolved,
    IsOk,
    Unknown,
}

/// The first line of everything: of a message, of a notification, of a digest's line, of a mail.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline<'a> {
    /// State and severity without words.
    pub emblem: &'static str,
    /// How bad it is, where somebody said so.
    pub severity: Option<Cow<'a, str>>,
    state: StateWords,
    /// The source, where the name does not tell it, and the state of a job.
    lead: Option<Cow<'a, str>>,
    /// The alert's name, one line.
    pub name: Cow<'a, str>,
    /// The name is that of a rule, in the place of the source's own word for what is wrong with it.
    pub(super) is_of_rule: bool,
    /// The value against its limit, else what the alert says of itself.
    pub what: Option<Cow<'a, str>>,
    /// What stands in brackets behind a job's name.
    is_job: bool,
    /// The thing that it is about, where neither name nor words tell it.
    pub resource: Option<Cow<'a, str>>,
    /// The account's name, else its number, and the region.
    pub place: Vec<Cow<'a, str>>,
    /// The newer state that people have seen, and how late it is.
    overtaken: Option<&'a Shown>,
    late: Option<String>,
    words: &'static Words,
}

impl<'a> Headline<'a> {
    /// The headline of an alert.
    #[must_use]
    pub fn new(alert: &'a Alert, context: &Context<'a>) -> Self {
        let words = context.words();
        // Where the source puts its own word in the place of a rule's name, the rule is what people know.
        let rule = Some(alert.labels.get("rulename")).filter(|rule| {
            !rule.trim().is_empty() && alert.state == State::NoData && alert.source == Source::Grafana
        });
        let name = one_line(rule.unwrap_or(&alert.name).trim());
        let severity = Some(alert.labels.get("severity").trim())
            .filter(|severity| !severity.is_empty() && matches!(alert.state, State::Firing | State::NoData));
        let service = match &alert.source {
            Source::Aws(service) => Some(service.as_str()),
            _ => None,
        };
        let is_job = service.is_some_and(|service| JOBS.contains(&service));
        let lead = service.and_then(|service| {
            if is_job {
                let state = alert.state_value.to_lowercase().replace('_', " ");
                return Some(Cow::Owned(format!(
                    "{} {}: ",
                    cut(service, PLACE_MAX_CHARS),
                    cut(&state, PLACE_MAX_CHARS)
                )));
            }
            let is_told = TITLED.contains(&service) || name.to_lowercase().contains(&service.to_lowercase());
            (!is_told).then(|| Cow::Owned(format!("{} ", cut(service, PLACE_MAX_CHARS))))
        });
        let what = relation(alert, words).map(Cow::Owned).or_else(|| said(alert, &name, words));
        let resource = resource(alert, &name, what.as_deref());
        let account = alert.account.as_deref().filter(|account| !account.is_empty());
        let account = account.map(|account| context.accounts.get(account).map_or(account, String::as_str));
        let region = alert.region.as_deref().filter(|region| !region.is_empty());
        Self {
            emblem: if alert.is_end_unknown { UNKNOWN } else { emblem(alert.state, severity) },
            severity: severity.map(|severity| cut(severity, SEVERITY_MAX_CHARS)),
            state: state_words(alert, words),
            lead,
            name,
            is_of_rule: rule.is_some(),
            what,
            is_job,
            resource,
            place: account.into_iter().chain(region).map(|part| cut(part, PLACE_MAX_CHARS)).collect(),
            overtaken: context.overtaken,
            late: lateness(alert, context).map(|late| words.span(late)),
            words,
        }
    }

    /// The line as a notification shows it: the name cut to [`NAME_MAX_CHARS`].
    #[must_use]
    pub fn short(&self) -> Line<'_> {
        self.line(NAME_MAX_CHARS, None)
    }

    /// The line with the whole name.
    #[must_use]
    pub fn whole(&self) -> Line<'_> {
        self.line(WHOLE_NAME_MAX_CHARS, None)
    }

    /// The line with the name as a link, for a list.
    #[must_use]
    pub fn linked<'s>(&'s self, url: Option<&'s str>) -> Line<'s> {
        self.line(100, url)
    }

    fn line<'s>(&'s self, name_max: usize, url: Option<&'s str>) -> Line<'s> {
        let name = cut(&self.name, name_max);
        let name = match url {
            Some(url) => Span::Link(url.into(), name),
            None => Span::Strong(name),
        };
        let mut line = vec![Span::text(self.emblem), Span::text(" ")];
        let mut push = |span| line.push(span);
        if let Some(lead) = &self.lead {
            push(Span::text(lead.as_ref()));
        }
        let (pattern, time) = match &self.state {
            StateWords::None => ("{0}", ""),
            StateWords::NoData => (self.words.no_data_of, ""),
            StateWords::ResolvedAfter(time) => (self.words.resolved_after, time.as_str()),
            StateWords::Resolved => (self.words.resolved, ""),
            StateWords::IsOk => (self.words.is_ok, ""),
            StateWords::Unknown => (self.words.unknown_not_over, ""),
        };
        let (before, after) = pattern.split_once("{0}").unwrap_or(("", ""));
        if !before.is_empty() {
            push(Span::text(before));
        }
        push(name);
        if !after.is_empty() {
            push(Span::Text(words::fill(&after.replace("{1}", "{0}"), &[time]).into()));
        }
        if let Some(severity) = &self.severity {
            push(Span::Text(format!(" ({severity})").into()));
        }
        if let Some(what) = &self.what {
            push(Span::Text(if self.is_job { format!(" ({what})") } else { format!(": {what}") }.into()));
        }
        if let Some(resource) = &self.resource {
            push(Span::Text(format!(" · {resource}").into()));
        }
        if !self.place.is_empty() {
            push(Span::Text(format!(" · {}", self.place.join(" ")).into()));
        }
        if let Some(shown) = self.overtaken {
            let (before, after) =
                self.words.older_news.split_once("{1}").unwrap_or((self.words.older_news, ""));
            push(Span::text(" · ⏪ "));
            push(Span::Text(words::fill(before, &[&shown.state]).into()));
            push(Span::Moment(shown.at));
            push(Span::Text(words::fill(after, &[&shown.state]).into()));
        }
        if let Some(late) = &self.late {
            push(Span::Text(format!(" · ⏰ {}", words::fill(self.words.late, &[late])).into()));
        }
        line
    }
}

/// The state and how bad it is without colour: shape first.
pub(crate) fn emblem(state: State, severity: Option<&str>) -> &'static str {
    match state {
        State::Firing => match severity.and_then(Severity::of) {
            Some(Severity::Warning) => "🟠",
            Some(Severity::Low) => "🟡",
            Some(Severity::High | Severity::Critical) | None => "🔴",
        },
        State::NoData => "⚠️",
        State::Informational => "🔵",
        State::Resolved => "✅",
    }
}

fn state_words(alert: &Alert, words: &Words) -> StateWords {
    // A job's own word for its state stands before its name.
    let is_job = matches!(&alert.source, Source::Aws(service) if JOBS.contains(&service.as_str()));
    match alert.state {
        State::NoData => StateWords::NoData,
        State::Resolved if alert.is_end_unknown => StateWords::Unknown,
        // Nothing was wrong.
        State::Resolved if alert.source == Source::Own && alert.state_value == ARRIVED => StateWords::None,
        State::Resolved if !is_job => {
            let was_wrong = alert.previous.as_ref().is_none_or(|previous| previous.state == State::Firing);
            let lasted = alert.starts_at.zip(alert.ends_at).filter(|(start, end)| start < end);
            match lasted {
                Some((start, end)) => StateWords::ResolvedAfter(words.span(end.signed_duration_since(start))),
                None if was_wrong => StateWords::Resolved,
                None => StateWords::IsOk,
            }
        }
        State::Resolved | State::Firing | State::Informational => StateWords::None,
    }
}

/// What an alert without numbers says of itself, unless it is its name once more.
fn said<'a>(alert: &'a Alert, name: &str, words: &Words) -> Option<Cow<'a, str>> {
    let is_alarm = matches!(alert.source, Source::Grafana | Source::Alertmanager | Source::CloudWatch);
    if is_alarm && alert.state == State::Resolved {
        // What it said when it was wrong is no longer true.
        return None;
    }
    if alert.source == Source::CloudWatch && alert.state == State::Informational {
        return Some(Cow::Borrowed(alert.state_value.as_str()));
    }
    if let Some(state) = shared_state(&alert.evidence.children, words) {
        return Some(Cow::Owned(cut(&state, SAID_MAX_CHARS).into_owned()));
    }
    let values = || {
        let values: Vec<String> =
            alert.evidence.values.iter().take(3).map(|(name, value)| format!("{name} = {value}")).collect();
        (!values.is_empty()).then(|| Cow::Owned(values.join(", ")))
    };
    let is_job = matches!(&alert.source, Source::Aws(service) if JOBS.contains(&service.as_str()));
    let texts = if is_job {
        [&alert.reason, &alert.description, &None, &None]
    } else {
        let raw = if alert.source == Source::Unknown { &alert.raw } else { &None };
        [&alert.summary, &alert.reason, &alert.description, raw]
    };
    // CloudWatch's sentence on missing data says what the emblem says.
    let is_new = |text: &&str| {
        let is_insufficient = alert.state == State::NoData && text.starts_with("Insufficient Data: ");
        // So is Grafana's on a rule whose name stands there.
        let is_trouble = alert.state == State::NoData && *text == format!("The rule “{name}” got no data");
        !text.is_empty() && one_line(text) != name && !is_insufficient && !is_trouble
    };
    let text = texts.into_iter().flatten().map(|text| text.trim()).find(is_new);
    // Of what nobody understood, why that is so and how it begins.
    let note = alert.notes.first().filter(|_| alert.source == Source::Unknown);
    let both = note.map(|note| match text {
        Some(text) => [note.as_str(), " — ", text].concat(),
        None => note.clone(),
    });
    let text = both.as_deref().or(text);
    match text {
        Some(text) => {
            let text = text
                .strip_prefix(name.trim_end_matches('…'))
                .unwrap_or(text)
                .trim_start_matches([':', ' ', '\n']);
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = line.trim_end_matches('.');
            (!line.is_empty()).then(|| Cow::Owned(cut(line, SAID_MAX_CHARS).into_owned()))
        }
        None => values(),
    }
}

fn resource(alert: &Alert, name: &str, what: Option<&str>) -> Option<Cow<'static, str>> {
    // The events of other services have the thing for a name, but for the labels that we chose ourselves.
    let is_chosen = |label: &str| !matches!(alert.source, Source::Aws(_)) || label == "sourceIPAddress";
    let value = RESOURCES
        .iter()
        .filter(|label| is_chosen(label))
        .map(|label| alert.labels.get(label))
        .find(|value| !value.is_empty())?;
    let value = &*one_line(value);
    // A whole ARN or target group has its name at its end or in its middle.
    let short =
        value.strip_prefix("arn:").map_or(value, |arn| arn.rsplit([':', '/']).next().unwrap_or(value));
    let is_told = name.contains(short) || what.is_some_and(|what| what.contains(short));
    (!is_told && !short.trim().is_empty()).then(|| Cow::Owned(cut(short, RESOURCE_MAX_CHARS).into_owned()))
}
