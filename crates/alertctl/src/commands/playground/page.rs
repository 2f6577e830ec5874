//! The page, made here as a whole: it works without JavaScript, which only makes it quicker.

use alert_core::config::Config;
use alert_core::decide::{Dropped, Verdict};
use alert_core::target::Target;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::explanation::{count, explanation};
use super::library::{self, Fixture};
use super::message;
use super::preview::{self, Preview, Question};
use crate::commands::demo::Way;
use crate::commands::render::Blocks;
use crate::commands::slack::Message;

/// More messages than these are counted, not shown.
const POSTS_MAX: usize = 30;
/// More alerts than these are counted in the summary, not listed.
const VERDICTS_MAX: usize = 20;

/// Zones that the field proposes; it takes every name of the IANA's.
const ZONES: [&str; 12] = [
    "UTC",
    "Asia/Seoul",
    "Asia/Tokyo",
    "Asia/Singapore",
    "Asia/Kolkata",
    "Australia/Sydney",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
];

/// A red square: the page has no other file, and asks nobody for one.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
    %3Crect width='16' height='16' rx='3' fill='%23a30200'/%3E%3C/svg%3E";

/// What an empty configuration hints at.
const EXAMPLE: &str = "# For example:
drop:
  - name: give-it-time
    matchers: ['alertname=\"DatasourceError\"']
    younger_than: 30m
timezone: Asia/Seoul";

/// What stands in the form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    /// The fixture's path, where the event is one.
    pub(crate) fixture: String,
    pub(crate) event: String,
    pub(crate) config: String,
    /// The wall clock, as the browser's field has it; empty for the envelope's own time.
    pub(crate) at: String,
    pub(crate) zone: String,
    /// The name of how messages are written; empty for what the configuration says.
    pub(crate) rendering: String,
}

/// The whole page. `url` is its own address, `inbox` what was delivered so far.
pub(crate) fn page(form: &Form, result: &Markup, inbox: &Markup, url: &str, way: Way) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Playground: alert relay" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/style.css";
                script src="/script.js" defer {}
            }
            body {
                a.skip href="#result" { "Skip to the result" }
                header.top {
                    h1 { "Alert relay playground" }
                    p {
                        "An event and a configuration go in; what Slack would show comes out, with the reason for every "
                        "decision. Nothing leaves this machine."
                    }
                }
                main {
                    (form_markup(form))
                    div.right {
                        section.card aria-labelledby="result-title" {
                            div.row.title {
                                h2 #result-title { "What would happen" }
                                (rendering_markup(form))
                            }
                            div #result aria-live="polite" { (result) }
                        }
                        (inbox_markup(inbox, url, way))
                    }
                }
            }
        }
    }
}

fn form_markup(form: &Form) -> Markup {
    html! {
        form.card #form method="post" action="/" aria-label="Event, configuration and time" {
            (event_markup(form))
            (config_markup(form))
            fieldset.time {
                legend { "Time" }
                div.row {
                    span.pair { label for="at" { "Date and time" }
                    input #at name="at" type="datetime-local" step="1" value=(form.at) aria-describedby="at-help"; }
                    span.pair { label for="zone" { "Time zone" }
                    input #zone name="zone" list="zones" value=(form.zone) placeholder="UTC" autocomplete="off" spellcheck="false"; }
                    datalist #zones { @for zone in ZONES { option value=(zone) {} } }
                    button #now-reset type="button" hidden { "Event's own" }
                }
                p.help #at-help { "What if it were Sunday, 3 a.m. in Seoul? Left empty, it is the time at which the event was sent." }
            }
            div.row.end {
                button.primary type="submit" name="do" value="show" { "Show" }
                button #send type="submit" name="do" value="send" { "Send through the real functions" }
            }
            p.help {
                "Sending runs the functions' own binaries, with the configuration of their start ("
                code { "--config" } "); what they deliver stands in the inbox."
            }
        }
    }
}

/// A field of the form, too, but beside the message that it changes.
fn rendering_markup(form: &Form) -> Markup {
    html! {
        span.pair {
            label for="rendering" { "Rendering" }
            select #rendering name="rendering" form="form" {
                option value="" selected[form.rendering.is_empty()] { "as configured" }
                @for blocks in Blocks::value_variants().iter().filter_map(ValueEnum::to_possible_value) {
                    option value=(blocks.get_name()) selected[form.rendering == blocks.get_name()] { (blocks.get_name()) }
                }
            }
        }
    }
}

fn event_markup(form: &Form) -> Markup {
    let fixtures = library::fixtures();
    html! {
        div.row {
            label for="fixture" { "Library" }
            select #fixture name="fixture" {
                option value="" selected[form.fixture.is_empty()] { "An event of your own" }
                @for group in fixtures.chunk_by(|a, b| a.source() == b.source()) {
                    optgroup label=(group[0].source()) { @for fixture in group { (fixture_option(fixture, form)) } }
                }
            }
            button #load type="submit" name="do" value="load" { "Load" }
        }
        label for="event" { "Event, as Lambda gets it (JSON)" }
        textarea #event name="event" rows="14" wrap="off" spellcheck="false" autocapitalize="off" autocomplete="off" {
            "\n" (form.event)
        }
    }
}

