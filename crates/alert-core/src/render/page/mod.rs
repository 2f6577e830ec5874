//! What people read of an alert, decided once and written in nobody's markup: which words, in which order, what may be
//! folded away. [`super::slack`] writes a page as blocks, [`super::text`] as plain text.

mod body;
mod headline;
pub mod people;
mod story;
pub mod words;

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::alert::{Alert, Fact, LinkKind, Source, State, Threshold};
use crate::evidence::Findings;
use crate::incident::{Step, Told};
use crate::known::Shown;
pub(crate) use headline::emblem;
pub use headline::{Headline, NAME_MAX_CHARS};
pub use people::Control;
pub use words::{Language, Words};

/// A message that comes later than this after the change says so; for what is no emergency, see [`LATE_NEWS`].
const LATE: TimeDelta = TimeDelta::minutes(2);
/// Findings and notices are late by nature.
const LATE_NEWS: TimeDelta = TimeDelta::minutes(15);

/// Everything that a page says beyond its alert.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// When the message is made.
    pub now: DateTime<Utc>,
    /// For times that no client puts into the reader's own zone.
    pub timezone: Tz,
    /// Our own words.
    pub language: Language,
    /// Names of AWS accounts, by number.
    pub accounts: &'c BTreeMap<String, String>,
    /// Whom to mention when something fires; the target's own markup out of the configuration, written unescaped.
    pub mention: Option<&'c str>,
    /// How often its queue has handed it out.
    pub tries: u32,
    /// The delivery's id.
    pub delivery_id: Option<&'c str>,
    /// Who gets it.
    pub receiver: &'c str,
    /// The route that chose the receiver, where a rule did.
    pub route: Option<&'c str>,
    /// What is wrong with the deployment.
    pub warnings: &'c [Warning],
    /// The newer state that people have been shown already.
    pub overtaken: Option<&'c Shown>,
    /// An earlier try may have arrived.
    pub may_be_repeat: bool,
    /// What the change does to what was known of the alert, where alerts are remembered.
    pub story: Option<&'c Step>,
    /// Others have heard of it before, so that it is not late.
    pub is_once_more: bool,
    /// What was asked for beside the alert.
    pub evidence: Option<&'c Findings>,
    /// People may act by buttons.
    pub has_buttons: bool,
}

impl<'c> Context<'c> {
    /// Nothing beyond the alert: in English and UTC, first tried, for the receiver `default`.
    #[must_use]
    pub fn new(now: DateTime<Utc>, accounts: &'c BTreeMap<String, String>) -> Self {
        Self {
            now,
            timezone: Tz::UTC,
            language: Language::default(),
            accounts,
            mention: None,
            tries: 1,
            delivery_id: None,
            receiver: crate::config::DEFAULT_RECEIVER,
            route: None,
            warnings: &[],
            overtaken: None,
            may_be_repeat: false,
            story: None,
            is_once_more: false,
            evidence: None,
            has_buttons: false,
        }
    }

    /// The words of its language.
    #[must_use]
    pub fn words(&self) -> &'static Words {
        self.language.words()
    }
}

/// What is wrong with the deployment, for every message to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// One line, in the language of the deployment.
    pub line: String,
    /// Why, for whoever unfolds it.
    pub causes: Vec<String>,
}

