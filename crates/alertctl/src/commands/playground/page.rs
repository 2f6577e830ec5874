//! The page, made here as a whole: it works without JavaScript, which only makes it quicker.

use alert_core::config::Config;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use maud::{DOCTYPE, Markup, html};

use super::explanation::count;
use super::library::{self, Fixture};
use super::pace::Pace;
use crate::commands::demo::Way;
use crate::commands::render::Blocks;

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
    /// The name of how what the event holds comes in; empty for as it is.
    pub(crate) pace: String,
    /// Whether it was submitted, and is not the one that everybody begins with.
    pub(crate) is_own: bool,
}

/// The whole page. `url` is its own address, `told` what became of what was sent, `inbox` what was delivered so far.
pub(crate) fn page(
    form: &Form,
    result: &Markup,
    told: &Markup,
    inbox: &Markup,
    url: &str,
    way: Way,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Playground: alert relay" }
                link rel="icon" href="/favicon.ico" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
                script type="module" src="/script.js" {}
            }
            body {
                a.skip href="#result-card" { "Skip to the result" }
                header.top {
                    h1 { "Alert relay playground" }
                    p { "An event and rules go in; what Slack would show comes out, and why. Nothing leaves this machine." }
                }
                main {
                    form #form method="post" action="/" aria-label="Event, rules and time" data-own[form.is_own] {
                        (event_markup(form))
                        (rules_markup(form))
                    }
                    section.card #result-card aria-label="Result and inbox" {
                        (bar_markup(form))
                        div #told role="status" { (told) }
                        section.panel #view-result data-tab="Result" aria-labelledby="result-title" {
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

/// What is done with what stands in the form; it stands beside the result, so that a phone shows it first.
fn bar_markup(form: &Form) -> Markup {
    html! {
        div.bar {
            div #views {}
            div.row.acts {
                button #show type="submit" form="form" name="do" value="show" { "Show" }
                button #copy-link type="button" hidden { "Copy link" }
                span.joined {
                    button.primary #send type="submit" form="form" name="do" value="send" { "Send" }
                    select #pace name="pace" form="form" aria-label="How many at once" {
                        @for pace in Pace::ALL {
                            option value=(pace.name()) selected[form.pace == pace.name()] { (pace.title()) }
                        }
                    }
                }
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
    let about = library::fixture(&form.fixture).map_or("", |fixture| fixture.about.as_str());
    html! {
        details.card.fold #event-card open {
            summary { h2 { "Event" } }
            div.row {
                label for="fixture" { "Library" }
                input #search type="search" aria-label="Search the library" placeholder="composite, late, GuardDuty…"
                    autocomplete="off" spellcheck="false" hidden;
            }
            select #fixture name="fixture" size="7" aria-describedby="about" {
                option value="" selected[form.fixture.is_empty()] { "An event of your own" }
                @for group in fixtures.chunk_by(|a, b| a.folder == b.folder) {
                    optgroup label=(library::title(group)) { @for fixture in group { (fixture_option(fixture, form)) } }
                }
            }
            p.help #about { (about) }
            button #load type="submit" name="do" value="load" { "Load" }
            label for="event" { "JSON, as Lambda gets it" }
            textarea #event name="event" rows="14" wrap="off" spellcheck="false" autocapitalize="off" autocomplete="off" {
                "\n" (form.event)
            }
        }
    }
}

fn fixture_option(fixture: &Fixture, form: &Form) -> Markup {
    let config = fixture.config.map(|_| {
        let case = fixture.path.split_once('.').map_or(fixture.path, |(case, _)| case);
        format!("{case}.config.yaml")
    });
    html! {
        option value=(fixture.path) selected[fixture.path == form.fixture] data-config=[config] data-about=(fixture.about)
            data-words=(fixture.words) { (fixture.title) }
    }
}

fn rules_markup(form: &Form) -> Markup {
    let lines = form.config.split('\n').count();
    html! {
        details.card.fold #rules-card open {
            summary { h2 { "Rules" } }
            label for="config" { "Configuration (YAML)" }
            div.editor {
                // Numbers for the eyes; what is wrong is told in the list below, by line and column.
                pre.gutter #gutter aria-hidden="true" { @for line in 1..=lines.max(12) { span { (line) "\n" } } }
                textarea #config name="config" rows="12" wrap="off" spellcheck="false" autocapitalize="off"
                    autocomplete="off" aria-describedby="problems" placeholder=(EXAMPLE) { "\n" (form.config) }
            }
            div #problems role="status" { (problems(&form.config)) }
            fieldset.time {
                legend { "As if this happened at" }
                div.row {
                    span.pair { label for="at" { "Time" }
                    input #at name="at" type="datetime-local" step="1" value=(form.at) aria-describedby="at-help"; }
                    span.pair { label for="zone" { "Zone" }
                    input #zone name="zone" list="zones" value=(form.zone) placeholder="UTC" autocomplete="off" spellcheck="false"; }
                    datalist #zones { @for zone in ZONES { option value=(zone) {} } }
                    button #now-reset type="button" hidden { "Event's own" }
                }
                p.help #at-help {
                    "The event's times move with it. Empty, it is the event's own time, and what is sent happens now. "
                    "What is sent into the past is told as late: the functions' clock is the real one."
                }
            }
        }
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

/// One thing that is wrong, and how; its lines stay lines.
pub(crate) fn problem_markup(what: &str, problem: &str) -> Markup {
    html! { div.problem role="alert" { strong { (what) ": " } pre { (problem) } } }
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
        section.panel #view-inbox data-tab="Inbox" aria-labelledby="inbox-title" {
            div.row.title {
                h2 #inbox-title { "Inbox" }
                span.state #live role="status" { "live with JavaScript" }
            }
            p.help {
                "What the functions delivered to the sandbox's Slack. "
                @match way {
                    Way::Webhook => { "By a webhook each change is a message. Start with " code { "--app" } ", and one message changes, with buttons." }
                    Way::App | Way::AppWithButtons => { "By the app one message changes, with its thread below it. Its buttons work: you are kim." }
                }
            }
            div #inbox role="log" aria-label="Delivered messages, newest first" tabindex="0" { (inbox) }
            details.ways {
                summary { "Send it something from elsewhere" }
                p.help { "It is handled by the rules that were sent last; at first, by those of " code { "--config" } "." }
                dl {
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
            }
        }
    }
}

/// A line to try a way in with, which works wherever the program lies.
fn curl(url: &str, fixture: &str, way: &str) -> Markup {
    html! {
        pre.code tabindex="0" { "curl -s " (url) "fixtures/" (fixture) " | \\\n  curl --data-binary @- " (url) (way) }
    }
}