fn fixture_option(fixture: &Fixture, form: &Form) -> Markup {
    html! { option value=(fixture.path) selected[fixture.path == form.fixture] { (fixture.source()) ": " (fixture.title()) } }
}

fn config_markup(form: &Form) -> Markup {
    let lines = form.config.split('\n').count();
    html! {
        label for="config" { "Configuration (YAML)" }
        div.editor {
            // Numbers for the eyes; what is wrong is told in the list below, by line and column.
            pre.gutter #gutter aria-hidden="true" { @for line in 1..=lines.max(12) { span { (line) "\n" } } }
            textarea #config name="config" rows="12" wrap="off" spellcheck="false" autocapitalize="off"
                autocomplete="off" aria-describedby="problems" placeholder=(EXAMPLE) { "\n" (form.config) }
        }
        div #problems role="status" { (problems(&form.config)) }
    }
}

/// What is wrong with a configuration, by line and column; or what it says.
pub(crate) fn problems(config: &str) -> Markup {
    if config.trim().is_empty() {
        return html! { p.fine { "Empty: the defaults hold. Grafana's DatasourceError is dropped, the rest goes to one receiver." } };
    }
    match Config::parse(config) {
        Ok(config) => html! {
            p.fine {
                "Fine: " (count(config.drop.len(), "drop rule")) ", " (count(config.receivers.len(), "receiver")) ", "
                (count(config.time_intervals.len(), "time interval")) "."
            }
        },
        Err(errors) => html! {
            p.wrong { (count(errors.problems().len(), "problem")) ". Deployed like this, nothing is dropped, and every message says so." }
            ul.problems {
                @for problem in errors.problems().iter().take(50) {
                    li {
                        a href="#config" data-line=(problem.line) data-column=(problem.column) {
                            "line " (problem.line) ", column " (problem.column)
                        }
                        ": " @if !problem.path.is_empty() { code { (problem.path) } ": " } (problem.message)
                    }
                }
            }
        },
    }
}

/// What would happen, or why that cannot be said.
pub(crate) fn result(question: &Question, asked: &str) -> Markup {
    match preview::preview(question) {
        Ok(preview) => answered(&preview, asked),
        Err(problem) => problem_markup("The event", &problem),
    }
}

/// One thing that is wrong, and how; its lines stay lines.
pub(crate) fn problem_markup(what: &str, problem: &str) -> Markup {
    html! { div.problem role="alert" { strong { (what) ": " } pre { (problem) } } }
}

fn answered(preview: &Preview, asked: &str) -> Markup {
    let posts: Vec<_> = preview.relayed.iter().flat_map(|relayed| &relayed.posts).collect();
    let json: Vec<Value> = posts
        .iter()
        .take(POSTS_MAX)
        .map(|post| serde_json::from_str(&post.message.content()).unwrap_or_default())
        .collect();
    let sns: Vec<&Value> = preview.relayed.iter().filter_map(|relayed| relayed.sns.as_ref()).collect();
    let at = moment(preview.now);
    html! {
        (summary(preview, posts.len()))
        p.asked { @if asked.is_empty() { "Asked for the time of the event: " (at) } @else { "Asked for " (asked) ": " (at) } }
        @if let Some(said) = &preview.said { p.asked { (said) } }
        div.tabs {
            section.panel #panel-slack data-tab="Slack" {
                h3 { "Slack" }
                @for (post, payload) in posts.iter().zip(&json) {
                    p.receiver {
                        "To " strong { (post.receiver.name) }
                        @if post.target != Target::OWN_WEBHOOK { ", by " (post.target.described()) }
                        @if post.items.len() > 1 { ", " (post.items.len()) " alerts in one message" }
                    }
                    @let message = Message::read(payload);
                    (message::channel(&message, &at))
                    (message::lock_screen(&message, &post.receiver.name))
                }
                @if posts.is_empty() { p.empty { "Slack shows nothing." } }
                (more(posts.len()))
            }
            section.panel #panel-json data-tab="JSON" {
                h3 { "Exact JSON" }
                @for payload in &json { (pretty(payload)) }
                (more(posts.len()))
                @if json.is_empty() { p.empty { "Nothing is posted." } }
            }
            section.panel #panel-sns data-tab="SNS" {
                h3 { "SNS messages" }
                @for event in sns.iter().take(POSTS_MAX) { (sns_message(event)) }
                (more(sns.len()))
                @if sns.is_empty() {
                    p.empty {
                        @if preview.filter.is_some() { "The filter publishes nothing." }
                        @else { "This event goes to cloudwatch-to-slack as it is: the filter publishes nothing." }
                    }
                }
            }
            section.panel #panel-why data-tab="Why" {
                h3 { "Step by step" }
                (explanation(preview))
            }
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > POSTS_MAX { p.empty { "… and " (all - POSTS_MAX) " more, which are not shown here" } } }
}