impl Warning {
    /// A warning that needs no cause beside it.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), causes: Vec::new() }
    }
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq)]
pub enum Span<'a> {
    /// As it is.
    Text(Cow<'a, str>),
    /// Emphasised.
    Strong(Cow<'a, str>),
    /// In a fixed-width font.
    Code(Cow<'a, str>),
    /// A link: its URL and its words.
    Link(Cow<'a, str>, Cow<'a, str>),
    /// A moment, in the reader's own time zone where that can be.
    Moment(DateTime<Utc>),
    /// A mention in the target's own markup, out of the configuration.
    Mention(&'a str),
    /// A person: by the target's own id where it has one, and what they are called.
    Person {
        /// The id, or empty.
        id: Cow<'a, str>,
        /// The name.
        name: Cow<'a, str>,
    },
    /// The line ends.
    Break,
}

impl<'a> Span<'a> {
    fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }
}

/// Pieces of text in their order.
pub type Line<'a> = Vec<Span<'a>>;

/// A paragraph of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<'a> {
    /// Ordinary text.
    Text(Line<'a>),
    /// Lines as they came.
    Verbatim(Cow<'a, str>),
    /// Small print.
    Small(Line<'a>),
}

/// Recent values, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart<'a> {
    /// What is measured.
    pub name: Cow<'a, str>,
    /// The values' unit as people write it, or empty.
    pub unit: &'a str,
    /// At most [`CHART_MAX_POINTS`]: the value, when it was measured, and whether it breaches.
    pub points: Vec<(f64, Option<DateTime<Utc>>, bool)>,
    /// What each of them is compared with.
    pub limits: Vec<Threshold>,
    /// The chart in words: the first value and the last.
    pub words: String,
}

/// Values in a chart; more are no longer seen as single ones, and Slack's own take no more.
pub const CHART_MAX_POINTS: usize = 20;

/// A place to go to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Button<'a> {
    /// Its words.
    pub label: &'static str,
    /// An absolute http(s) URL.
    pub url: &'a str,
}

/// What people read of one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<'a> {
    /// The state, for colours.
    pub state: State,
    /// The first line.
    pub headline: Headline<'a>,
    /// Whom to call.
    pub mention: Option<&'a str>,
    /// What the change is to those who know the alert.
    pub story: Option<Line<'a>>,
    /// What people have done, a line each.
    pub people: Vec<Line<'a>>,
    /// What people may do.
    pub controls: Vec<Control>,
    /// The value against its limit, and what is measured.
    pub measure: Option<Line<'a>>,
    /// Recent values.
    pub charts: Vec<Chart<'a>>,
    /// A picture that the source has made, by its URL.
    pub image: Option<&'a str>,
    /// The source's own sentence on why the state changed, where the numbers do not say it; short, for a reply.
    pub reason: Option<String>,
    /// What nobody should have to unfold; the whole reason is in it.
    pub body: Vec<Part<'a>>,
    /// Where to go.
    pub buttons: Vec<Button<'a>>,
    /// Names and values that may be folded away.
    pub facts: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// What else may be.
    pub details: Vec<Part<'a>>,
    /// What is wrong with the deployment: a line each.
    pub warnings: Vec<Line<'a>>,
    /// Where it came from and whom it went to, small.
    pub footer: Line<'a>,
    /// That an earlier try may have arrived; the footer says so, too.
    pub repeat: Option<&'static str>,
}

impl<'a> Page<'a> {
    /// The page of an alert; whatever the alert holds.
    #[must_use]
    pub fn new(alert: &'a Alert, context: &Context<'a>) -> Self {
        let headline = Headline::new(alert, context);
        // Account and region stand in the headline.
        let is_told = |fact: &&Fact| {
            let of = |value: &Option<String>| value.as_deref() == Some(fact.value.as_str());
            fact.name == "account" && of(&alert.account) || fact.name == "region" && of(&alert.region)
        };
        let facts = alert
            .facts
            .iter()
            .filter(|fact| !is_told(fact))
            .map(|fact| (crate::text::cut(&fact.name, 80), crate::text::cut(&fact.value, 500)));
        let is_bad = matches!(alert.state, State::Firing | State::NoData);
        let calls = is_bad && context.story.is_none_or(|step| step.told.calls() && !step.is_silent);
        // What nobody remembers cannot be acted upon.
        let remembered = context.story.map(|step| &step.incident);
        Self {
            // What nobody knows is not green.
            state: if alert.is_end_unknown { State::NoData } else { alert.state },
            mention: context.mention.filter(|_| calls),
            story: story::story(alert, context),
            people: remembered.map(|incident| people::lines(incident, context.words())).unwrap_or_default(),
            controls: remembered
                .filter(|incident| context.has_buttons && !incident.is_digest)
                .map(people::controls)
                .unwrap_or_default(),
            measure: body::measure(alert, context),
            charts: body::charts(alert, context),
            image: context.evidence.and_then(|found| found.image.as_deref()),
            reason: body::reason(alert, &headline).map(|reason| short(&reason)),
            body: body::body(alert, &headline, context),
            buttons: body::buttons(alert, context),
            facts: facts.collect(),
            details: body::details(alert, context),
            warnings: body::warnings(context),
            footer: footer(alert, &headline, context),
            repeat: context.may_be_repeat.then_some(context.words().may_be_repeat),
            headline,
        }
    }
}

/// A sentence on one line that is read in passing.
fn short(text: &str) -> String {
    const SHORT_MAX_CHARS: usize = 300;
    crate::text::cut(&crate::text::one_line(text.trim()), SHORT_MAX_CHARS).into_owned()
}

/// How late the message is, when it is.
fn lateness(alert: &Alert, context: &Context<'_>) -> Option<TimeDelta> {
    // What is known since is told once more, and not late.
    if context.is_once_more {
        return None;
    }
    if context.story.is_some_and(|step| {
        matches!(
            step.told,
            Told::Reminder | Told::Worse | Told::Unacknowledged { .. } | Told::SilenceOver { .. }
        )
    }) {
        return None;
    }
    let late = context.now.signed_duration_since(alert.changed_at?);
    let is_emergency =
        !matches!(alert.source, Source::Aws(_) | Source::Unknown) && alert.state != State::Informational;
    (late > if is_emergency { LATE } else { LATE_NEWS }).then_some(late)
}

/// The source's own word; Grafana's and Prometheus's lower-case ones in capitals as CloudWatch writes its own, so that a
/// search for `FIRING` finds them all.
fn state_word(alert: &Alert) -> Cow<'_, str> {
    let is_state = matches!(alert.source, Source::CloudWatch | Source::Grafana | Source::Alertmanager);
    let word = alert.state_value.as_str();
    let is_word = !word.contains(' ');
    let is_upper = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if is_state && is_word && !is_upper { word.to_uppercase().into() } else { word.into() }
}

