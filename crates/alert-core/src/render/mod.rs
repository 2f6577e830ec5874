//! What people and subscribers read, made from an [`Alert`]. Rendering is total: it truncates, it
//! never fails.

pub mod page;
pub mod slack;
pub mod sns;
pub mod text;

use chrono_tz::Tz;
use page::people::Remark;
use page::words::fill;
use page::{Context, Language, Page};

use crate::alert::Alert;
use crate::evidence::Lines;
use crate::incident::Incident;
use crate::key::AlertKey;
use crate::known::Shown;

/// What messages are written in; each kind of target reads one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// Slack's JSON.
    Slack,
    /// Plain text.
    Text,
}

/// How much of what a medium can do a message uses; what a target refuses goes one step down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rendering {
    /// Text alone.
    Plain,
    /// The blocks of all the years, values as a row of bars.
    #[default]
    Classic,
    /// Slack's own charts and folded details, which are of June 2026.
    Modern,
}

impl Rendering {
    /// The next simpler one.
    #[must_use]
    pub fn simpler(self) -> Option<Self> {
        match self {
            Self::Modern => Some(Self::Classic),
            Self::Classic => Some(Self::Plain),
            Self::Plain => None,
        }
    }
}

/// How a page is written for one reader.
#[derive(Debug, Clone, Copy)]
pub struct Options<'o> {
    /// How much of what the medium can do is used.
    pub rendering: Rendering,
    /// Details stand under a bar of colour even where the newest blocks are used.
    pub has_bar: bool,
    /// The channel that the message itself asks for; only Slack's legacy webhooks honour it.
    pub channel: Option<&'o str>,
    /// For clients that cannot put a moment into the reader's time zone.
    pub timezone: Tz,
    /// Our own words.
    pub language: Language,
}

/// One of the alerts of a digest.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What the caller calls it.
    pub item: usize,
    /// The alert.
    pub alert: &'a Alert,
    /// Which alert it is.
    pub key: &'a AlertKey,
    /// The newer state that people have seen already.
    pub overtaken: Option<&'a Shown>,
}

/// A message, written for one medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// For Slack.
    Slack(slack::SlackMessage),
    /// For people whom SNS reaches.
    Notification(sns::Notification),
}

impl Message {
    /// What people get to see: Slack's JSON, a notification's text.
    #[must_use]
    pub fn content(&self) -> String {
        match self {
            Self::Slack(message) => message.to_json(),
            Self::Notification(notification) => notification.text.clone(),
        }
    }

    /// The same message without anything that a target could refuse in its form; `None` where there is nothing simpler.
    #[must_use]
    pub fn plain(&self) -> Option<Self> {
        match self {
            Self::Slack(message) => Some(Self::Slack(message.plain())),
            Self::Notification(_) => None,
        }
    }
}

impl Medium {
    /// What of a wished rendering its messages have.
    #[must_use]
    pub fn rendering(self, wish: Rendering) -> Rendering {
        match self {
            Self::Slack => wish,
            Self::Text => Rendering::Plain,
        }
    }

    /// One alert's page as a message.
    #[must_use]
    pub fn page(self, page: &Page<'_>, options: &Options<'_>) -> Message {
        match self {
            Self::Slack => Message::Slack(slack::page(page, options)),
            Self::Text => Message::Notification(notification(page, options, text::page)),
        }
    }

    /// One alert's page as a short message in the thread of the one that shows it whole.
    #[must_use]
    pub fn reply(self, page: &Page<'_>, options: &Options<'_>) -> Message {
        match self {
            Self::Slack => Message::Slack(slack::reply(page, options)),
            Self::Text => Message::Notification(notification(page, options, text::reply)),
        }
    }

    /// Log lines, as a message in the thread of the one that they belong to.
    #[must_use]
    pub fn lines(self, lines: &Lines, options: &Options<'_>) -> Message {
        match self {
            Self::Slack => Message::Slack(slack::lines(lines, options)),
            Self::Text => Message::Notification(said(&text::lines(lines, options.language.words()))),
        }
    }

    /// A digest that was posted with this content, with how many of its alerts are over by now; `None` where the medium cannot
    /// say it.
    #[must_use]
    pub fn counted(self, posted: &str, over: usize, of: usize, language: Language) -> Option<Message> {
        match self {
            Self::Slack => slack::counted(posted, over, of, language.words()).map(Message::Slack),
            Self::Text => None,
        }
    }

    /// A message that was posted with this content, with what people have done since, and may do; `None` where the medium cannot
    /// say it.
    #[must_use]
    pub fn with_people(self, posted: &str, incident: &Incident, options: &Options<'_>) -> Option<Message> {
        match self {
            Self::Slack => slack::with_people(posted, incident, options).map(Message::Slack),
            Self::Text => None,
        }
    }

    /// What is said in a message's thread when somebody has acted.
    #[must_use]
    pub fn remark(self, remark: Remark<'_>, options: &Options<'_>) -> Message {
        match self {
            Self::Slack => Message::Slack(slack::remark(remark, options)),
            Self::Text => {
                let words = options.language.words();
                Message::Notification(said(&text::one(
                    &page::people::remark(remark, words),
                    options.timezone,
                    words,
                )))
            }
        }
    }

    /// What takes the place of a message that may show what is no longer so, where a newer message tells on.
    #[must_use]
    pub fn superseded(self, page: &Page<'_>, options: &Options<'_>) -> Message {
        match self {
            Self::Slack => Message::Slack(slack::superseded(page, options)),
            Self::Text => Message::Notification(said(&fill(
                options.language.words().superseded,
                &[&page.headline.name],
            ))),
        }
    }

    /// Many alerts as few messages, each with the items that it tells of; none is left out.
    #[must_use]
    pub fn digest(
        self,
        alerts: &[Entry<'_>],
        context: &Context<'_>,
        options: &Options<'_>,
    ) -> Vec<(Message, Vec<usize>)> {
        match self {
            Self::Slack => slack::digest(alerts, context, options)
                .into_iter()
                .map(|(message, items)| (Message::Slack(message), items))
                .collect(),
            Self::Text => {
                let notifications: Vec<_> = alerts
                    .iter()
                    .map(|entry| {
                        let context = Context { overtaken: entry.overtaken, ..*context };
                        notification(&Page::new(entry.alert, &context), options, text::page)
                    })
                    .collect();
                let together = sns::Notification::together(&notifications, context.words());
                let items = alerts.iter().map(|entry| entry.item).collect();
                together
                    .map(|notification| (Message::Notification(notification), items))
                    .into_iter()
                    .collect()
            }
        }
    }
}

/// A page as a notification; `write` says how much of it is its text.
fn notification(
    page: &Page<'_>,
    options: &Options<'_>,
    write: impl Fn(&Page<'_>, Tz, &page::Words) -> String,
) -> sns::Notification {
    let words = options.language.words();
    let line = |line| text::line(line, options.timezone, words);
    let why = page.warnings.first().map(line);
    sns::Notification::new(
        &line(&page.headline.short()),
        why.as_deref(),
        &write(page, options.timezone, words),
    )
}

/// A notification of nothing but a text.
fn said(text: &str) -> sns::Notification {
    sns::Notification::new(text.lines().next().unwrap_or_default(), None, text)
}
