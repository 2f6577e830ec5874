//! The answer to a question, as a page: what would be posted, what it would look like, and why.

use alert_core::decide::{Dropped, Verdict};
use alert_core::relay::Post;
use alert_core::target::Target;
use maud::{Markup, html};
use serde_json::Value;

use super::explanation::{count, explanation};
use super::message;
use super::page::{moment, problem_markup};
use super::preview::{self, Preview, Question};
use crate::commands::slack::Message;
use crate::commands::{render, shift};

/// More messages than these are counted, not shown.
const POSTS_MAX: usize = 30;
/// More dropped alerts than these are counted, not listed.
const DROPPED_MAX: usize = 5;

/// What would happen, or why that cannot be said.
pub(crate) fn result(question: &Question, asked: &str) -> Markup {
    match preview::preview(question) {
        Ok(preview) => answered(&preview, asked),
        Err(problem) => problem_markup("The event", &problem),
    }
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
        (summary(preview, &posts))
        p.asked {
            @match (asked, preview.has_time) {
                ("", true) => { "At the event's own time: " },
                ("", false) => { (shift::NO_TIME) ": " },
                (asked, true) => { "As if this happened at " (asked) ": " },
                (asked, false) => { "The event has no time. At " (asked) ": " },
            }
            (at)
        }
        div.tabs {
            section.panel #panel-slack data-tab="Slack" {
                h3 { "Slack" }
                @for (index, (post, payload)) in posts.iter().zip(&json).enumerate() {
                    (post_markup(index, post, payload, &at))
                }
                @if posts.is_empty() { p.empty { "Slack shows nothing." } }
                (more(posts.len()))
            }
            section.panel #panel-json data-tab="JSON" {
                h3 { "Exact JSON" }
                @for (index, payload) in json.iter().enumerate() {
                    pre.code #{ "json-" (index) } tabindex="0" { (pretty(payload)) }
                }
                (more(posts.len()))
                @if json.is_empty() { p.empty { "Nothing is posted." } }
            }
            section.panel #panel-sns data-tab="SNS" {
                h3 { "SNS messages" }
                @for event in sns.iter().take(POSTS_MAX) { (sns_message(event)) }
                (more(sns.len()))
                @if sns.is_empty() {
                    p.empty {
                        @if preview.filters.is_empty() { "This event goes to cloudwatch-to-slack as it is: the filter publishes nothing." }
                        @else { "The filter publishes nothing." }
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

/// A message as people meet it: first on the phone, then in its channel.
fn post_markup(index: usize, post: &Post, payload: &Value, at: &Markup) -> Markup {
    let message = Message::read(payload);
    let has_blocks = message.blocks.is_some() || !message.attachments.is_empty();
    html! {
        p.receiver {
            "To " strong { (post.receiver.name) }
            @if post.target != Target::OWN_WEBHOOK { ", by " (post.target.described()) }
            @if post.items.len() > 1 { ", " (post.items.len()) " alerts in one message" }
        }
        (message::lock_screen(&message, &post.receiver.name))
        (message::channel(&message, at, None))
        p.links {
            button.copy type="button" data-copy={ "json-" (index) } hidden { "Copy JSON" }
            @if has_blocks {
                a href=(render::builder_url(&post.message.content())) target="_blank" rel="noopener noreferrer" {
                    "Open in Block Kit Builder"
                }
            }
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > POSTS_MAX { p.empty { "… and " (all - POSTS_MAX) " more, which are not shown here" } } }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Subject and text as an e-mail has them, and the exact event.
fn sns_message(event: &Value) -> Markup {
    let sns = &event["Records"][0]["Sns"];
    html! {
        p { strong { "Subject: " } (sns["Subject"].as_str().unwrap_or("(none)")) }
        pre.code tabindex="0" { (sns["Message"].as_str().unwrap_or_default()) }
        details { summary { "The event as Lambda gets it" } pre.code tabindex="0" { (pretty(event)) } }
    }
}

/// What becomes of the alerts in numbers, and which of them people do not see, each with its rule.
fn summary(preview: &Preview, posts: &[&Post]) -> Markup {
    let held_back = preview
        .filters
        .iter()
        .flat_map(|plan| &plan.items)
        .filter_map(|item| Some(("grafana-filter-to-sns", &item.alert, item.dropped.as_ref()?)));
    let met =
        preview.relayed.iter().flat_map(|relayed| &relayed.items).filter_map(|item| match &item.verdict {
            Verdict::Drop(dropped) => Some(("cloudwatch-to-slack", &item.alert, dropped)),
            Verdict::Deliver { .. } => None,
        });
    let dropped: Vec<_> = held_back.chain(met).collect();
    let posted: usize = posts.iter().map(|post| post.items.len()).sum();
    html! {
        @if let Some(errors) = preview.broken {
            p.off role="alert" {
                strong { "Rules are off: " (count(errors, "error")) }
                ". Nothing is dropped, and every message says so. " a href="#problems" { "Show" }
            }
        }
        p.verdict.quiet[posts.is_empty()] #verdict {
            (posts.len()) " posted"
            @if posted > posts.len() { " (" (count(posted, "alert")) ")" }
            " · " (dropped.len()) " dropped"
        }
        @if preview.unfollowed > 0 {
            p.asked {
                (count(preview.unfollowed, "alert")) " more: of the "
                (preview.filters.iter().map(|plan| plan.publications.len()).sum::<usize>())
                " SNS messages the first " (preview::FOLLOWED_MAX) " are followed here"
            }
        }
        @if !dropped.is_empty() {
            ul.verdicts {
                @for (by, alert, Dropped { rule, why }) in dropped.iter().take(DROPPED_MAX) {
                    li.drop {
                        span.sign { "dropped" } " " strong { (alert.name) } " " (alert.state_value)
                        ": rule " strong { (rule) } " of " (by) " (" (why) ")"
                    }
                }
                @if dropped.len() > DROPPED_MAX { li { "… and " (dropped.len() - DROPPED_MAX) " more" } }
            }
        }
    }
}