/// How it came and why it is here, short: the whole is in the log.
fn footer<'a>(alert: &Alert, headline: &Headline<'_>, context: &Context<'_>) -> Line<'a> {
    const ID_CHARS: usize = 8;
    /// Foreign words that must leave room for the id behind them.
    const WORD_MAX_CHARS: usize = 60;
    const ROUTE_MAX_CHARS: usize = 150;
    let words = context.words();
    // Where the rule's name stands for the source's own word, that is still what people search for.
    let own_name = if headline.is_of_rule { [&alert.name, " "].concat() } else { String::new() };
    let mut text = [
        &*crate::text::cut(alert.source.as_str(), WORD_MAX_CHARS),
        " ",
        &own_name,
        &crate::text::cut(&state_word(alert), WORD_MAX_CHARS),
    ]
    .concat();
    let mut push = |part: &str| {
        text.push_str(" · ");
        text.push_str(part);
    };
    push(&words::fill(words.to, &[&crate::text::cut(context.receiver, WORD_MAX_CHARS)]));
    if let Some(route) = context.route {
        push(&words::fill(words.by_route, &[&crate::text::cut(route, ROUTE_MAX_CHARS)]));
    }
    if context.tries > 1 {
        push(&words::fill(words.tries, &[&context.tries.to_string()]));
    }
    if let Some(id) = context.delivery_id {
        push(id.get(..id.char_indices().nth(ID_CHARS).map_or(id.len(), |(at, _)| at)).unwrap_or(id));
    }
    if context.may_be_repeat {
        push(words.may_be_repeat);
    }
    vec![Span::text(text)]
}

/// The words on a button.
fn label(kind: LinkKind, words: &'static Words) -> &'static str {
    const KINDS: [LinkKind; 9] = [
        LinkKind::Alarm,
        LinkKind::Rule,
        LinkKind::Details,
        LinkKind::Metric,
        LinkKind::Dashboard,
        LinkKind::Panel,
        LinkKind::Logs,
        LinkKind::Runbook,
        LinkKind::Silence,
    ];
    KINDS.iter().position(|other| *other == kind).map_or("", |place| words.links[place])
}