fn pretty(value: &Value) -> Markup {
    html! { pre.code tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
}

/// Subject and text as an e-mail has them, and the exact event.
fn sns_message(event: &Value) -> Markup {
    let sns = &event["Records"][0]["Sns"];
    html! {
        p { strong { "Subject: " } (sns["Subject"].as_str().unwrap_or("(none)")) }
        pre.code tabindex="0" { (sns["Message"].as_str().unwrap_or_default()) }
        details { summary { "The event as Lambda gets it" } (pretty(event)) }
    }
}

/// What becomes of every alert, in a line each.
fn summary(preview: &Preview, posts: usize) -> Markup {
    let held_back =
        preview.filter.iter().flat_map(|plan| &plan.items).filter_map(|item| {
            Some((&item.alert, Fate::Drop("grafana-filter-to-sns", item.dropped.as_ref()?)))
        });
    let met = preview.relayed.iter().flat_map(|relayed| &relayed.items).map(|item| {
        let fate = match &item.verdict {
            Verdict::Drop(dropped) => Fate::Drop("cloudwatch-to-slack", dropped),
            Verdict::Deliver { receivers } => {
                Fate::Deliver(receivers.iter().map(|routed| routed.receiver.name.as_str()).collect())
            }
        };
        (&item.alert, fate)
    });
    let fates: Vec<_> = held_back.chain(met).collect();
    let dropped = fates.iter().filter(|(_, fate)| matches!(fate, Fate::Drop(..))).count();
    html! {
        p.verdict.quiet[posts == 0] #verdict {
            (count(fates.len() + preview.unfollowed, "alert")) ": " (count(posts, "message")) " to Slack"
            @if dropped > 0 { ", " (dropped) " dropped" }
            @if preview.unfollowed > 0 {
                " for the first " (preview::FOLLOWED_MAX) " of " (preview.filter.as_ref().map_or(0, |plan| plan.publications.len()))
                " SNS messages; the others are not followed here"
            }
        }
        ul.verdicts {
            @for (alert, fate) in fates.iter().take(VERDICTS_MAX) {
                @match fate {
                    Fate::Drop(by, Dropped { rule, why }) => li.drop {
                        span.sign { "dropped" } " " strong { (alert.name) } " " (alert.state_value)
                        ": rule " strong { (rule) } " of " (by) " (" (why) ")"
                    },
                    Fate::Deliver(receivers) => li.deliver {
                        span.sign { "delivered" } " " strong { (alert.name) } " " (alert.state_value) ": to " (receivers.join(", "))
                    },
                }
            }
            @if fates.len() > VERDICTS_MAX { li { "… and " (fates.len() - VERDICTS_MAX) " more" } }
        }
    }
}

enum Fate<'p> {
    Drop(&'static str, &'p Dropped),
    Deliver(Vec<&'p str>),
}

/// A moment that the page shows in the viewer's time zone.
pub(crate) fn moment(time: DateTime<Utc>) -> Markup {
    html! {
        time datetime=(time.to_rfc3339_opts(SecondsFormat::Secs, true)) data-format="{weekday} {date_short} {time_secs} {zone}" {
            (time.format("%a %Y-%m-%d %H:%M:%S UTC"))
        }
    }
}

fn inbox_markup(inbox: &Markup, url: &str, way: Way) -> Markup {
    html! {
        section.card #inbox-card aria-labelledby="inbox-title" {
            h2 #inbox-title { "Inbox " span.state #live role="status" { "live with JavaScript" } }
            p {
                "What the running functions delivered to the sandbox's Slack. "
                @match way {
                    Way::Webhook => { "By a webhook each change is a message; start with " code { "--app" } " and one message changes. " }
                    Way::App | Way::AppWithButtons => { "By the app one message changes, with its thread below it; only what is new in the channel rings. " }
                }
                "Send it something:"
            }
            dl.ways {
                dt { "Grafana's contact point or Alertmanager's webhook" }
                dd {
                    code { (url) "grafana" }
                    (curl(url, "grafana/walkthrough.bare.json", "grafana"))
                }
                dt { "Any event of Lambda's, for cloudwatch-to-slack" }
                dd {
                    code { (url) "event" }
                    (curl(url, library::FIRST, "event"))
                }
            }
            div #inbox role="log" aria-label="Delivered messages, newest first" tabindex="0" { (inbox) }
        }
    }
}

/// A line to try a way in with, which works wherever the program lies.
fn curl(url: &str, fixture: &str, way: &str) -> Markup {
    html! {
        pre.code tabindex="0" { "curl -s " (url) "fixtures/" (fixture) " | \\\n  curl --data-binary @- " (url) (way) }
    }
}
